//! The OAuth authorization server that MCP clients find, in front of one identity provider.
//!
//! A login runs through the files like this: `client` says who asks, `request` what is asked,
//! `transaction` keeps it through consent and the provider's login (`upstream`), `grant` is what
//! came of it, kept under a code until the client redeems it, and `login` is what the client then
//! holds and refreshes. `vault` keeps all of it encrypted; `error` is the one table to HTTP.

pub mod client;
pub mod crypt;
pub mod error;
pub mod grant;
pub mod identity;
pub mod login;
pub mod opaque;
mod routes;
pub mod upstream;
pub mod vault;

use std::sync::Arc;

use auth_core::user_id::HashDigits;
use axum::Router;

use self::vault::Vault;
use crate::{clock::Clock, config::oauth::OAuthConfig, secret::Secret, sessions::Sessions};

/// What the public listener's routes work with.
#[derive(Clone)]
pub struct AuthorizationServer {
    /// What it runs by.
    pub config: Arc<OAuthConfig>,
    /// How user ids are computed.
    pub hash_digits: HashDigits,
    /// Everything it remembers.
    pub vault: Vault,
    /// Where the filter looks logins up, and operators end them.
    pub sessions: Sessions,
    /// What `/introspect` asks for; without it there is no introspection.
    pub token: Option<Secret>,
    /// What time it is.
    pub clock: Clock,
}

/// Everything the public listener answers.
pub fn router(server: AuthorizationServer) -> Router {
    routes::router(server)
}
