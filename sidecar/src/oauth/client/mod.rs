//! Who may ask: a client that registered itself, or one that a document at its own address
//! describes.

mod assertion;
mod authentication;
mod cache;
mod document;
mod fetch;
pub mod metadata;
mod public_address;
mod public_names;
pub mod redirect_uri;
mod registered;
#[cfg(test)]
mod testing;

use auth_core::time::UnixTime;
use serde::{Deserialize, Serialize};

pub use self::metadata::Metadata;
use self::{
    document::{Documents, is_address},
    registered::Registered,
};
use super::{error::OAuthError, opaque::Opaque, params::Params, vault::Vault};
use crate::{clock::Clock, config::oauth::OAuthConfig};

/// The longest `client_id`.
pub const LONGEST_ID: usize = 2048;

/// A client as the other parts see it, however it became known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Names it: opaque if it registered, the address of its document otherwise.
    pub client_id: String,
    /// What it calls itself; shown to people, escaped, and believed by nobody.
    pub name: Option<String>,
    /// Where it may be answered; at least one.
    pub redirect_uris: Vec<String>,
    /// How it proves itself at `/token`.
    pub authentication: Authentication,
}

/// How a client proves who it is (RFC 7591 `token_endpoint_auth_method`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authentication {
    /// Not at all: a public client, whose codes are bound by PKCE.
    None,
    /// A JWT signed with one of its keys (RFC 7523 §2.2).
    PrivateKeyJwt(KeySource),
}

/// Where the keys of a client are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    /// Here: a JSON Web Key Set with a usable key.
    Given(serde_json::Value),
    /// At this `https:` address.
    At(String),
}

impl Client {
    /// Where a request is answered that names this redirect URI, or none.
    ///
    /// # Errors
    /// [`OAuthError::InvalidRequest`]: then nobody may be redirected anywhere.
    pub fn redirect_uri(&self, asked: Option<&str>) -> Result<String, OAuthError> {
        let refused = |why: &str| Err(OAuthError::InvalidRequest(why.to_owned()));
        match (asked, self.redirect_uris.as_slice()) {
            (None, [only]) => Ok(only.clone()),
            (None, _) => refused("redirect_uri is missing, and the client has several"),
            (Some(asked), registered) => {
                if registered.iter().any(|it| redirect_uri::is_same(it, asked)) {
                    Ok(asked.to_owned())
                } else {
                    refused("the redirect_uri is not one of the client's")
                }
            }
        }
    }
}

impl Authentication {
    /// Its registered name.
    pub const fn method(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::PrivateKeyJwt(_) => "private_key_jwt",
        }
    }
}

/// Finds clients, and knows them by what they prove.
#[derive(Clone)]
pub struct Clients {
    registered: Registered,
    documents: Documents,
    /// Who assertions may be meant for.
    audiences: Vec<String>,
    vault: Vault,
    clock: Clock,
}

impl Clients {
    /// Clients remembered in this vault, and those of documents.
    pub fn new(config: &OAuthConfig, vault: Vault, clock: Clock) -> Self {
        Self {
            registered: Registered::new(vault.clone(), clock.clone()),
            documents: Documents::new(&config.cimd, clock.clone()),
            audiences: vec![config.url.as_str().to_owned(), config.endpoint("/token")],
            vault,
            clock,
        }
    }

    /// The client of this id.
    ///
    /// # Errors
    /// [`OAuthError::InvalidClient`] if there is none (any more), [`OAuthError::ClientUnavailable`]
    /// if its document cannot be fetched, or [`OAuthError::Vault`].
    pub async fn find(&self, client_id: &str) -> Result<Client, OAuthError> {
        if client_id.len() > LONGEST_ID {
            return Err(OAuthError::InvalidClient("the client_id is too long"));
        }
        if is_address(client_id) {
            return self.documents.find(client_id).await;
        }
        self.registered.find(client_id).await
    }

    /// Whether a request that says this makes us call the client's server, or remember an
    /// assertion.
    pub fn is_costly(&self, params: &Params) -> bool {
        let is_unknown = |id: &str| is_address(id) && !self.documents.is_fresh(id);
        let said = |name| params.one(name).ok().flatten();
        said("client_assertion").is_some() || said("client_id").is_some_and(is_unknown)
    }

    /// Registers a client.
    ///
    /// # Errors
    /// [`OAuthError::Vault`]
    pub async fn register(&self, metadata: Metadata) -> Result<Client, OAuthError> {
        let client = metadata.into_client(Opaque::random().expose().to_owned());
        self.keep(client.clone()).await?;
        Ok(client)
    }

    /// Keeps a client that has registered.
    ///
    /// # Errors
    /// [`OAuthError::Vault`]
    pub async fn keep(&self, client: Client) -> Result<(), OAuthError> {
        Ok(self.registered.keep(client).await?)
    }

    /// Remembers a client for as long as one of its logins lives, and 30 days on.
    ///
    /// # Errors
    /// [`OAuthError::Vault`]; then it may be forgotten sooner.
    pub async fn used(&self, client_id: &str, login_ends: UnixTime) -> Result<(), OAuthError> {
        self.registered.used(client_id, login_ends).await
    }
}

#[cfg(test)]
mod tests {
    use crate::oauth::testing::client;

    #[test]
    fn a_request_is_answered_at_a_registered_address_only() {
        let one = client("c");
        assert_eq!(one.redirect_uri(None).unwrap(), "http://127.0.0.1/callback");
        let asked = "http://127.0.0.1:4711/callback";
        assert_eq!(one.redirect_uri(Some(asked)).unwrap(), asked);
        assert!(one.redirect_uri(Some("http://127.0.0.1:4711/other")).is_err());
        let mut two = one.clone();
        two.redirect_uris.push("https://app.example/callback".to_owned());
        assert!(two.redirect_uri(None).is_err());
        assert!(two.redirect_uri(Some("https://app.example/callback")).is_ok());
    }
}
