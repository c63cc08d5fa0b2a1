//! A code becomes a login, once.

use std::time::Duration;

use auth_core::time::UnixTime;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Issued, Logins, login_key, sid_key};
use crate::{
    oauth::{
        error::OAuthError,
        grant::{self, Grant},
        login::Login,
        opaque::Opaque,
    },
    store::Key,
};

/// How long a second use of a code is recognised.
const REDEEMED_FOR: Duration = Duration::from_secs(3600);
/// The name of what is left of a code.
const REDEEMED: &str = "redeemed";

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
        if !self.is_alive(&login).await? {
            // Revoked before the session could be found: then nobody else has marked it.
            self.end(&login, &digest, "the user or client was revoked meanwhile").await?;
            return Err(OAuthError::InvalidGrant("the user or client was revoked meanwhile"));
        }
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

    async fn keep_new(&self, login: &Login, digest: &str, now: UnixTime) -> Result<(), OAuthError> {
        let lives = now.until(login.refresh.expires_at);
        self.vault.put(&login_key(digest), login, lives).await?;
        Ok(self.vault.put(&sid_key(&login.sid), &digest, now.until(login.ends_at)).await?)
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
