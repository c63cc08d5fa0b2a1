//! A login: what one user allowed one client at one time, and the refresh token that stands for
//! it. RFC 9700 §4.14 calls it a token family.

use auth_core::{session_id::SessionId, time::UnixTime};
use serde::{Deserialize, Serialize};

use super::{
    grant::{UpstreamTokens, seconds},
    identity::Identity,
};

/// What is remembered of a login, under a digest of the secret lookup value that its refresh
/// tokens begin with. `sid` names it in access tokens, where others read it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Login {
    /// The `sid` of its access tokens.
    pub sid: String,
    /// The client.
    pub client_id: String,
    /// What was granted; a refresh may ask for less, never for more.
    pub scopes: Vec<String>,
    /// What the tokens are for.
    pub resource: String,
    /// Who.
    pub identity: Identity,
    /// The provider's tokens.
    pub upstream: UpstreamTokens,
    /// When it began.
    #[serde(with = "seconds")]
    pub began_at: UnixTime,
    /// When it ends whatever is refreshed.
    #[serde(with = "seconds")]
    pub ends_at: UnixTime,
    /// Its refresh tokens.
    pub refresh: RefreshState,
}

/// Which refresh tokens of the family mean what.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RefreshState {
    /// Digest of the one that is good.
    pub current: String,
    /// When that one ends.
    #[serde(with = "seconds")]
    pub expires_at: UnixTime,
    /// The one before it.
    pub previous: Option<Rotated>,
}

/// A refresh token that was exchanged for the current one.
#[derive(Clone, Serialize, Deserialize)]
pub struct Rotated {
    /// Its digest.
    pub digest: String,
    /// When it was exchanged, milliseconds since 1970.
    pub at_millis: u64,
    /// The successor, for whoever lost the race for it.
    pub successor: String,
}

impl std::fmt::Debug for Rotated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rotated").field("at_millis", &self.at_millis).finish_non_exhaustive()
    }
}

impl Login {
    /// The session id that the filter computes for its access tokens.
    pub fn session_id(&self, token_issuer: &str) -> SessionId {
        SessionId::new(token_issuer, &self.sid)
    }
}
