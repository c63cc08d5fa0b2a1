//! Access tokens: JWTs by RFC 9068, which the filter verifies like those of any other issuer.

use std::time::Duration;

use auth_core::time::UnixTime;
use serde::{Deserialize, Serialize};

use super::{login::Login, opaque::Opaque, signing::SigningKeys};

/// RFC 9068 §2.1.
const TYPE: &str = "at+jwt";

/// The claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken {
    /// `MCP_AUTH_URL`
    pub iss: String,
    /// The user at the identity provider.
    pub sub: String,
    /// The resource.
    pub aud: String,
    /// Who acts for the user.
    pub client_id: String,
    /// What may be done, separated by spaces.
    pub scope: String,
    /// When it was issued.
    pub iat: u64,
    /// When it ends.
    pub exp: u64,
    /// Names this token.
    pub jti: String,
    /// Names the login.
    pub sid: String,
    /// The identity provider.
    pub idp_iss: String,
    /// As the provider says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_username: Option<String>,
    /// As the provider says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// As the provider says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// As the provider says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl AccessToken {
    /// A token of this login for some of its scopes, issued at `now` and good for `lifetime`.
    pub fn new(
        issuer: &str,
        login: &Login,
        scopes: &[String],
        now: UnixTime,
        lifetime: Duration,
    ) -> Self {
        let identity = login.identity.clone();
        Self {
            iss: issuer.to_owned(),
            sub: identity.subject,
            aud: login.resource.clone(),
            client_id: login.client_id.clone(),
            scope: scopes.join(" "),
            iat: now.secs(),
            exp: (now + lifetime).secs(),
            jti: Opaque::random().expose().to_owned(),
            sid: login.sid.clone(),
            idp_iss: identity.issuer,
            preferred_username: identity.preferred_username,
            email: identity.email,
            email_verified: identity.email_verified,
            name: identity.name,
        }
    }

    /// The token as clients get it.
    pub fn signed(&self, signing: &SigningKeys) -> String {
        signing.sign(TYPE, self)
    }

    /// What we once signed, expired or not.
    pub fn read(signing: &SigningKeys, issuer: &str, token: &str) -> Option<Self> {
        signing.verify::<Self>(TYPE, token).filter(|claims| claims.iss == issuer)
    }
}
