//! Configuration, valid by construction: whoever holds a [`Config`] need not check it again.
//!
//! `raw` collects texts from flags, the environment and secret files; `build` makes sense of
//! them, and its errors name the variable and quote no secret.

mod build;
pub mod client_secret;
pub mod oauth;
pub mod raw;
pub mod values;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use auth_core::user_id::HashDigits;
use oauth::OAuthConfig;
use values::HttpHosts;

use crate::{store::redis::RedisAddress, tokens::Tokens};

pub use build::Refused;
pub(crate) use build::{http_hosts, issuer, lifetimes, public_url, redis, resources, scopes};

/// What `mcp-auth serve` runs by.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the filter and operators come.
    pub internal_listen: SocketAddr,
    /// What they must show, one of them; always there unless the listener is on loopback.
    pub tokens: Option<Tokens>,
    /// Where MCP clients and browsers come, if there is an OAuth part.
    pub listen: SocketAddr,
    /// Where everything is kept.
    pub store: StoreConfig,
    /// How long revocations of users, clients and unseen sessions are kept.
    pub revocation_ttl: Duration,
    /// Hex digits of the hash in a user id.
    pub user_id_hash_digits: HashDigits,
    /// Hosts besides loopback for which `http:` is accepted.
    pub insecure_http_hosts: HttpHosts,
    /// The OAuth authorization server, if a provider is configured.
    pub oauth: Option<OAuthConfig>,
}

/// Which store is used.
#[derive(Clone, Debug)]
pub enum StoreConfig {
    /// A folder of its own.
    Embedded(PathBuf),
    /// Redis or Valkey.
    Redis(RedisAddress),
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
