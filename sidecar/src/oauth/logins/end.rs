//! A login ends, with its session and its tokens at the provider.

use auth_core::session_id::SessionId;

use super::{LOCK, LOGIN, Logins, login_key, sid_key};
use crate::oauth::{
    access_token::AccessToken, error::OAuthError, login::Login, refresh_token::RefreshToken,
};

impl Logins {
    /// Ends the login of this refresh token, if the client holds it. One that is no longer good
    /// names its login as well.
    ///
    /// # Errors
    /// [`OAuthError`]; the login may then go on.
    pub async fn end_by_refresh_token(
        &self,
        token: &RefreshToken,
        client_id: &str,
    ) -> Result<(), OAuthError> {
        let digest = token.lookup.digest();
        let Some(read) = self.vault.get::<Login>(&login_key(&digest)).await? else { return Ok(()) };
        if read.value.client_id != client_id {
            return Err(OAuthError::InvalidGrant("the token is another client's"));
        }
        self.end(&read.value, &digest, "its client revoked it").await
    }

    /// Ends the login of this access token, if the client holds it.
    ///
    /// # Errors
    /// [`OAuthError`]; the login may then go on.
    pub async fn end_by_access_token(
        &self,
        claims: &AccessToken,
        client_id: &str,
    ) -> Result<(), OAuthError> {
        if claims.client_id != client_id {
            return Err(OAuthError::InvalidGrant("the token is another client's"));
        }
        let found = self.vault.get::<String>(&sid_key(&claims.sid)).await?;
        if let Some(digest) = found.map(|read| read.value)
            && let Some(read) = self.vault.get::<Login>(&login_key(&digest)).await?
        {
            return self.end(&read.value, &digest, "its client revoked it").await;
        }
        Ok(self.sessions.revoke(&SessionId::new(&self.issuer, &claims.sid)).await?)
    }

    /// The session goes first: what is cut short in between can be asked for again.
    pub(super) async fn end(
        &self,
        login: &Login,
        digest: &str,
        why: &str,
    ) -> Result<(), OAuthError> {
        let session_id = login.session_id(&self.issuer);
        self.sessions.revoke(&session_id).await?;
        self.forget(login, digest).await?;
        metrics::counter!("mcp_auth_logins_total", "outcome" => "ended").increment(1);
        tracing::info!(
            why,
            user_id = login.user_id(self.hash_digits).as_str(),
            client_id = login.client_id,
            session_id = session_id.as_str(),
            "a login ended"
        );
        if self.provider.is_of(&login.identity) {
            let (provider, upstream) = (self.provider.clone(), login.upstream.clone());
            tokio::spawn(async move { provider.revoke(&upstream).await });
        }
        Ok(())
    }

    pub(super) async fn forget(&self, login: &Login, digest: &str) -> Result<(), OAuthError> {
        let batch = self.vault.batch(&login_key(digest).group).remove(LOGIN);
        batch.remove(LOCK).commit().await?;
        let sid = sid_key(&login.sid);
        self.vault.batch(&sid.group).remove(&sid.name).commit().await?;
        Ok(())
    }
}
