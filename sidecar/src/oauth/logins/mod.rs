//! Logins as they are begun (`begin`), refreshed (`renew`), ended (`end`) and looked at (`worth`), by
//! whichever replica is asked: every step that must happen once is one conditional change in the
//! vault.
//!
//! A login lies under a digest of the first part of its refresh tokens, and can be found by its
//! `sid` too. Whoever exchanges its refresh token at the provider holds its lock meanwhile.

mod begin;
mod end;
mod renew;
mod worth;

use std::time::Duration;

use auth_core::{time::UnixTime, user_id::HashDigits};

pub use self::{begin::Redemption, renew::Renewal, worth::Worth};
use super::{
    access_token::AccessToken, client::Clients, error::OAuthError, login::Login, opaque::Opaque,
    refresh_token::RefreshToken, signing::SigningKeys, upstream::Provider, vault::Vault,
};
use crate::{
    config::oauth::Lifetimes,
    sessions::{NotRecorded, Sessions},
    store::Key,
};

/// The name of a login in its group.
const LOGIN: &str = "login";
/// The name of its lock.
const LOCK: &str = "lock";

/// Begins, refreshes and ends logins.
#[derive(Clone)]
pub struct Logins {
    /// Where they are kept.
    pub vault: Vault,
    /// Where the filter and operators see them.
    pub sessions: Sessions,
    /// Whose tokens they stand on.
    pub provider: Provider,
    /// Told how long a client is needed.
    pub clients: Clients,
    /// Signs access tokens.
    pub signing: SigningKeys,
    /// The issuer of the access tokens.
    pub issuer: String,
    /// How user ids are computed.
    pub hash_digits: HashDigits,
    /// How long things live.
    pub lifetimes: Lifetimes,
    /// The resources that tokens may be for, as of now.
    pub resources: Vec<String>,
    /// The scopes that tokens may have, as of now.
    pub scopes: Vec<String>,
}

/// What a client gets.
#[derive(Debug)]
pub struct Issued {
    /// The claims of the access token.
    pub access: AccessToken,
    /// The refresh token that counts from now on.
    pub refresh: RefreshToken,
}

impl Logins {
    /// Not beyond what the provider grants, nor beyond the login.
    fn access_token(
        &self,
        login: &Login,
        scopes: &[String],
        now: UnixTime,
    ) -> Result<AccessToken, OAuthError> {
        let end = login.ends_at.min(login.upstream.expires_at);
        let lifetime = self.lifetimes.access_token.min(now.until(end));
        if lifetime < Duration::from_secs(1) {
            return Err(OAuthError::InvalidGrant("what the identity provider granted has ended"));
        }
        Ok(AccessToken::new(&self.issuer, login, scopes, now, lifetime))
    }

    async fn issue_at(&self, login: &Login) -> Result<UnixTime, OAuthError> {
        let user_id = login.user_id(self.hash_digits);
        Ok(self.sessions.time_to_issue(user_id.as_str(), &login.client_id).await?)
    }

    /// Tells the session store. If somebody has revoked the session meanwhile, that counts.
    async fn record(&self, login: &Login, digest: &str) -> Result<(), OAuthError> {
        let report = login.report(&self.issuer, self.hash_digits);
        match self.sessions.put(&login.session_id(&self.issuer), report).await {
            Ok(_) => Ok(()),
            Err(NotRecorded::Store(failure)) => Err(failure.into()),
            Err(cause) => {
                self.end(login, digest, &cause.to_string()).await?;
                Err(OAuthError::InvalidGrant("the login was ended"))
            }
        }
    }
}

fn login_key(digest: &str) -> Key {
    Key { group: format!("login:{digest}"), name: LOGIN.to_owned() }
}

fn sid_key(sid: &str) -> Key {
    Key { group: format!("sid:{}", Opaque::offered(sid).digest()), name: "login".to_owned() }
}
