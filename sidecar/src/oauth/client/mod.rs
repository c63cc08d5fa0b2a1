//! Who may ask: a client that registered itself, or one that a document at its own address
//! describes.

mod registered;

use auth_core::time::UnixTime;
use serde::{Deserialize, Serialize};

use self::registered::Registered;
use super::{error::OAuthError, vault::Vault};
use crate::clock::Clock;

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
    PrivateKeyJwt {
        /// Its JSON Web Key Set, as its document has it.
        jwks: serde_json::Value,
    },
}

/// Finds clients.
#[derive(Clone)]
pub struct Clients {
    registered: Registered,
}

impl Clients {
    /// Clients remembered in this vault.
    pub fn new(vault: Vault, clock: Clock) -> Self {
        Self { registered: Registered::new(vault, clock) }
    }

    /// The client of this id.
    ///
    /// # Errors
    /// [`OAuthError::InvalidClient`] if there is none (any more), or [`OAuthError::Vault`].
    pub async fn find(&self, client_id: &str) -> Result<Client, OAuthError> {
        if client_id.len() > LONGEST_ID {
            return Err(OAuthError::InvalidClient("the client_id is too long"));
        }
        self.registered.find(client_id).await
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
