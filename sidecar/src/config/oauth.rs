//! The configuration of the OAuth part. There is one exactly if a provider is configured.

use std::{num::NonZeroU32, time::Duration};

use super::{
    client_secret::ClientSecret,
    values::{GivenUrl, Key256},
};

/// Many people behind one address log in again and again with clients that registered once.
const LOGINS_TO_A_REGISTRATION: NonZeroU32 = NonZeroU32::new(10).expect("it is not zero");
const LOOKUPS_TO_A_REGISTRATION: NonZeroU32 = NonZeroU32::new(30).expect("it is not zero");

/// What the authorization server runs by.
#[derive(Clone, Debug)]
pub struct OAuthConfig {
    /// Where users log in.
    pub provider: Provider,
    /// Public base URL, and issuer of the MCP tokens byte for byte.
    pub url: GivenUrl,
    /// What tokens may be asked for; at least one.
    pub resources: Vec<GivenUrl>,
    /// What clients may ask for; at least one, the first is the default.
    pub scopes: Vec<String>,
    /// Lifetimes.
    pub lifetimes: Lifetimes,
    /// Dynamic registrations per client address and minute; `None`: no limit.
    pub registrations_per_minute: Option<NonZeroU32>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_hops: TrustedHops,
    /// The first signs, all verify; at least one at start.
    pub signing_keys: Vec<Key256>,
    /// The first encrypts, all decrypt. Empty only with the embedded store, which makes its own.
    pub storage_keys: Vec<Key256>,
    /// What pages show of the operator.
    pub brand: Brand,
    /// Exceptions for tests of client id metadata documents.
    pub cimd: CimdExceptions,
}

impl OAuthConfig {
    /// Logins that may be begun per client address and minute: ten for each registration.
    pub fn logins_per_minute(&self) -> Option<NonZeroU32> {
        self.registrations_per_minute.map(|limit| limit.saturating_mul(LOGINS_TO_A_REGISTRATION))
    }
}

impl OAuthConfig {
    /// Requests per client address and minute that make us call a client's server or remember an
    /// assertion: thirty for each registration.
    pub fn lookups_per_minute(&self) -> Option<NonZeroU32> {
        self.registrations_per_minute.map(|limit| limit.saturating_mul(LOOKUPS_TO_A_REGISTRATION))
    }

    /// The same without the keys, for whoever keeps it longer than they may count.
    #[must_use]
    pub fn without_keys(&self) -> Self {
        Self { signing_keys: Vec::new(), storage_keys: Vec::new(), ..self.clone() }
    }

    /// The public address of an endpoint; `path` begins with a slash.
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.url.as_str().trim_end_matches('/'))
    }
}

/// The identity provider upstream.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Byte for byte as in its tokens.
    pub issuer: GivenUrl,
    /// Our client there.
    pub client_id: String,
    /// Its secret.
    pub client_secret: ClientSecret,
    /// The audience asked for.
    pub audience: Option<String>,
    /// The scopes asked for.
    pub scopes: Vec<String>,
    /// What the provider is to ask of users at every login (OpenID Connect Core §3.1.2.1).
    pub prompt: Option<String>,
}

/// What pages show of the operator.
#[derive(Clone, Debug, Default)]
pub struct Brand {
    /// The operator's name.
    pub name: Option<String>,
    /// Where the operator's logo lies.
    pub logo: Option<GivenUrl>,
}

/// How long things live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Access tokens; at most an hour.
    pub access_token: Duration,
    /// Refresh tokens; slides with each use.
    pub refresh_token: Duration,
    /// A login, whatever is refreshed.
    pub login: Duration,
}

/// How many proxies in front are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedHops {
    /// One if the peer has a loopback or private address, else none.
    ByPeer,
    /// So many.
    Fixed(u8),
}

/// For tests only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CimdExceptions {
    /// Further CAs to trust, as PEM.
    pub ca_pem: Option<String>,
    /// Whether documents may be fetched from loopback.
    pub allow_loopback: bool,
}
