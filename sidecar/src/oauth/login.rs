//! A login: what one user allowed one client at one time, and the refresh token that stands for
//! it. RFC 9700 §4.14 calls it a token family.

use auth_core::{
    session::SessionReport,
    session_id::SessionId,
    time::UnixTime,
    user_id::{HashDigits, UserId},
};
use serde::{Deserialize, Serialize};

use super::{
    grant::{Grant, UpstreamTokens, seconds},
    identity::Identity,
    opaque::Opaque,
    refresh_token::{RefreshState, RefreshToken},
};
use crate::config::oauth::Lifetimes;

/// What is remembered of a login.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Login {
    /// Names it in access tokens, where others read it.
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

impl Login {
    /// The login that a grant begins, and its first refresh token. Where the provider gave nothing
    /// to refresh with, nobody would tell us that the user is gone: then the login ends together
    /// with the provider's access token.
    pub fn begin(grant: &Grant, lifetimes: &Lifetimes, now: UnixTime) -> (Self, RefreshToken) {
        let latest = now + lifetimes.login;
        let ends_at = match grant.upstream.refresh_token {
            Some(_) => latest,
            None => latest.min(grant.upstream.expires_at),
        };
        let token = RefreshToken::first();
        let login = Self {
            sid: Opaque::random().expose().to_owned(),
            client_id: grant.client_id.clone(),
            scopes: grant.scopes.clone(),
            resource: grant.resource.clone(),
            identity: grant.identity.clone(),
            upstream: grant.upstream.clone(),
            began_at: now,
            ends_at,
            refresh: RefreshState::new(&token, ends_at.min(now + lifetimes.refresh_token)),
        };
        (login, token)
    }

    /// The session id that the filter computes for its access tokens.
    pub fn session_id(&self, token_issuer: &str) -> SessionId {
        SessionId::new(token_issuer, &self.sid)
    }

    /// Who it is to MCP servers.
    pub fn user_id(&self, digits: HashDigits) -> UserId {
        self.identity.user_id(digits)
    }

    /// What the session store is told.
    pub fn report(&self, token_issuer: &str, digits: HashDigits) -> SessionReport {
        SessionReport {
            session_id: None,
            user_id: self.user_id(digits).as_str().to_owned(),
            username: Some(self.identity.username().to_owned()),
            issuer: self.identity.issuer.clone(),
            token_issuer: Some(token_issuer.to_owned()),
            subject: Some(self.identity.subject.clone()),
            client_id: Some(self.client_id.clone()),
            scopes: self.scopes.clone(),
            expires_at: self.refresh.expires_at,
        }
    }
}
