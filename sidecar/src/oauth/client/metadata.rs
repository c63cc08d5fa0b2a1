//! What a client says of itself (RFC 7591 §2), when it registers or in a document of its own.

use auth_core::jwk;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::{
    Authentication, Client, KeySource,
    redirect_uri::{self, ApplicationType},
};
use crate::oauth::error::OAuthError;

/// The most redirect URIs of one client.
const MOST_REDIRECT_URIS: usize = 32;
/// What of a name is shown.
const NAME_CHARACTERS: usize = 80;
/// The longest address of a key set.
const LONGEST_ADDRESS: usize = 2048;

/// The members that are read. Others are ignored, as RFC 7591 §2 has it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct RawMetadata {
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<Value>,
    redirect_uris: Option<Vec<String>>,
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    application_type: Option<String>,
    client_name: Option<String>,
    scope: Option<String>,
    jwks: Option<Value>,
    jwks_uri: Option<String>,
}

/// What is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    pub(super) redirect_uris: Vec<String>,
    pub(super) authentication: Authentication,
    pub(super) name: Option<String>,
    application_type: Option<ApplicationType>,
    scope: Option<String>,
}

/// How a client that asks for a shared secret is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SharedSecret {
    /// As a public client, and it is told so: RFC 7591 §3.2.1 lets the server replace what it was
    /// asked for.
    Replaced,
    /// Not at all.
    Refused,
}

impl Metadata {
    /// Reads the body of a registration.
    ///
    /// # Errors
    /// [`OAuthError::InvalidRedirectUri`] and [`OAuthError::InvalidClientMetadata`] say which member
    /// is at fault.
    pub fn of_registration(body: &[u8], scopes: &[String]) -> Result<Self, OAuthError> {
        let raw = serde_json::from_slice::<RawMetadata>(body);
        let raw = raw.map_err(|why| refused(format!("the body: {why}")))?;
        Self::read(raw, scopes, SharedSecret::Replaced)
    }

    /// Makes sense of what was said.
    pub(super) fn read(
        raw: RawMetadata,
        scopes: &[String],
        secret: SharedSecret,
    ) -> Result<Self, OAuthError> {
        let application_type = application_type(raw.application_type.as_deref())?;
        offers("grant_types", raw.grant_types.as_deref(), "authorization_code")?;
        offers("response_types", raw.response_types.as_deref(), "code")?;
        Ok(Self {
            redirect_uris: redirect_uris(raw.redirect_uris.unwrap_or_default(), application_type)?,
            authentication: authentication(
                raw.token_endpoint_auth_method.as_deref(),
                raw.jwks,
                raw.jwks_uri,
                secret,
            )?,
            name: raw.client_name.as_deref().and_then(name),
            application_type,
            scope: raw.scope.map(|asked| offered(&asked, scopes)),
        })
    }

    /// The client that this describes.
    pub(super) fn into_client(self, client_id: String) -> Client {
        Client {
            client_id,
            name: self.name,
            redirect_uris: self.redirect_uris,
            authentication: self.authentication,
        }
    }

    /// What the client is told it has registered (RFC 7591 §3.2.1).
    pub fn registered(&self) -> Map<String, Value> {
        let mut told = Map::new();
        let mut tell = |name: &str, value: Value| {
            if !value.is_null() {
                told.insert(name.to_owned(), value);
            }
        };
        tell("redirect_uris", json!(self.redirect_uris));
        tell("client_name", json!(self.name));
        tell("application_type", json!(self.application_type));
        tell("grant_types", json!(["authorization_code", "refresh_token"]));
        tell("response_types", json!(["code"]));
        tell("scope", json!(self.scope));
        tell("token_endpoint_auth_method", json!(self.authentication.method()));
        match &self.authentication {
            Authentication::None => {}
            Authentication::PrivateKeyJwt(KeySource::Given(jwks)) => tell("jwks", jwks.clone()),
            Authentication::PrivateKeyJwt(KeySource::At(address)) => {
                tell("jwks_uri", json!(address));
            }
        }
        told
    }
}

fn redirect_uris(
    uris: Vec<String>,
    application: Option<ApplicationType>,
) -> Result<Vec<String>, OAuthError> {
    let refused = |why: String| OAuthError::InvalidRedirectUri(why);
    if uris.is_empty() {
        return Err(refused("redirect_uris is missing or empty".to_owned()));
    }
    if uris.len() > MOST_REDIRECT_URIS {
        return Err(refused(format!("redirect_uris has more than {MOST_REDIRECT_URIS}")));
    }
    for (at, uri) in uris.iter().enumerate() {
        redirect_uri::check(uri, application)
            .map_err(|why| refused(format!("redirect_uris[{at}]: {why}")))?;
    }
    Ok(uris)
}

/// Left out, it is as if it had `needed` alone.
fn offers(member: &str, given: Option<&[String]>, needed: &str) -> Result<(), OAuthError> {
    match given {
        Some(given) if !given.iter().any(|it| it == needed) => {
            Err(refused(format!("{member} must have {needed}")))
        }
        _ => Ok(()),
    }
}

fn application_type(given: Option<&str>) -> Result<Option<ApplicationType>, OAuthError> {
    match given {
        None => Ok(None),
        Some("web") => Ok(Some(ApplicationType::Web)),
        Some("native") => Ok(Some(ApplicationType::Native)),
        Some(_) => Err(refused("application_type must be web or native".to_owned())),
    }
}

fn authentication(
    method: Option<&str>,
    jwks: Option<Value>,
    jwks_uri: Option<String>,
    secret: SharedSecret,
) -> Result<Authentication, OAuthError> {
    match (method, secret) {
        (Some("none"), _) | (None, SharedSecret::Refused) => Ok(Authentication::None),
        (Some("client_secret_basic" | "client_secret_post") | None, SharedSecret::Replaced) => {
            Ok(Authentication::None)
        }
        (Some("private_key_jwt"), _) => {
            Ok(Authentication::PrivateKeyJwt(key_source(jwks, jwks_uri)?))
        }
        (Some(_), _) => {
            Err(refused("token_endpoint_auth_method must be none or private_key_jwt".to_owned()))
        }
    }
}

fn key_source(jwks: Option<Value>, jwks_uri: Option<String>) -> Result<KeySource, OAuthError> {
    match (jwks, jwks_uri) {
        (Some(_), Some(_)) => Err(refused("jwks and jwks_uri exclude each other".to_owned())),
        (None, None) => Err(refused("private_key_jwt needs jwks or jwks_uri".to_owned())),
        (Some(jwks), None) => match jwk::parse_set(jwks.to_string().as_bytes()) {
            Ok(_) => Ok(KeySource::Given(jwks)),
            Err(why) => Err(refused(format!("jwks: {why}"))),
        },
        (None, Some(address)) => {
            let is_https = Url::parse(&address).is_ok_and(|url| url.scheme() == "https");
            if is_https && address.len() <= LONGEST_ADDRESS {
                Ok(KeySource::At(address))
            } else {
                Err(refused("jwks_uri must be an https: URL".to_owned()))
            }
        }
    }
}

/// The name without what could disturb the text around it: control characters, those that turn the
/// direction of writing, and those that nobody sees.
fn name(given: &str) -> Option<String> {
    let disturbs = |c: char| matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let plain = given.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    let plain: String = plain.filter(|c| !c.is_control() && !disturbs(*c)).collect();
    let name: String = plain.trim().chars().take(NAME_CHARACTERS).collect();
    (!name.is_empty()).then_some(name)
}

/// Of the scopes asked for, those that there are.
fn offered(asked: &str, scopes: &[String]) -> String {
    let asked: Vec<&str> = asked.split_ascii_whitespace().collect();
    let offered = scopes.iter().filter(|scope| asked.contains(&scope.as_str()));
    offered.map(String::as_str).collect::<Vec<_>>().join(" ")
}

fn refused(why: String) -> OAuthError {
    OAuthError::InvalidClientMetadata(why)
}
