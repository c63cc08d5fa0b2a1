//! What a token is worth now.

use auth_core::{session::KnownSession, session_id::SessionId};

use super::{Logins, login_key};
use crate::oauth::{
    access_token::AccessToken,
    error::OAuthError,
    login::Login,
    refresh_token::{Offered, RefreshToken},
};

/// A token that is good.
#[derive(Debug)]
pub enum Worth {
    /// An access token that nothing has ended or revoked.
    Access(AccessToken),
    /// The current refresh token of this login.
    Refresh(Login),
}

impl Logins {
    /// What a token is worth; `None`: nothing, or it is none of ours.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn worth(&self, token: &str) -> Result<Option<Worth>, OAuthError> {
        if let Some(token) = RefreshToken::parse(token) {
            return Ok(self.of_refresh_token(&token).await?.map(Worth::Refresh));
        }
        let claims = AccessToken::read(&self.signing, &self.issuer, token);
        let Some(claims) = claims else { return Ok(None) };
        Ok(self.honours(&claims).await?.then_some(Worth::Access(claims)))
    }

    /// The login of this refresh token, if the token is still good for it.
    async fn of_refresh_token(&self, token: &RefreshToken) -> Result<Option<Login>, OAuthError> {
        let key = login_key(&token.lookup.digest());
        let Some(read) = self.vault.get::<Login>(&key).await? else { return Ok(None) };
        let (login, now) = (read.value, self.vault.now().await?);
        let is_current = matches!(login.refresh.judge(token, now), Offered::Current);
        let is_good = is_current && now < login.refresh.expires_at && self.is_alive(&login).await?;
        Ok(is_good.then_some(login))
    }

    /// Whether the token has not ended, its login goes on, and nothing revoked it.
    async fn honours(&self, claims: &AccessToken) -> Result<bool, OAuthError> {
        if self.vault.now().await?.secs() >= claims.exp {
            return Ok(false);
        }
        let id = SessionId::new(&self.issuer, &claims.sid);
        let Some(KnownSession::Recorded(session)) = self.sessions.get(&id).await? else {
            return Ok(false);
        };
        let dead = self.sessions.revoked_up_to(&session.user_id, &claims.client_id).await?;
        let is_dead = dead.is_some_and(|dead| claims.iat <= dead.secs());
        Ok(session.revoked_at.is_none() && !is_dead)
    }

    /// Whether nobody has revoked it: its session, its user or its client.
    pub(super) async fn is_alive(&self, login: &Login) -> Result<bool, OAuthError> {
        let user_id = login.user_id(self.hash_digits);
        let dead = self.sessions.revoked_up_to(user_id.as_str(), &login.client_id).await?;
        if dead.is_some_and(|dead| login.began_at.secs() <= dead.secs()) {
            return Ok(false);
        }
        let session = self.sessions.get(&login.session_id(&self.issuer)).await?;
        Ok(session.is_some_and(|session| session.revoked_at().is_none()))
    }
}
