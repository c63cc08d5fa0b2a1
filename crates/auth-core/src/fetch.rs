//! Fetches: what an adapter is asked to get, and what it is told of what came of it.

use std::{fmt, time::Duration};

use crate::{
    config::{IssuerIndex, Jwks},
    gate::StreamId,
    key_ring::FetchFailed,
    mcp::session::McpSessionKey,
    outcome::Outcome,
    revocation_feed::FeedRead,
    session_id::SessionId,
};

/// What servers see as the client's name.
pub(crate) const USER_AGENT: &str = concat!("mcp-auth-filter/", env!("CARGO_PKG_VERSION"));

/// An HTTP call to make.
#[derive(Clone, PartialEq, Eq)]
pub struct Fetch {
    /// What is fetched; handed back with the outcome.
    pub id: FetchId,
    /// The cluster that reaches the server.
    pub cluster: String,
    /// The header fields, pseudo headers included.
    pub headers: Vec<(&'static str, String)>,
    /// The body, if it has one.
    pub body: Option<String>,
    /// How long it may take.
    pub timeout: Duration,
}

/// Without the header fields: among them is the sidecar's secret.
impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch")
            .field("id", &self.id)
            .field("cluster", &self.cluster)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Fetch {
    pub(crate) fn get_keys(issuer: IssuerIndex, jwks: &Jwks) -> Self {
        Self {
            id: FetchId::Keys(issuer),
            cluster: jwks.cluster.clone(),
            headers: vec![
                (":method", "GET".to_owned()),
                (":scheme", jwks.scheme.clone()),
                (":authority", jwks.authority.clone()),
                (":path", jwks.path.clone()),
                ("accept", "application/jwk-set+json, application/json".to_owned()),
                ("user-agent", USER_AGENT.to_owned()),
            ],
            body: None,
            timeout: jwks.timeout,
        }
    }
}

/// What is fetched.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FetchId {
    /// The key set of an issuer.
    Keys(IssuerIndex),
    /// What the sidecar knows of a session.
    Session(SessionId),
    /// The sighting of a session, told to the sidecar.
    Report(SessionId),
    /// The sidecar's revocation feed.
    Revocations,
    /// Whose an MCP session is, by the sidecar.
    McpSession(McpSessionKey),
    /// Whose an MCP session is, told to the sidecar.
    McpSessionClaim(McpSessionKey),
}

impl FetchId {
    /// Whose keys are fetched; everything else is between the gate and the sidecar.
    pub(crate) fn keys_of(&self) -> Option<IssuerIndex> {
        match self {
            Self::Keys(issuer) => Some(*issuer),
            Self::Session(_)
            | Self::Report(_)
            | Self::Revocations
            | Self::McpSession(_)
            | Self::McpSessionClaim(_) => None,
        }
    }
}

/// What came of a fetch.
#[derive(Debug)]
pub struct Fetched {
    /// The requests that are decided now.
    pub decided: Vec<(StreamId, Outcome)>,
    /// What to tell the operator.
    pub report: Report,
    /// The audit line to write, if any.
    pub audit: Option<String>,
}

/// What to tell the operator about a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The issuer's key set has this many usable keys now.
    Keys {
        /// Whose keys.
        issuer: String,
        /// How many.
        usable: usize,
    },
    /// The issuer's key set could not be fetched.
    KeysFailed {
        /// Whose keys.
        issuer: String,
        /// Why.
        why: FetchFailed,
        /// Whether older keys are still used.
        stale: bool,
    },
    /// The sidecar could not be asked about a session, or told of one.
    SessionFailed {
        /// Why.
        why: String,
        /// Whether the call before had been answered.
        first: bool,
    },
    /// The revocation feed was read, or not.
    Feed(FeedRead),
    /// Nothing worth a word.
    Nothing,
}
