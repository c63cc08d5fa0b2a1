//! A refresh token is exchanged for the next one.

use std::time::Duration;

use super::{Issued, LOCK, LOGIN, Logins, login_key};
use crate::{
    oauth::{
        error::OAuthError,
        grant::UpstreamTokens,
        login::Login,
        opaque::Opaque,
        refresh_token::{Offered, RefreshState, RefreshToken},
        upstream::{RefreshFailure, Refreshed},
        vault::Read,
    },
    store::Key,
};

/// Longer than the provider has time for, so that a lock ends by itself only if its holder died.
const LOCKED_FOR: Duration = Duration::from_secs(30);
/// How often, and how many times, whoever finds the lock taken looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const LOOKS: u32 = 150;

/// What a client sends with a refresh token (RFC 6749 §6).
#[derive(Clone, Debug)]
pub struct Renewal {
    /// Who sends it.
    pub client_id: String,
    /// The refresh token.
    pub token: RefreshToken,
    /// For the new access token only; all that were granted if empty.
    pub scopes: Vec<String>,
    /// Must be that of the login.
    pub resource: Option<String>,
}

impl Logins {
    /// Exchanges a refresh token. Who comes while another does, waits for what comes of that.
    ///
    /// # Errors
    /// [`OAuthError::InvalidGrant`] if the login is over, also because the token was stolen, which
    /// ends it; others leave it as it was.
    pub async fn renew(&self, renewal: Renewal) -> Result<Issued, OAuthError> {
        for _ in 0..LOOKS {
            if let Some(issued) = self.try_renew(&renewal).await? {
                return Ok(issued);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Err(OAuthError::Provider("another refresh of the login takes too long".to_owned()))
    }

    /// `None`: somebody else is at it.
    async fn try_renew(&self, renewal: &Renewal) -> Result<Option<Issued>, OAuthError> {
        const OVER: OAuthError =
            OAuthError::InvalidGrant("the refresh token is unknown, used or expired");
        let digest = renewal.token.lookup.digest();
        let Some(read) = self.vault.get::<Login>(&login_key(&digest)).await? else {
            return Err(OVER);
        };
        let login = &read.value;
        if login.client_id != renewal.client_id {
            return Err(OAuthError::InvalidGrant("the refresh token is another client's"));
        }
        if renewal.resource.as_ref().is_some_and(|resource| *resource != login.resource) {
            return Err(OAuthError::InvalidTarget("the resource is not the one of the login"));
        }
        let now = self.vault.now().await?;
        if now >= login.refresh.expires_at {
            return Err(OVER);
        }
        // The login stays, in case that the configuration was a mistake.
        if !self.resources.contains(&login.resource) {
            return Err(OAuthError::InvalidTarget("the resource is no longer offered"));
        }
        if !self.provider.is_of(&login.identity) {
            return Err(OAuthError::InvalidGrant("the login was at another identity provider"));
        }
        let scopes = self.narrowed(login, &renewal.scopes)?;
        if !self.is_alive(login).await? {
            self.end(login, &digest, "its session was revoked").await?;
            return Err(OAuthError::InvalidGrant("the login was ended"));
        }
        match login.refresh.judge(&renewal.token, now) {
            Offered::Current => self.exchange(&read, renewal, &scopes).await,
            Offered::Raced(refresh) => {
                // Whoever won may have failed to.
                self.record(login, &digest).await?;
                let access = self.access_token(login, &scopes, self.issue_at(login).await?)?;
                Ok(Some(Issued { access, refresh }))
            }
            Offered::Stolen => {
                self.end(login, &digest, "a refresh token was used twice").await?;
                Err(OAuthError::InvalidGrant("the refresh token was used before"))
            }
        }
    }

    async fn exchange(
        &self,
        read: &Read<Login>,
        renewal: &Renewal,
        scopes: &[String],
    ) -> Result<Option<Issued>, OAuthError> {
        let login = &read.value;
        let digest = renewal.token.lookup.digest();
        let group = login_key(&digest).group;
        let mut next = login.clone();
        if let Some(upstream) = &login.upstream.refresh_token {
            let holder = Opaque::random().digest();
            let lock = self.vault.batch(&group).if_absent(LOCK).if_unchanged(LOGIN, read);
            if !lock.put(LOCK, &holder, LOCKED_FOR).commit().await? {
                return Ok(None);
            }
            match self.provider.refresh(upstream).await {
                Ok(refreshed) => take_over(&mut next, refreshed),
                Err(RefreshFailure::Unavailable(why)) => {
                    self.unlock(&group, &holder).await?;
                    return Err(OAuthError::Provider(why));
                }
                Err(RefreshFailure::Unbelieved { upstream, why }) => {
                    // The old tokens may be spent; with the new ones it can be tried again.
                    next.upstream =
                        UpstreamTokens { id_token: next.upstream.id_token.take(), ..*upstream };
                    let lives = self.vault.now().await?.until(login.refresh.expires_at);
                    let kept = self.vault.batch(&group).if_unchanged(LOGIN, read).remove(LOCK);
                    kept.put(LOGIN, &next, lives).commit().await?;
                    return Err(OAuthError::Provider(why));
                }
                Err(RefreshFailure::Refused(why)) => {
                    tracing::info!(cause = why, "the identity provider ended a login");
                    self.end(login, &digest, "the identity provider ended it").await?;
                    return Err(OAuthError::InvalidGrant("the identity provider ended the login"));
                }
            }
        }
        if next.identity.subject != login.identity.subject
            || next.user_id(self.hash_digits) != login.user_id(self.hash_digits)
        {
            self.end(login, &digest, "the user has another name now").await?;
            return Err(OAuthError::InvalidGrant("the user has another name now: log in again"));
        }
        // The provider may have taken its time, and the race for the successor begins only now.
        let now = self.vault.now().await?;
        let expires_at = next.ends_at.min(now + self.lifetimes.refresh_token);
        let (state, successor) = RefreshState::rotate(&renewal.token, now, expires_at);
        next.refresh = state;
        let kept = self.vault.batch(&group).if_unchanged(LOGIN, read).remove(LOCK);
        if !kept.put(LOGIN, &next, now.until(expires_at)).commit().await? {
            return Ok(None);
        }
        self.record(&next, &digest).await?;
        let access = self.access_token(&next, scopes, self.issue_at(&next).await?)?;
        metrics::counter!("mcp_auth_logins_total", "outcome" => "refreshed").increment(1);
        Ok(Some(Issued { access, refresh: successor }))
    }

    /// Of what was granted and is still offered, what is asked.
    fn narrowed(&self, login: &Login, asked: &[String]) -> Result<Vec<String>, OAuthError> {
        let mut granted = login.scopes.clone();
        granted.retain(|scope| self.scopes.contains(scope));
        if granted.is_empty() {
            return Err(OAuthError::InvalidGrant("what was granted is no longer offered"));
        }
        if asked.is_empty() {
            return Ok(granted);
        }
        match asked.iter().find(|scope| !granted.contains(scope)) {
            Some(_) => Err(OAuthError::InvalidScope("more is asked than was granted".to_owned())),
            None => Ok(asked.to_vec()),
        }
    }

    /// Lets others have a try, unless one of them has the lock already because ours ended.
    async fn unlock(&self, group: &str, holder: &str) -> Result<(), OAuthError> {
        let key = Key { group: group.to_owned(), name: LOCK.to_owned() };
        if let Some(lock) = self.vault.get::<String>(&key).await?
            && lock.value == holder
        {
            self.vault.batch(group).if_unchanged(LOCK, &lock).remove(LOCK).commit().await?;
        }
        Ok(())
    }
}

/// What the provider's answer changes. Its last ID token is kept for the logout.
fn take_over(login: &mut Login, refreshed: Refreshed) {
    let id_token = refreshed.upstream.id_token.or_else(|| login.upstream.id_token.take());
    login.upstream = UpstreamTokens { id_token, ..refreshed.upstream };
    if let Some(identity) = refreshed.identity {
        login.identity = identity;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::testing::TestServer;

    #[tokio::test]
    async fn a_lock_is_taken_off_by_its_holder_only() {
        let logins = TestServer::start().await.server.logins.clone();
        let key = Key { group: "login:x".to_owned(), name: LOCK.to_owned() };
        logins.vault.put(&key, &"another's", LOCKED_FOR).await.unwrap();
        logins.unlock(&key.group, "ours").await.unwrap();
        assert!(logins.vault.get::<String>(&key).await.unwrap().is_some());
        logins.unlock(&key.group, "another's").await.unwrap();
        assert!(logins.vault.get::<String>(&key).await.unwrap().is_none());
    }
}
