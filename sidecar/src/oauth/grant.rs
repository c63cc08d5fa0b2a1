//! What a user has allowed a client, kept under a code until the client redeems it.

use std::time::Duration;

use auth_core::time::UnixTime;
use serde::{Deserialize, Serialize};

use super::{
    identity::Identity,
    opaque::Opaque,
    vault::{Vault, VaultFailure},
};
use crate::store::Key;

/// How long a code may be redeemed.
pub const CODE_LIFETIME: Duration = Duration::from_secs(60);

/// A finished authorization.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Grant {
    /// The client that asked.
    pub client_id: String,
    /// The redirect URI as the authorization request had it; `/token` must repeat it if it was
    /// given there.
    pub redirect_uri: String,
    /// Whether the request named the redirect URI.
    pub redirect_uri_given: bool,
    /// PKCE, always S256.
    pub code_challenge: String,
    /// What was granted; not empty.
    pub scopes: Vec<String>,
    /// What the tokens are for: one of `MCP_RESOURCES`, byte for byte.
    pub resource: String,
    /// Who allowed it.
    pub identity: Identity,
    /// What the provider gave.
    pub upstream: UpstreamTokens,
    /// When the user came back from the provider.
    #[serde(with = "seconds")]
    pub granted_at: UnixTime,
}

/// The tokens of the identity provider. They never leave `mcp-auth`.
#[derive(Clone, Serialize, Deserialize)]
pub struct UpstreamTokens {
    /// Opens userinfo.
    pub access_token: String,
    /// When the access token ends.
    #[serde(with = "seconds")]
    pub expires_at: UnixTime,
    /// Brings new ones; absent if the provider gave none.
    pub refresh_token: Option<String>,
    /// Shown at the provider's logout.
    pub id_token: Option<String>,
}

impl std::fmt::Debug for UpstreamTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpstreamTokens")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Where the grant of a code lies. What is kept of a redeemed code lies in the same group.
pub fn key(code: &Opaque) -> Key {
    Key { group: format!("code:{}", code.digest()), name: "grant".to_owned() }
}

impl Grant {
    /// Keeps the grant and makes the code for it.
    ///
    /// # Errors
    /// [`VaultFailure`]: then there is no code.
    pub async fn issue_code(&self, vault: &Vault) -> Result<Opaque, VaultFailure> {
        let code = Opaque::random();
        vault.put(&key(&code), self, CODE_LIFETIME).await?;
        Ok(code)
    }
}

/// Whole seconds since 1970.
pub(super) mod seconds {
    use auth_core::time::UnixTime;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        time: &UnixTime,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_u64(time.secs())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<UnixTime, D::Error> {
        u64::deserialize(from).map(UnixTime::from_secs)
    }
}
