//! An authorization request on its way through consent and the provider's login.
//!
//! Until the user has agreed, the page's form carries it, sealed: whoever only asks makes nothing
//! be stored. From then on the vault keeps it under the `state` that the provider sends back, and
//! gives it out once.

use std::time::Duration;

use auth_core::time::UnixTime;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    browser::{self, Browser},
    error::OAuthError,
    grant::seconds,
    opaque::Opaque,
    request::AuthorizationRequest,
    upstream::Proof,
    vault::Vault,
};
use crate::store::Key;

/// How long a user may take, from the first page to the way back from the provider.
pub const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// What a sealed request is for.
const CONSENT: &str = "consent";

/// A request that waits for the user's consent.
#[derive(Serialize, Deserialize)]
pub struct Asked {
    /// What is asked.
    pub request: AuthorizationRequest,
    /// Names this one form.
    id: String,
    browser: String,
    #[serde(with = "seconds")]
    ends_at: UnixTime,
}

/// A request that the user has agreed to.
#[derive(Serialize, Deserialize)]
struct Transaction {
    request: AuthorizationRequest,
    browser: String,
    nonce: String,
    verifier: String,
}

impl Asked {
    /// Begins in this browser.
    pub fn new(request: AuthorizationRequest, browser: &Browser, now: UnixTime) -> Self {
        let id = Opaque::random().digest();
        Self { request, id, browser: browser.digest(), ends_at: now + LIFETIME }
    }

    /// What the form carries. Nobody can make or change it, so it is the proof as well that the
    /// form is ours.
    pub fn seal(&self, vault: &Vault) -> String {
        vault.seal_for(CONSENT, self)
    }

    /// From the form, if it was made for this browser, is not too old and was not denied.
    ///
    /// # Errors
    /// An [`OAuthError`] for the user.
    pub async fn open(
        sealed: &str,
        vault: &Vault,
        (headers, public_url): (&HeaderMap, &Url),
        now: UnixTime,
    ) -> Result<Self, OAuthError> {
        let asked: Self = vault.open_for(CONSENT, sealed).ok_or_else(over)?;
        if now >= asked.ends_at {
            return Err(over());
        }
        if !browser::is_of(headers, public_url, &asked.browser) {
            return Err(OTHER_BROWSER);
        }
        if vault.get::<()>(&denied_key(&asked.id)).await?.is_some() {
            return Err(over());
        }
        Ok(asked)
    }

    /// Makes a no final. A yes may be said again, as by a double click: each begins a login with
    /// values of its own.
    ///
    /// # Errors
    /// [`OAuthError::Vault`]
    pub async fn denied(&self, vault: &Vault, now: UnixTime) -> Result<(), OAuthError> {
        Ok(vault.put(&denied_key(&self.id), &(), now.until(self.ends_at)).await?)
    }

    /// Keeps it until the provider sends the user back with `state`.
    ///
    /// # Errors
    /// [`OAuthError::Vault`]
    pub async fn agreed(
        self,
        state: &Opaque,
        proof: &Proof,
        vault: &Vault,
        now: UnixTime,
    ) -> Result<(), OAuthError> {
        let transaction = Transaction {
            request: self.request,
            browser: self.browser,
            nonce: proof.nonce.expose().to_owned(),
            verifier: proof.verifier.expose().to_owned(),
        };
        Ok(vault.put(&key(state), &transaction, now.until(self.ends_at)).await?)
    }
}

/// What the user agreed to in this browser before the provider sent it back with `state`. Of two
/// who ask for it one gets it. Another browser does not, and does not use it up either.
///
/// # Errors
/// An [`OAuthError`] for the user.
pub async fn take(
    state: &Opaque,
    vault: &Vault,
    headers: &HeaderMap,
    public_url: &Url,
) -> Result<(AuthorizationRequest, Proof), OAuthError> {
    let key = key(state);
    let found = vault.get::<Transaction>(&key).await?.ok_or_else(over)?;
    if !browser::is_of(headers, public_url, &found.value.browser) {
        return Err(OTHER_BROWSER);
    }
    let taken: Transaction = vault.take(&key).await?.ok_or_else(over)?;
    let proof =
        Proof { nonce: Opaque::offered(&taken.nonce), verifier: Opaque::offered(&taken.verifier) };
    Ok((taken.request, proof))
}

const OTHER_BROWSER: OAuthError = OAuthError::AccessDenied(
    "this login was begun in another browser, or the browser takes no cookies: \
     start again from your app",
);

fn over() -> OAuthError {
    let sentence = "this login has taken too long, or is finished: start again from your app";
    OAuthError::InvalidRequest(sentence.to_owned())
}

fn denied_key(id: &str) -> Key {
    Key { group: format!("consent:{id}"), name: "denied".to_owned() }
}

fn key(state: &Opaque) -> Key {
    Key { group: format!("transaction:{}", state.digest()), name: "transaction".to_owned() }
}
