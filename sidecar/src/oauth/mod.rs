//! The OAuth authorization server that MCP clients find, in front of one identity provider.
//!
//! A login runs through the files like this: `client` says who asks, `request` what is asked,
//! `transaction` keeps it for the one `browser` through consent (`pages`) and the provider's login
//! (`upstream`), `reply` is how the client is answered, `grant` is what came of it, kept under a
//! code until the client redeems it, and `login` is what the client then holds: `logins` begins,
//! refreshes and ends them, by `refresh_token` and `access_token`. `vault` keeps all of it
//! encrypted, `reencryption` with the newest key; `error` is the one table to HTTP.

pub mod access_token;
pub mod browser;
pub mod client;
pub mod client_address;
pub mod crypt;
pub mod error;
pub mod grant;
pub mod identity;
pub mod login;
pub mod logins;
pub mod opaque;
mod pages;
pub mod params;
pub mod rate;
pub mod reencryption;
pub mod refresh_token;
pub mod reply;
pub mod request;
pub mod resource;
mod routes;
pub mod scope;
pub mod signing;
#[cfg(test)]
pub(crate) mod testing;
pub mod transaction;
pub mod upstream;
pub mod vault;

pub(crate) use self::routes::public_paths;

use std::{path::PathBuf, sync::Arc};

use auth_core::user_id::HashDigits;
use axum::Router;
use tokio_util::task::TaskTracker;

use self::{
    client::Clients,
    client_address::ClientAddress,
    crypt::{KEY_FILE, NoKey, StorageKeys},
    error::OAuthError,
    logins::Logins,
    params::Params,
    rate::RateLimit,
    signing::SigningKeys,
    upstream::Provider,
    vault::Vault,
};
use crate::{
    clock::Clock,
    config::{Config, StoreConfig, oauth::OAuthConfig},
    sessions::Sessions,
    store::Store,
    tokens::Tokens,
};

/// What the public listener's routes work with.
#[derive(Clone)]
pub struct AuthorizationServer {
    /// What it runs by.
    pub config: Arc<OAuthConfig>,
    /// How user ids are computed.
    pub hash_digits: HashDigits,
    /// Everything it remembers.
    pub vault: Vault,
    /// Who may ask.
    pub clients: Clients,
    /// How many clients an address may register.
    pub registrations: RateLimit,
    /// How often an address may begin a login, for which something is stored.
    pub approvals: RateLimit,
    /// How often an address may make us call a client's server, or remember an assertion.
    pub lookups: RateLimit,
    /// Where users log in.
    pub provider: Provider,
    /// What access tokens are signed with.
    pub signing: SigningKeys,
    /// What came of logins, and becomes of them.
    pub logins: Logins,
    /// Where the filter looks logins up, and operators end them.
    pub sessions: Sessions,
    /// What `/introspect` asks for; without it there is no introspection.
    pub tokens: Option<Tokens>,
    /// What time it is.
    pub clock: Clock,
    /// What goes on though its client may have hung up.
    pub under_way: TaskTracker,
}

/// Why there is no authorization server.
#[derive(Debug, thiserror::Error)]
pub enum NotBuilt {
    /// The key that encrypts the embedded store's values.
    #[error("MCP_AUTH_DATA: {file}: {why}")]
    StorageKey {
        /// Its file.
        file: PathBuf,
        /// What is wrong.
        why: NoKey,
    },
}

impl AuthorizationServer {
    /// The authorization server, if one is configured.
    ///
    /// # Errors
    /// [`NotBuilt`] names the variable that has to change.
    pub fn new(
        config: &Config,
        store: &Arc<dyn Store>,
        clock: Clock,
    ) -> Result<Option<Self>, NotBuilt> {
        let Some(oauth) = &config.oauth else { return Ok(None) };
        let vault = Vault::new(Arc::clone(store), storage_keys(oauth, &config.store)?);
        let provider = Provider::new(
            &oauth.provider,
            oauth.endpoint("/auth/callback"),
            config.insecure_http_hosts.clone(),
            clock.clone(),
        );
        let signing = SigningKeys::derive(&oauth.signing_keys)
            .expect("a configuration without a signing key is refused");
        let sessions = Sessions::of(config, store);
        let clients = Clients::new(oauth, vault.clone(), clock.clone());
        let logins = Logins {
            vault: vault.clone(),
            sessions: sessions.clone(),
            provider: provider.clone(),
            clients: clients.clone(),
            signing: signing.clone(),
            issuer: oauth.url.as_str().to_owned(),
            hash_digits: config.user_id_hash_digits,
            lifetimes: oauth.lifetimes,
            resources: oauth.resources.iter().map(|it| it.as_str().to_owned()).collect(),
            scopes: oauth.scopes.clone(),
        };
        Ok(Some(Self {
            config: Arc::new(oauth.without_keys()),
            hash_digits: config.user_id_hash_digits,
            registrations: RateLimit::per_minute(oauth.registrations_per_minute),
            approvals: RateLimit::per_minute(oauth.logins_per_minute()),
            lookups: RateLimit::per_minute(oauth.lookups_per_minute()),
            clients,
            provider,
            signing,
            logins,
            vault,
            sessions,
            tokens: config.tokens.clone(),
            clock,
            under_way: TaskTracker::new(),
        }))
    }

    /// Lets a request go on that costs no more than its address may.
    ///
    /// # Errors
    /// [`OAuthError::TooMany`]
    pub fn admit(&self, address: ClientAddress, params: &Params) -> Result<(), OAuthError> {
        match self.clients.is_costly(params) {
            true => self.lookups.check(address),
            false => Ok(()),
        }
    }

    /// The public address of an endpoint; `path` begins with a slash.
    pub fn endpoint(&self, path: &str) -> String {
        self.config.endpoint(path)
    }

    /// The path of the public URL, under which the endpoints lie: empty, or `/like/this`.
    pub fn base_path(&self) -> &str {
        self.config.url.url().path().trim_end_matches('/')
    }
}

/// Everything the public listener answers.
pub fn router(server: AuthorizationServer) -> Router {
    routes::router(server)
}

fn storage_keys(oauth: &OAuthConfig, store: &StoreConfig) -> Result<StorageKeys, NotBuilt> {
    match (StorageKeys::new(&oauth.storage_keys), store) {
        (Some(keys), _) => Ok(keys),
        (None, StoreConfig::Embedded(folder)) => StorageKeys::of_folder(folder)
            .map_err(|why| NotBuilt::StorageKey { file: folder.join(KEY_FILE), why }),
        (None, StoreConfig::Redis(_)) => {
            unreachable!("a configuration with Redis and without storage keys is refused")
        }
    }
}
