//! What is counted, under names that do not change.

use crate::denial::Denial;

/// A counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// A request was forwarded.
    Allowed,
    /// A request was denied.
    Denied(Denial),
    /// A verified token was found in the cache.
    TokenCacheHit,
    /// A token was not found in the cache.
    TokenCacheMiss,
    /// A required session was found in the cache.
    SessionHit,
    /// A required session had to be looked up.
    SessionMiss,
    /// The sidecar could not be asked, told or read.
    SessionFailed,
    /// A key set was fetched.
    JwksFetchOk,
    /// A key set could not be fetched.
    JwksFetchFailed,
}

/// The gauge of the entries of the revocation feed that are held.
pub const REVOCATION_ENTRIES: &str = "mcp_auth.revocation.entries";

impl Metric {
    /// Every metric.
    pub fn all() -> impl Iterator<Item = Self> {
        [
            Self::Allowed,
            Self::TokenCacheHit,
            Self::TokenCacheMiss,
            Self::JwksFetchOk,
            Self::JwksFetchFailed,
            Self::SessionHit,
            Self::SessionMiss,
            Self::SessionFailed,
        ]
        .into_iter()
        .chain(Denial::ALL.map(Self::Denied))
    }

    /// The name, with the prefix `mcp_auth.`.
    pub fn name(self) -> String {
        match self {
            Self::Allowed => "mcp_auth.allowed".to_owned(),
            Self::Denied(denial) => format!("mcp_auth.denied.{}", denial.reason()),
            Self::TokenCacheHit => "mcp_auth.token_cache.hit".to_owned(),
            Self::TokenCacheMiss => "mcp_auth.token_cache.miss".to_owned(),
            Self::SessionHit => "mcp_auth.session.hit".to_owned(),
            Self::SessionMiss => "mcp_auth.session.miss".to_owned(),
            Self::SessionFailed => "mcp_auth.session.failed".to_owned(),
            Self::JwksFetchOk => "mcp_auth.jwks.fetch_ok".to_owned(),
            Self::JwksFetchFailed => "mcp_auth.jwks.fetch_failed".to_owned(),
        }
    }
}
