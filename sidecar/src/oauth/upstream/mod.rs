//! The identity provider: where users log in, and what it says about them.
//!
//! To it `mcp-auth` is one ordinary confidential client (OpenID Connect Core §3.1, with PKCE). What
//! clients of ours may do with a login is not decided here.

mod discovery;
mod http;
mod id_token;
mod no_tokens;
mod our_secret;
mod person;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use openidconnect::{
    CsrfToken, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    Scope, TokenResponse as _,
    core::{CoreAuthenticationFlow, CoreTokenResponse},
};
use tokio::time::timeout;
use url::Url;

use self::{
    discovery::{Discovery, Known, NotDiscovered},
    http::{CALL_WITHIN, Http},
    id_token::{Expected, Unbelievable},
    our_secret::Asked,
    person::Unnamed,
};
use super::{error::OAuthError, grant::UpstreamTokens, identity::Identity, opaque::Opaque};
use crate::{
    clock::Clock,
    config::{oauth, values::HttpHosts},
};

/// How long a login may take once the user has come back, all calls together.
const FINISH_WITHIN: Duration = Duration::from_secs(12);
/// How long a refresh may take for reading anew who the user is.
const REREAD_WITHIN: Duration = Duration::from_secs(3);
/// What an access token is taken to live if its response does not say.
const USUAL_LIFETIME: Duration = Duration::from_secs(3600);

/// The identity provider.
#[derive(Clone)]
pub struct Provider(Arc<Inner>);

struct Inner {
    config: oauth::Provider,
    discovery: Discovery,
    http: Http,
    clock: Clock,
}

/// What binds an answer of the provider to one login.
#[derive(Clone, Debug)]
pub struct Proof {
    /// Comes back in the ID token.
    pub nonce: Opaque,
    /// What the PKCE challenge was made from.
    pub verifier: Opaque,
}

/// Somebody who logged in.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// Who.
    pub identity: Identity,
    /// The provider's tokens.
    pub upstream: UpstreamTokens,
}

/// What a refresh brought.
#[derive(Clone, Debug)]
pub struct Refreshed {
    /// The tokens from now on. The refresh token is the old one if there was no new one; the ID
    /// token is absent if there was none.
    pub upstream: UpstreamTokens,
    /// Who the user is by the new ID token, if there was one and its claims could be read. Whether
    /// the subject is still the same is for the caller to check.
    pub identity: Option<Identity>,
}

/// Why a login comes to nothing.
#[derive(Debug, thiserror::Error)]
pub enum LoginFailure {
    /// The provider does not know the code, or not for this login.
    #[error("it refused the code: {0}")]
    Refused(String),
    /// What it says cannot be believed.
    #[error("the ID token: {0}")]
    Unbelievable(Unbelievable),
    /// It names nobody.
    #[error(transparent)]
    Unnamed(Unnamed),
    /// It gave no ID token.
    #[error("there is no ID token in its answer")]
    NoIdToken,
    /// It does not answer, or not as it should.
    #[error("{0}")]
    Unavailable(String),
}

/// Why a refresh brought nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RefreshFailure {
    /// The provider says that the login is over.
    #[error("it ended the login: {0}")]
    Refused(String),
    /// It does not answer, or not as it should: later it may.
    #[error("{0}")]
    Unavailable(String),
    /// What it says of the user cannot be believed. Its tokens count, since the old ones may be
    /// spent.
    #[error("{why}")]
    Unbelieved {
        /// The new tokens.
        upstream: Box<UpstreamTokens>,
        /// What is wrong.
        why: String,
    },
}

impl Provider {
    /// The provider of this configuration. Nothing is asked yet.
    pub fn new(
        config: &oauth::Provider,
        redirect_uri: String,
        http_hosts: HttpHosts,
        clock: Clock,
    ) -> Self {
        let http = Http::new();
        let redirect_uri = RedirectUrl::new(redirect_uri).expect("it is made from MCP_AUTH_URL");
        let discovery = Discovery::new(config.clone(), redirect_uri, http_hosts, http.clone());
        Self(Arc::new(Inner { config: config.clone(), discovery, http, clock }))
    }

    /// Keeps what is known of the provider fresh, for as long as the process runs.
    pub async fn keep_known(self) {
        self.0.discovery.keep().await;
    }

    /// Whether enough is known of the provider to send users there.
    pub fn is_known(&self) -> bool {
        self.0.discovery.latest().is_some()
    }

    /// Where the user's browser is sent to log in (OpenID Connect Core §3.1.2.1).
    ///
    /// # Errors
    /// [`OAuthError::Provider`] if the provider has never answered.
    pub async fn login_url(&self, state: &Opaque, proof: &Proof) -> Result<Url, OAuthError> {
        let known = self.known().await?;
        let config = &self.0.config;
        let verifier = PkceCodeVerifier::new(proof.verifier.expose().to_owned());
        let state = CsrfToken::new(state.expose().to_owned());
        let nonce = Nonce::new(proof.nonce.expose().to_owned());
        let mut request = known
            .client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, || state, || nonce)
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        // `openid` is added by the flow.
        for scope in config.scopes.iter().filter(|scope| *scope != "openid") {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        if let Some(audience) = &config.audience {
            request = request.add_extra_param("audience", audience);
        }
        if let Some(prompt) = &config.prompt {
            request = request.add_extra_param("prompt", prompt);
        }
        Ok(request.url().0)
    }

    /// Whether an authorization response may come from this provider (RFC 9207 §2.4): the `iss` it
    /// carries is the provider's, and is not missing where it was promised.
    ///
    /// # Errors
    /// [`OAuthError::Provider`] if the provider has never answered.
    pub async fn may_have_sent(&self, iss: Option<&str>) -> Result<bool, OAuthError> {
        match iss {
            Some(iss) => Ok(iss == self.0.config.issuer.as_str()),
            None => Ok(!self.known().await?.names_issuer),
        }
    }

    /// Redeems the code that the user came back with, and reads who it is.
    ///
    /// # Errors
    /// [`LoginFailure`]
    pub async fn finish_login(
        &self,
        code: &str,
        proof: &Proof,
    ) -> Result<Authenticated, LoginFailure> {
        let slow = |_| LoginFailure::Unavailable("it takes too long".to_owned());
        timeout(FINISH_WITHIN, self.redeem(code, proof)).await.map_err(slow)?
    }

    /// Asks for new tokens.
    ///
    /// # Errors
    /// [`RefreshFailure`]
    pub async fn refresh(&self, refresh_token: &str) -> Result<Refreshed, RefreshFailure> {
        let away = |why: Arc<NotDiscovered>| RefreshFailure::Unavailable(why.to_string());
        let slow = |_| RefreshFailure::Unavailable("it takes too long".to_owned());
        let asked = async {
            let known = self.0.discovery.known().await.map_err(away)?;
            let asked = Asked::Refresh(refresh_token);
            let tokens = our_secret::tokens(&self.0.config, &known, &self.0.http, &asked).await;
            tokens.map(|tokens| (tokens, known)).map_err(RefreshFailure::from)
        };
        let (tokens, known) = timeout(CALL_WITHIN, asked).await.map_err(slow)??;
        let mut upstream = self.tokens(&tokens);
        upstream.refresh_token.get_or_insert_with(|| refresh_token.to_owned());
        // By now the old tokens may be spent, so the new ones count whatever comes of the rest.
        let identity = match timeout(REREAD_WITHIN, self.identify(&tokens, known, None)).await {
            Ok(Ok(identity)) => Some(identity),
            Ok(Err(LoginFailure::NoIdToken)) => None,
            Ok(Err(
                cause @ (LoginFailure::Unavailable(_) | LoginFailure::Unnamed(Unnamed::Away(_))),
            )) => {
                tracing::warn!(%cause, "who a user is could not be read again at a refresh");
                None
            }
            Ok(Err(cause)) => {
                let (upstream, why) = (Box::new(upstream), cause.to_string());
                return Err(RefreshFailure::Unbelieved { upstream, why });
            }
            Err(_) => None,
        };
        Ok(Refreshed { upstream, identity })
    }

    /// Whether it is this provider that vouches for the user.
    pub fn is_of(&self, identity: &Identity) -> bool {
        identity.issuer == self.0.config.issuer.as_str()
    }

    /// Tells the provider that its tokens are no longer needed (RFC 7009), if it takes that. Whether
    /// it worked is of no consequence for ours, so it is only logged.
    pub async fn revoke(&self, tokens: &UpstreamTokens) {
        let Some(known) = self.0.discovery.latest() else { return };
        let Some(address) = &known.revocation else { return };
        let (token, hint) = match &tokens.refresh_token {
            Some(token) => (token, "refresh_token"),
            None => (&tokens.access_token, "access_token"),
        };
        let fields = [("token", token.as_str()), ("token_type_hint", hint)];
        match self.0.http.send(our_secret::form(&self.0.config, &known, address, &fields)).await {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => tracing::warn!(
                status = answer.status().as_u16(),
                "the identity provider did not revoke its tokens"
            ),
            Err(cause) => tracing::warn!(%cause, "the identity provider did not revoke its tokens"),
        }
    }

    /// Where a browser ends its login at the provider (RP-Initiated Logout §2), if there is such a
    /// place.
    pub async fn logout_url(&self, back_to: &str) -> Option<Url> {
        let known = self.0.discovery.known().await.ok()?;
        let mut url = known.end_session.clone()?;
        url.query_pairs_mut()
            .append_pair("client_id", &self.0.config.client_id)
            .append_pair("post_logout_redirect_uri", back_to);
        Some(url)
    }

    async fn redeem(&self, code: &str, proof: &Proof) -> Result<Authenticated, LoginFailure> {
        let away = |why: Arc<NotDiscovered>| LoginFailure::Unavailable(why.to_string());
        let known = self.0.discovery.known().await.map_err(away)?;
        let asked = Asked::Code(code, &proof.verifier);
        let tokens = our_secret::tokens(&self.0.config, &known, &self.0.http, &asked).await;
        let tokens = tokens.map_err(LoginFailure::from)?;
        let identity = self.identify(&tokens, known, Some(&proof.nonce)).await?;
        Ok(Authenticated { identity, upstream: self.tokens(&tokens) })
    }

    /// Who the ID token is about. If no key that is known verifies it, the keys are read again.
    async fn identify(
        &self,
        tokens: &CoreTokenResponse,
        known: Arc<Known>,
        nonce: Option<&Opaque>,
    ) -> Result<Identity, LoginFailure> {
        let token = tokens.id_token().ok_or(LoginFailure::NoIdToken)?;
        let now = self.0.clock.now();
        let expected = Expected { client_id: &self.0.config.client_id, nonce, now };
        let (claims, known) = match id_token::verify(token, &known, &expected) {
            Err(Unbelievable::Signature(_)) => {
                let newer = self.0.discovery.newer_than(Some(&known)).await;
                let newer = newer.map_err(|why| LoginFailure::Unavailable(why.to_string()))?;
                (id_token::verify(token, &newer, &expected), newer)
            }
            decided => (decided, known),
        };
        let claims = claims.map_err(LoginFailure::Unbelievable)?;
        let identity = person::identify(&known, &self.0.http, claims, tokens.access_token()).await;
        identity.map_err(LoginFailure::Unnamed)
    }

    fn tokens(&self, tokens: &CoreTokenResponse) -> UpstreamTokens {
        UpstreamTokens {
            access_token: tokens.access_token().secret().clone(),
            expires_at: self.0.clock.now() + tokens.expires_in().unwrap_or(USUAL_LIFETIME),
            refresh_token: tokens.refresh_token().map(|it| it.secret().clone()),
            id_token: tokens.id_token().map(ToString::to_string),
        }
    }

    async fn known(&self) -> Result<Arc<Known>, OAuthError> {
        let known = self.0.discovery.known().await;
        known.map_err(|why| OAuthError::Provider(why.to_string()))
    }
}

impl From<LoginFailure> for OAuthError {
    fn from(failure: LoginFailure) -> Self {
        match &failure {
            LoginFailure::Refused(_) => {
                Self::AccessDenied("the identity provider did not accept the login")
            }
            LoginFailure::Unbelievable(_)
            | LoginFailure::NoIdToken
            | LoginFailure::Unnamed(Unnamed::Mixed(_)) => Self::ProviderFault(failure.to_string()),
            LoginFailure::Unnamed(Unnamed::Away(why)) | LoginFailure::Unavailable(why) => {
                Self::Provider(why.clone())
            }
        }
    }
}
