//! Logins as they are begun, refreshed and ended, by whichever replica is asked: every step that
//! must happen once is one conditional change in the vault.
//!
//! A login lies under a digest of the first part of its refresh tokens, and can be found by its
//! `sid` too. Whoever exchanges its refresh token at the provider holds its lock meanwhile.

use std::time::Duration;

use auth_core::{
    session::KnownSession, session_id::SessionId, time::UnixTime, user_id::HashDigits,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{
    access_token::AccessToken,
    client::Clients,
    error::OAuthError,
    grant::{self, Grant, UpstreamTokens},
    login::Login,
    opaque::Opaque,
    refresh_token::{Offered, RefreshState, RefreshToken},
    signing::SigningKeys,
    upstream::{Provider, RefreshFailure, Refreshed},
    vault::{Read, Vault},
};
use crate::{
    config::oauth::Lifetimes,
    sessions::{NotRecorded, Sessions},
    store::Key,
};

/// How long a second use of a code is recognised.
const REDEEMED_FOR: Duration = Duration::from_secs(3600);
/// Longer than the provider has time for, so that a lock ends by itself only if its holder died.
const LOCKED_FOR: Duration = Duration::from_secs(30);
/// How often, and how many times, whoever finds the lock taken looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const LOOKS: u32 = 150;

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
}

/// What a client sends with a code (RFC 6749 §4.1.3, RFC 7636 §4.5, RFC 8707 §2.2).
#[derive(Clone, Debug)]
pub struct Redemption {
    /// Who sends it.
    pub client_id: String,
    /// The code.
    pub code: Opaque,
    /// Must be that of the authorization request.
    pub redirect_uri: Option<String>,
    /// Must be what the challenge was made from.
    pub verifier: Opaque,
    /// Must be that of the authorization request.
    pub resource: Option<String>,
}

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

/// What a client gets.
#[derive(Debug)]
pub struct Issued {
    /// The claims of the access token.
    pub access: AccessToken,
    /// The refresh token that counts from now on.
    pub refresh: RefreshToken,
}

/// What is left of a code.
#[derive(Serialize, Deserialize)]
struct Redeemed {
    client_id: String,
    /// Under way as long as it is absent: who comes too late in a race is refused, and no more.
    login: Option<String>,
}

impl Logins {
    /// Begins the login that the code stands for.
    ///
    /// # Errors
    /// [`OAuthError`]. A code that was used before also ends what it began (RFC 6749 §4.1.2).
    pub async fn begin(&self, redemption: Redemption) -> Result<Issued, OAuthError> {
        let key = grant::key(&redemption.code);
        let Some(read) = self.vault.get::<Grant>(&key).await? else {
            return Err(self.spent(&key, &redemption).await?);
        };
        let grant = &read.value;
        check_redemption(grant, &redemption)?;
        let user_id = grant.identity.user_id(self.hash_digits);
        let dead = self.sessions.revoked_up_to(user_id.as_str(), &grant.client_id).await?;
        if dead.is_some_and(|dead| grant.granted_at.secs() <= dead.secs()) {
            return Err(OAuthError::InvalidGrant("the user or client was revoked meanwhile"));
        }
        let now = self.sessions.time_to_issue(user_id.as_str(), &grant.client_id).await?;
        let (login, token) = Login::begin(grant, &self.lifetimes, now);
        let access = self.access_token(&login, &login.scopes, now)?;
        let digest = token.lookup.digest();
        self.keep_new(&login, &digest, now).await?;
        let mut redeemed = Redeemed { client_id: grant.client_id.clone(), login: None };
        let batch = self.vault.batch(&key.group).if_unchanged(&key.name, &read);
        let batch = batch.remove(&key.name).put(REDEEMED, &redeemed, REDEEMED_FOR);
        if !batch.commit().await? {
            self.forget(&login, &digest).await?;
            return Err(self.spent(&key, &redemption).await?);
        }
        self.record(&login, &digest).await?;
        self.clients.used(&login.client_id, login.ends_at).await?;
        redeemed.login = Some(digest);
        self.vault.batch(&key.group).put(REDEEMED, &redeemed, REDEEMED_FOR).commit().await?;
        metrics::counter!("mcp_auth_logins_total", "outcome" => "begun").increment(1);
        tracing::info!(
            user_id = user_id.as_str(),
            client_id = login.client_id,
            session_id = login.session_id(&self.issuer).as_str(),
            "a login began"
        );
        Ok(Issued { access, refresh: token })
    }

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

    /// The login of this refresh token, if the token is still good for it.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn of_refresh_token(
        &self,
        token: &RefreshToken,
    ) -> Result<Option<Login>, OAuthError> {
        let key = login_key(&token.lookup.digest());
        let Some(read) = self.vault.get::<Login>(&key).await? else { return Ok(None) };
        let (login, now) = (read.value, self.vault.now().await?);
        let is_current = matches!(login.refresh.judge(token, now), Offered::Current);
        let is_good = is_current && now < login.refresh.expires_at && self.is_alive(&login).await?;
        Ok(is_good.then_some(login))
    }

    /// Whether the login that an access token names goes on, and nothing revoked the token.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn honours(&self, claims: &AccessToken) -> Result<bool, OAuthError> {
        let id = SessionId::new(&self.issuer, &claims.sid);
        let Some(KnownSession::Recorded(session)) = self.sessions.get(&id).await? else {
            return Ok(false);
        };
        let dead = self.sessions.revoked_up_to(&session.user_id, &claims.client_id).await?;
        let is_dead = dead.is_some_and(|dead| claims.iat <= dead.secs());
        Ok(session.revoked_at.is_none() && !is_dead)
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
        let scopes = narrowed(login, &renewal.scopes)?;
        let now = self.vault.now().await?;
        if now >= login.refresh.expires_at {
            return Err(OVER);
        }
        if !self.is_alive(login).await? {
            self.end(login, &digest, "its session was revoked").await?;
            return Err(OAuthError::InvalidGrant("the login was ended"));
        }
        match login.refresh.judge(&renewal.token, now) {
            Offered::Current => self.exchange(&read, renewal, &scopes, now).await,
            Offered::Raced(refresh) => {
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
        now: UnixTime,
    ) -> Result<Option<Issued>, OAuthError> {
        let login = &read.value;
        let digest = renewal.token.lookup.digest();
        let group = login_key(&digest).group;
        let mut next = login.clone();
        if let Some(upstream) = &login.upstream.refresh_token {
            let lock = self.vault.batch(&group).if_absent(LOCK).if_unchanged(LOGIN, read);
            if !lock.put(LOCK, &(), LOCKED_FOR).commit().await? {
                return Ok(None);
            }
            match self.provider.refresh(upstream).await {
                Ok(refreshed) => take_over(&mut next, refreshed),
                Err(RefreshFailure::Unavailable(why)) => {
                    self.vault.batch(&group).remove(LOCK).commit().await?;
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

    /// Whether nobody has revoked it: its session, its user or its client.
    async fn is_alive(&self, login: &Login) -> Result<bool, OAuthError> {
        let user_id = login.user_id(self.hash_digits);
        let dead = self.sessions.revoked_up_to(user_id.as_str(), &login.client_id).await?;
        if dead.is_some_and(|dead| login.began_at.secs() <= dead.secs()) {
            return Ok(false);
        }
        let session = self.sessions.get(&login.session_id(&self.issuer)).await?;
        Ok(session.is_some_and(|session| session.revoked_at().is_none()))
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

    async fn keep_new(&self, login: &Login, digest: &str, now: UnixTime) -> Result<(), OAuthError> {
        let lives = now.until(login.refresh.expires_at);
        self.vault.put(&login_key(digest), login, lives).await?;
        Ok(self.vault.put(&sid_key(&login.sid), &digest, now.until(login.ends_at)).await?)
    }

    /// The session goes first: what is cut short in between can be asked for again.
    async fn end(&self, login: &Login, digest: &str, why: &str) -> Result<(), OAuthError> {
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
        let (provider, upstream) = (self.provider.clone(), login.upstream.clone());
        tokio::spawn(async move { provider.revoke(&upstream).await });
        Ok(())
    }

    async fn forget(&self, login: &Login, digest: &str) -> Result<(), OAuthError> {
        let batch = self.vault.batch(&login_key(digest).group).remove(LOGIN);
        batch.remove(LOCK).commit().await?;
        let sid = sid_key(&login.sid);
        self.vault.batch(&sid.group).remove(&sid.name).commit().await?;
        Ok(())
    }

    /// What a code that is not there is told; what it once began ends.
    async fn spent(&self, key: &Key, redemption: &Redemption) -> Result<OAuthError, OAuthError> {
        let marker = Key { name: REDEEMED.to_owned(), ..key.clone() };
        let marker = self.vault.get::<Redeemed>(&marker).await?.map(|read| read.value);
        if let Some(Redeemed { client_id, login: Some(digest) }) = marker
            && client_id == redemption.client_id
            && let Some(login) = self.vault.get::<Login>(&login_key(&digest)).await?
        {
            self.end(&login.value, &digest, "its code was used twice").await?;
        }
        Ok(OAuthError::InvalidGrant("the code is unknown, used or expired"))
    }
}

const LOGIN: &str = "login";
const LOCK: &str = "lock";
const REDEEMED: &str = "redeemed";

fn login_key(digest: &str) -> Key {
    Key { group: format!("login:{digest}"), name: LOGIN.to_owned() }
}

fn sid_key(sid: &str) -> Key {
    Key { group: format!("sid:{}", Opaque::offered(sid).digest()), name: "login".to_owned() }
}

fn check_redemption(grant: &Grant, redemption: &Redemption) -> Result<(), OAuthError> {
    let refused = |why| Err(OAuthError::InvalidGrant(why));
    if grant.client_id != redemption.client_id {
        return refused("the code is another client's");
    }
    match &redemption.redirect_uri {
        Some(given) if *given == grant.redirect_uri => {}
        None if !grant.redirect_uri_given => {}
        _ => return refused("the redirect_uri is not the one of the authorization request"),
    }
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(redemption.verifier.expose()));
    if !bool::from(challenge.as_bytes().ct_eq(grant.code_challenge.as_bytes())) {
        return refused("the code_verifier does not fit the code_challenge");
    }
    if redemption.resource.as_ref().is_some_and(|resource| *resource != grant.resource) {
        return Err(OAuthError::InvalidTarget("the resource is not the one of the code"));
    }
    Ok(())
}

/// What the provider's answer changes. Its last ID token is kept for the logout.
fn take_over(login: &mut Login, refreshed: Refreshed) {
    let id_token = refreshed.upstream.id_token.or_else(|| login.upstream.id_token.take());
    login.upstream = UpstreamTokens { id_token, ..refreshed.upstream };
    if let Some(identity) = refreshed.identity {
        login.identity = identity;
    }
}

fn narrowed(login: &Login, asked: &[String]) -> Result<Vec<String>, OAuthError> {
    if asked.is_empty() {
        return Ok(login.scopes.clone());
    }
    match asked.iter().find(|scope| !login.scopes.contains(scope)) {
        Some(_) => Err(OAuthError::InvalidScope("more is asked than was granted".to_owned())),
        None => Ok(asked.to_vec()),
    }
}
