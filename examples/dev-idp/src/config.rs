//! The provider's settings, valid by construction; `args.rs` makes them from the command line.

use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use crate::{
    client::{Client, ClientId},
    issuer::Issuer,
    keys::Algorithm,
    scope::ScopeSet,
    user::User,
};

/// Everything that does not change while the provider runs.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) issuer: Issuer,
    pub(crate) clients: Vec<Client>,
    /// Audiences that may be asked for; absent: any.
    pub(crate) audiences: Option<Vec<String>>,
    /// The audience of a request that names none.
    pub(crate) default_audience: Option<String>,
    /// Scopes granted beside those of OpenID Connect; absent: whatever is asked.
    pub(crate) grant_scopes: Option<ScopeSet>,
    pub(crate) algorithm: Algorithm,
    pub(crate) access_token_lifetime: Duration,
    pub(crate) refresh_token_lifetime: Duration,
    /// Whether access tokens carry e-mail and names as well.
    pub(crate) user_claims: bool,
    /// Added to every access token.
    pub(crate) extra_claims: Map<String, Value>,
    /// Offered on the login page; the first is whom `/dev/token` speaks of. Never empty.
    pub(crate) users: Vec<User>,
}

impl Config {
    pub(crate) fn client(&self, id: &str) -> Option<&Client> {
        self.clients.iter().find(|c| c.id.as_str() == id)
    }

    /// Whether a logout may end at `url`, for the client that is named or else for any.
    pub(crate) fn allows_logout_to(&self, client: Option<&ClientId>, url: &Url) -> bool {
        let named = |c: &&Client| client.is_none_or(|id| *id == c.id);
        self.clients.iter().filter(named).any(|c| c.allows_logout_to(url))
    }

    /// What the tokens of `client` are signed with.
    pub(crate) fn algorithm_for(&self, client: &ClientId) -> Algorithm {
        self.client(client.as_str()).and_then(|c| c.algorithm).unwrap_or(self.algorithm)
    }

    /// The audience that opens `/userinfo`, named as Auth0 names it.
    pub(crate) fn userinfo_audience(&self) -> String {
        self.issuer.endpoint("/userinfo")
    }
}
