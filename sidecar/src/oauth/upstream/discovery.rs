//! What the provider says about itself (OpenID Connect Discovery §4), and the keys it signs with.
//!
//! Both are kept fresh in the background. While the provider is away, what was known last goes on
//! being used.

use std::{
    sync::{Arc, RwLock},
    time::Duration,
};

use auth_core::jwk::VerificationKey;
use openidconnect::{
    AdditionalProviderMetadata, AuthType, ClientId, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    IssuerUrl, JsonWebKeySet, ProviderMetadata, RedirectUrl, TokenUrl, UserInfoUrl,
    core::{
        CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod,
        CoreGrantType, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
        CoreJweKeyManagementAlgorithm, CoreResponseMode, CoreResponseType,
        CoreSubjectIdentifierType,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};
use url::Url;

use super::http::{Http, NoAnswer};
use crate::{
    clock::instant,
    config::{oauth, values::HttpHosts},
};

/// How old what is known may become while the provider answers.
const FRESH_FOR: Duration = Duration::from_secs(600);
/// The first and the longest pause after a failure.
const RETRY: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
/// More keys than this no provider has.
const MOST_KEYS: usize = 100;

/// Finds and remembers it.
pub(super) struct Discovery {
    config: oauth::Provider,
    redirect_uri: RedirectUrl,
    http_hosts: HttpHosts,
    http: Http,
    latest: RwLock<Option<Arc<Known>>>,
    /// Held while asking, so that one question serves all who wait; keeps when and how the last
    /// one failed.
    asking: Mutex<Option<(Instant, Arc<NotDiscovered>)>>,
}

/// What is known of the provider.
pub(super) struct Known {
    pub(super) client: Upstream,
    pub(super) issuer: IssuerUrl,
    pub(super) keys: Vec<CoreJsonWebKey>,
    pub(super) revocation: Option<Url>,
    pub(super) end_session: Option<Url>,
    /// Whether every answer to an authorization request names the issuer (RFC 9207 §3).
    pub(super) names_issuer: bool,
}

/// Our client there.
pub(super) type Upstream = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Why nothing is known.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotDiscovered {
    /// A document cannot be had.
    #[error("{0}: {1}")]
    Away(&'static str, NoAnswer),
    /// A document is not what it should be.
    #[error("{0} is unusable: {1}")]
    Unusable(&'static str, String),
    /// The document is another issuer's.
    #[error("its metadata is that of the issuer {0:?}, which must be byte for byte the configured")]
    OtherIssuer(String),
    /// An endpoint is not encrypted.
    #[error("its {0} is neither https: nor on loopback nor at one of MCP_AUTH_INSECURE_HTTP_HOSTS")]
    Insecure(&'static str),
    /// Nothing it signs could be verified.
    #[error("it publishes no key that is usable")]
    NoKeys,
}

impl Discovery {
    pub(super) fn new(
        config: oauth::Provider,
        redirect_uri: RedirectUrl,
        http_hosts: HttpHosts,
        http: Http,
    ) -> Self {
        let (latest, asking) = (RwLock::default(), Mutex::default());
        Self { config, redirect_uri, http_hosts, http, latest, asking }
    }

    /// What was found last, if anything was yet.
    pub(super) fn latest(&self) -> Option<Arc<Known>> {
        self.latest.read().expect("nobody panics while holding this").clone()
    }

    /// What is known, asked for if nothing is.
    pub(super) async fn known(&self) -> Result<Arc<Known>, Arc<NotDiscovered>> {
        match self.latest() {
            Some(known) => Ok(known),
            None => self.newer_than(None).await,
        }
    }

    /// Something newer than what somebody found wanting.
    pub(super) async fn newer_than(
        &self,
        old: Option<&Arc<Known>>,
    ) -> Result<Arc<Known>, Arc<NotDiscovered>> {
        let began = instant();
        let mut last_failure = self.asking.lock().await;
        match (self.latest(), old) {
            (Some(latest), None) => return Ok(latest),
            (Some(latest), Some(old)) if !Arc::ptr_eq(&latest, old) => return Ok(latest),
            (Some(_) | None, _) => {}
        }
        match &*last_failure {
            Some((when, why)) if *when >= began => return Err(Arc::clone(why)),
            Some(_) | None => {}
        }
        match self.ask().await {
            Ok(known) => {
                let known = Arc::new(known);
                let mut latest = self.latest.write().expect("nobody panics while holding this");
                *latest = Some(Arc::clone(&known));
                Ok(known)
            }
            Err(why) => {
                let why = Arc::new(why);
                *last_failure = Some((instant(), Arc::clone(&why)));
                Err(why)
            }
        }
    }

    /// Asks again and again, for as long as the process runs.
    pub(super) async fn keep(&self) {
        let [first_pause, longest_pause] = RETRY;
        let mut pause = first_pause;
        let mut was_up = true;
        loop {
            let asked = self.newer_than(self.latest().as_ref()).await;
            metrics::gauge!("mcp_auth_provider_up").set(if asked.is_ok() { 1.0 } else { 0.0 });
            let is_up = asked.is_ok();
            match asked {
                Ok(_) if was_up => {}
                Ok(_) => tracing::info!("the identity provider is back"),
                Err(cause) if was_up => tracing::error!(%cause, "the identity provider is away"),
                Err(cause) => tracing::debug!(%cause, "the identity provider is still away"),
            }
            sleep(if is_up { FRESH_FOR } else { pause }).await;
            pause = if is_up { first_pause } else { longest_pause.min(pause * 2) };
            was_up = is_up;
        }
    }

    async fn ask(&self) -> Result<Known, NotDiscovered> {
        let issuer = self.config.issuer.as_str();
        let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let document = self.fetch("its metadata", &address).await?;
        let metadata: Metadata = serde_json::from_slice(&document)
            .map_err(|why| NotDiscovered::Unusable("its metadata", why.to_string()))?;
        if metadata.issuer().as_str() != issuer {
            return Err(NotDiscovered::OtherIssuer(metadata.issuer().to_string()));
        }
        self.secure("authorization_endpoint", Some(metadata.authorization_endpoint().url()))?;
        self.secure("jwks_uri", Some(metadata.jwks_uri().url()))?;
        self.secure("token_endpoint", metadata.token_endpoint().map(TokenUrl::url))?;
        self.secure("userinfo_endpoint", metadata.userinfo_endpoint().map(UserInfoUrl::url))?;
        let further = metadata.additional_metadata().clone();
        self.secure("revocation_endpoint", further.revocation_endpoint.as_ref())?;
        self.secure("end_session_endpoint", further.end_session_endpoint.as_ref())?;
        if metadata.token_endpoint().is_none() {
            let why = "token_endpoint is missing".to_owned();
            return Err(NotDiscovered::Unusable("its metadata", why));
        }
        let keys = usable_keys(&self.fetch("its keys", metadata.jwks_uri()).await?)?;
        Ok(Known {
            issuer: metadata.issuer().clone(),
            client: self.client(metadata.set_jwks(JsonWebKeySet::new(keys.clone()))),
            keys,
            revocation: further.revocation_endpoint,
            end_session: further.end_session_endpoint,
            names_issuer: further.authorization_response_iss_parameter_supported == Some(true),
        })
    }

    fn client(&self, metadata: Metadata) -> Upstream {
        let methods = metadata.token_endpoint_auth_methods_supported();
        // The default of OpenID Connect Discovery §3 is Basic.
        let by_body = methods.is_some_and(|methods| {
            !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
                && methods.contains(&CoreClientAuthMethod::ClientSecretPost)
        });
        let id = ClientId::new(self.config.client_id.clone());
        // Its secret may be replaced, so each call brings the one that counts then.
        CoreClient::from_provider_metadata(metadata, id, None)
            .set_redirect_uri(self.redirect_uri.clone())
            .set_auth_type(if by_body { AuthType::RequestBody } else { AuthType::BasicAuth })
    }

    async fn fetch(&self, what: &'static str, address: &str) -> Result<Vec<u8>, NotDiscovered> {
        self.http.get(address).await.map_err(|why| NotDiscovered::Away(what, why))
    }

    fn secure(&self, endpoint: &'static str, url: Option<&Url>) -> Result<(), NotDiscovered> {
        let is_secure = |url: &Url| match url.scheme() {
            "https" => true,
            "http" => self.http_hosts.allow(url),
            _ => false,
        };
        match url {
            Some(url) if !is_secure(url) => Err(NotDiscovered::Insecure(endpoint)),
            Some(_) | None => Ok(()),
        }
    }
}

/// The members that OpenID Connect Discovery does not have: RFC 8414 §2, RFC 9207 §3, RP-Initiated
/// Logout §2.1.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Further {
    revocation_endpoint: Option<Url>,
    end_session_endpoint: Option<Url>,
    authorization_response_iss_parameter_supported: Option<bool>,
}

impl AdditionalProviderMetadata for Further {}

type Metadata = ProviderMetadata<
    Further,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// The keys that may verify signatures, by the same rules as in the filter: those that are too
/// short, private, symmetric or meant for something else are left out.
fn usable_keys(document: &[u8]) -> Result<Vec<CoreJsonWebKey>, NotDiscovered> {
    #[derive(Deserialize)]
    struct KeySet {
        keys: Vec<Value>,
    }

    let set: KeySet = serde_json::from_slice(document)
        .map_err(|why| NotDiscovered::Unusable("its key set", why.to_string()))?;
    let keys: Vec<CoreJsonWebKey> = set
        .keys
        .into_iter()
        .take(MOST_KEYS)
        .filter(|jwk| jwk.as_object().is_some_and(|jwk| VerificationKey::parse(jwk).is_ok()))
        .filter_map(|jwk| serde_json::from_value(jwk).ok())
        .collect();
    if keys.is_empty() { Err(NotDiscovered::NoKeys) } else { Ok(keys) }
}
