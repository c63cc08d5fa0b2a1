//! MCP sessions (`Mcp-Session-Id`, versions before 2026-07-28): whose they are. A session belongs to
//! whoever is first seen to use it with success, which is the one whose `initialize` made it; then to
//! nobody else. Workers share what they know through the sidecar, where there is one.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    b64,
    bounded::{BoundedMap, Digest, DigestKey},
    config::{Config, ResourceIndex},
    denial::Denial,
    fetch::FetchId,
    json::{self, NotThatKind, Object},
    key_ring::FetchOutcome,
    lookups::Lookups,
    time::UnixTime,
};

/// Sessions remembered at most.
const MOST_KNOWN: usize = 100_000;
/// Claims that wait to be told to the sidecar, at most; a further one is told later.
const MOST_CLAIMS: usize = 1000;
/// How often the sidecar is told of a session that is used: it forgets those that are not.
const RENEW_EVERY: Duration = Duration::from_secs(3600);
/// How soon after a failure the sidecar is told again.
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// How long a session that the sidecar does not know counts as nobody's without another look.
const NOBODYS_FOR: Duration = Duration::from_secs(1);

/// A person at an identity provider, whatever token they show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner([u8; 16]);

impl Owner {
    /// Whom `subject` names at the identity provider `issuer`.
    pub fn new(issuer: &str, subject: &str) -> Self {
        Self(half_sha256(&[b"owner", issuer.as_bytes(), subject.as_bytes()]))
    }

    /// Reads what [`fmt::Display`] writes: 22 characters of base64url.
    pub fn parse(text: &str) -> Option<Self> {
        b64::decode(text)?.try_into().ok().map(Self)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&b64::encode(&self.0))
    }
}

impl Serialize for Owner {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// The body of `PUT` and `GET /v1/mcp-sessions/{key}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Object")]
pub struct Binding {
    /// Whose session it is.
    pub owner: Owner,
}

impl TryFrom<Object> for Binding {
    type Error = NotThatKind;

    fn try_from(object: Object) -> Result<Self, NotThatKind> {
        let owner = object.get("owner", "22 characters of base64url", |value: &Value| {
            Owner::parse(value.as_str()?)
        })?;
        Ok(Self { owner })
    }
}

/// Names a session of a resource without revealing it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct McpSessionKey {
    local: Digest,
    shared: String,
}

impl fmt::Display for McpSessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shared)
    }
}

/// Whose a session is, for somebody who wants to use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Own,
    AnOthers,
    /// The sidecar knows of no owner.
    Nobodys,
    /// This worker does not know.
    Unknown,
}

/// Somebody who owns a session if a server confirms it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) owner: Owner,
    /// The resource whose session it is.
    pub(crate) resource: ResourceIndex,
    /// The id that the request carries, if it does.
    pub(crate) id: Option<Vec<u8>>,
    /// Whether other workers are to know.
    pub(crate) is_shared: bool,
}

/// What this worker knows.
pub(crate) struct McpSessions {
    digest_key: DigestKey,
    /// The identifiers of the resources.
    resources: Vec<String>,
    known: BoundedMap<Known>,
    pub(crate) lookups: Lookups,
    untold: Vec<(McpSessionKey, Binding)>,
}

enum Known {
    Owned { by: Owner, renew_at: UnixTime },
    Nobodys { until: UnixTime },
}

impl McpSessions {
    pub(crate) fn new(config: &Config, digest_key: DigestKey) -> Self {
        let timeout = config.sessions.as_ref().map_or(Duration::ZERO, |own| own.timeout);
        Self {
            digest_key,
            resources: config.resources.iter().map(|own| own.id.as_str().to_owned()).collect(),
            known: BoundedMap::new(MOST_KNOWN),
            lookups: Lookups::new(timeout),
            untold: Vec::new(),
        }
    }

    /// Whose the session is that `claim` is about.
    pub(crate) fn whose(&mut self, claim: &Claim, id: &[u8], now: UnixTime) -> Whose {
        match self.known.get(self.digest(claim.resource, id)) {
            Some(Known::Owned { by, renew_at }) if *by == claim.owner => {
                if claim.is_shared && *renew_at <= now {
                    *renew_at = now + RENEW_EVERY;
                    self.tell(claim, id);
                }
                Whose::Own
            }
            Some(Known::Owned { .. }) => Whose::AnOthers,
            Some(Known::Nobodys { until }) if now < *until => Whose::Nobodys,
            Some(Known::Nobodys { .. }) | None => Whose::Unknown,
        }
    }

    /// Asks the sidecar whose a session is.
    pub(crate) fn want(&mut self, claim: &Claim, id: &[u8]) -> Result<McpSessionKey, Denial> {
        let key = self.key(claim.resource, id);
        self.lookups.want(FetchId::McpSession(key.clone()))?;
        Ok(key)
    }

    /// Binds the session, if nobody owns it: a server has answered its claimant with success.
    pub(crate) fn confirm(&mut self, claim: &Claim, id: &[u8], now: UnixTime) {
        let digest = self.digest(claim.resource, id);
        if let Some(Known::Owned { .. }) = self.known.get(digest) {
            return;
        }
        let renew_at = now + RENEW_EVERY;
        self.known.insert(digest, Known::Owned { by: claim.owner, renew_at });
        if claim.is_shared {
            self.tell(claim, id);
        }
    }

    /// Whether the sidecar is to be asked or told something now.
    pub(crate) fn is_due(&self) -> bool {
        self.lookups.is_due() || !self.untold.is_empty()
    }

    /// What the sidecar is to be told now.
    pub(crate) fn take_untold(&mut self) -> Vec<(McpSessionKey, Binding)> {
        std::mem::take(&mut self.untold)
    }

    /// Takes the outcome of a lookup.
    ///
    /// # Errors
    /// Why nothing was learned from it.
    pub(crate) fn looked_up(
        &mut self,
        key: &McpSessionKey,
        outcome: FetchOutcome,
        now: UnixTime,
    ) -> Result<(), String> {
        self.lookups.end(&FetchId::McpSession(key.clone()));
        let known = match outcome {
            FetchOutcome::Answered { status: 200, body } => {
                let binding: Binding = json::read_as(&body)
                    .map_err(|why| format!("not the owner of an MCP session: {why}"))?;
                Known::Owned { by: binding.owner, renew_at: now + RENEW_EVERY }
            }
            FetchOutcome::Answered { status: 404, .. } => {
                // A server may have confirmed an owner meanwhile, of whom the sidecar is yet to hear.
                if let Some(Known::Owned { .. }) = self.known.get(key.local) {
                    return Ok(());
                }
                Known::Nobodys { until: now + NOBODYS_FOR }
            }
            FetchOutcome::Answered { status, .. } => return Err(format!("status {status}")),
            FetchOutcome::Unanswered(why) => return Err(why.to_owned()),
        };
        self.known.insert(key.local, known);
        Ok(())
    }

    /// Takes what came of telling the sidecar. Where somebody else was there first (409), the next
    /// request asks.
    ///
    /// # Errors
    /// Why it may not know.
    pub(crate) fn told(
        &mut self,
        key: &McpSessionKey,
        outcome: &FetchOutcome,
        now: UnixTime,
    ) -> Result<(), String> {
        let why = match outcome {
            FetchOutcome::Answered { status: 200 | 201, .. } => return Ok(()),
            FetchOutcome::Answered { status: 409, .. } => {
                self.known.remove(key.local);
                return Ok(());
            }
            FetchOutcome::Answered { status, .. } => format!("status {status}"),
            FetchOutcome::Unanswered(why) => (*why).to_owned(),
        };
        if let Some(Known::Owned { renew_at, .. }) = self.known.get(key.local) {
            *renew_at = now + RETRY_AFTER;
        }
        Err(why)
    }

    fn tell(&mut self, claim: &Claim, id: &[u8]) {
        if self.untold.len() < MOST_CLAIMS {
            let key = self.key(claim.resource, id);
            self.untold.push((key, Binding { owner: claim.owner }));
        }
    }

    fn key(&self, resource: ResourceIndex, id: &[u8]) -> McpSessionKey {
        let name = self.resources[resource.0].as_bytes();
        let shared = b64::encode(&half_sha256(&[b"mcp-session", name, id]));
        McpSessionKey { local: self.digest(resource, id), shared }
    }

    fn digest(&self, resource: ResourceIndex, id: &[u8]) -> Digest {
        self.digest_key.digest(&[b"mcp-session", &resource.0.to_le_bytes()[..], id].concat())
    }
}

/// Half of a SHA-256 over the parts, a NUL byte between them.
fn half_sha256(parts: &[&[u8]]) -> [u8; 16] {
    let hash = Sha256::digest(parts.join(&0));
    let mut half = [0; 16];
    half.copy_from_slice(&hash[..16]);
    half
}
