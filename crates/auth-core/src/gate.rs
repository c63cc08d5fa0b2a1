//! The gate: everything that outlives a request (keys, caches, waiting requests) and the calls by
//! which an adapter drives it. Time, randomness and fetched bytes come in as arguments.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    time::Duration,
};

use crate::{
    audit,
    bounded::DigestKey,
    config::{Config, Issuer, IssuerIndex, Jwks},
    decision::{Decision, HeaderEdits},
    flow::{self, Pending, Step},
    key_ring::{FetchFailed, FetchOutcome, KeyRing},
    metric::Metric,
    request_head::RequestHead,
    revocation_feed::FeedRead,
    session_id::SessionId,
    sidecar::Sidecar,
    signature::Verify,
    time::UnixTime,
    token_cache::TokenCache,
};

/// Requests that wait at a time, at most; further ones are refused.
const MOST_WAITING: usize = 1000;
/// How long after its deadline a waiting request is given up, if the host never calls back.
const GRACE: Duration = Duration::from_secs(1);
/// The time between ticks while nothing is urgent.
const TICK: Duration = Duration::from_secs(1);
/// What servers see as the client's name.
pub(crate) const USER_AGENT: &str = concat!("mcp-auth-filter/", env!("CARGO_PKG_VERSION"));

/// The host's name for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(pub u32);

/// A decided request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What to do with it.
    pub decision: Decision,
    /// Whose it is, where that is known.
    pub user_id: Option<String>,
    /// Why it was denied, if it was.
    pub reason: Option<&'static str>,
    /// The audit line to write, if any.
    pub audit: Option<String>,
}

impl Outcome {
    /// An outcome that leaves no trace; its decision is to be replaced.
    pub(crate) fn quiet() -> Self {
        let edits = HeaderEdits { remove: Vec::new(), set: Vec::new() };
        Self { decision: Decision::Forward(edits), user_id: None, reason: None, audit: None }
    }
}

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
    fn get_keys(issuer: IssuerIndex, jwks: &Jwks) -> Self {
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

/// Decides requests.
pub struct Gate {
    pub(crate) config: Config,
    pub(crate) rings: Vec<KeyRing>,
    pub(crate) tokens: TokenCache,
    pub(crate) sidecar: Option<Sidecar>,
    pub(crate) verifier: Box<dyn Verify>,
    pub(crate) digest_key: DigestKey,
    pub(crate) issuers_by_name: HashMap<String, IssuerIndex>,
    pub(crate) metadata_urls: Vec<String>,
    waiting: BTreeMap<StreamId, Pending>,
    counted: Vec<Metric>,
}

impl Gate {
    /// A gate without keys: it asks for them at once. `digest_key` is secret and drawn anew for each
    /// VM.
    pub fn new(config: Config, verifier: Box<dyn Verify>, digest_key: DigestKey) -> Self {
        let ring =
            |issuer: &Issuer| KeyRing::new(&issuer.keys, digest_key.spread(&issuer.issuer, 100));
        let name = |(nth, issuer): (usize, &Issuer)| (issuer.issuer.clone(), IssuerIndex(nth));
        Self {
            rings: config.issuers.iter().map(ring).collect(),
            tokens: TokenCache::new(config.token_cache),
            sidecar: config.sessions.as_ref().map(|own| Sidecar::new(own, digest_key)),
            issuers_by_name: config.issuers.iter().enumerate().map(name).collect(),
            metadata_urls: config.resources.iter().map(|r| r.id.metadata_url()).collect(),
            waiting: BTreeMap::new(),
            counted: Vec::new(),
            config,
            verifier,
            digest_key,
        }
    }

    /// Looks at a request. Nothing comes back if it has to be held: then [`Self::due`] has a fetch to
    /// make, unless one is under way, and the outcome comes from [`Self::fetched`] or
    /// [`Self::overdue`].
    pub fn start(&mut self, id: StreamId, head: RequestHead, now: UnixTime) -> Option<Outcome> {
        match flow::start(self, head, now) {
            Step::Done(outcome) => Some(outcome),
            Step::Wait(pending) if self.waiting.len() >= MOST_WAITING => Some(pending.refuse(self)),
            Step::Wait(pending) => {
                self.waiting.insert(id, pending);
                None
            }
        }
    }

    /// Forgets a request that is gone.
    pub fn forget(&mut self, id: StreamId) {
        self.waiting.remove(&id);
    }

    /// Whether [`Self::due`] would name a fetch.
    pub fn is_due(&self, now: UnixTime) -> bool {
        self.rings.iter().any(|ring| ring.is_due(now))
            || self.sidecar.as_ref().is_some_and(|sidecar| sidecar.is_due(now))
    }

    /// The fetches to make now. Each counts as under way until [`Self::fetched`] is told of it.
    pub fn due(&mut self, now: UnixTime) -> Vec<Fetch> {
        let fetch = |(nth, ring): (usize, &mut KeyRing)| {
            let jwks = ring.begin_fetch(now)?;
            Some(Fetch::get_keys(IssuerIndex(nth), jwks))
        };
        let mut due: Vec<Fetch> = self.rings.iter_mut().enumerate().filter_map(fetch).collect();
        if let Some(sidecar) = &mut self.sidecar {
            due.extend(sidecar.due(now));
        }
        due
    }

    /// How often an adapter should tick.
    pub fn tick_period(&self) -> Duration {
        self.sidecar.as_ref().map_or(TICK, |sidecar| sidecar.tick_period().min(TICK))
    }

    /// How many entries of the revocation feed are held.
    pub fn revocation_entries(&self) -> usize {
        self.sidecar.as_ref().map_or(0, |sidecar| sidecar.feed.len())
    }

    /// Takes the outcome of a fetch and decides the requests that waited for it.
    pub fn fetched(&mut self, id: &FetchId, outcome: FetchOutcome, now: UnixTime) -> Fetched {
        let report = match (id, &mut self.sidecar) {
            (FetchId::Keys(issuer), _) => self.keys_fetched(*issuer, outcome, now),
            (_, Some(sidecar)) => sidecar.fetched(id, outcome, now),
            (_, None) => Report::Nothing,
        };
        match &report {
            Report::SessionFailed { .. }
            | Report::Feed(FeedRead::Failed(_) | FeedRead::Lost(_) | FeedRead::StillFailing) => {
                self.count(Metric::SessionFailed);
            }
            Report::Keys { .. }
            | Report::KeysFailed { .. }
            | Report::Feed(FeedRead::Ordinary | FeedRead::Restored)
            | Report::Nothing => {}
        }
        let audit = match &report {
            Report::Feed(read) => audit::feed_line(self.config.audit, read),
            Report::Keys { .. }
            | Report::KeysFailed { .. }
            | Report::SessionFailed { .. }
            | Report::Nothing => None,
        };
        Fetched { decided: self.resume(|pending| pending.waits_for == *id, now), report, audit }
    }

    fn keys_fetched(
        &mut self,
        issuer: IssuerIndex,
        outcome: FetchOutcome,
        now: UnixTime,
    ) -> Report {
        let ring = &mut self.rings[issuer.0];
        let generation = ring.generation();
        let accepted = ring.accept(outcome, now);
        let stale = !ring.is_empty();
        if ring.generation() != generation {
            self.tokens.keys_changed();
        }
        let issuer = self.config.issuers[issuer.0].issuer.clone();
        match accepted {
            Ok(usable) => {
                self.count(Metric::JwksFetchOk);
                Report::Keys { issuer, usable }
            }
            Err(why) => {
                self.count(Metric::JwksFetchFailed);
                Report::KeysFailed { issuer, why, stale }
            }
        }
    }

    /// How long a request waits for a fetch at most.
    pub(crate) fn patience_for(&self, id: &FetchId) -> Duration {
        match id {
            FetchId::Keys(issuer) => self.rings[issuer.0].timeout(),
            FetchId::Session(_) | FetchId::Report(_) | FetchId::Revocations => {
                self.sidecar.as_ref().map_or(Duration::ZERO, |sidecar| sidecar.book.timeout)
            }
        }
    }

    /// Decides requests whose fetch never came back.
    pub fn overdue(&mut self, now: UnixTime) -> Vec<(StreamId, Outcome)> {
        self.resume(|pending| pending.deadline + GRACE <= now, now)
    }

    /// What was counted since the last call.
    pub fn take_counts(&mut self) -> Vec<Metric> {
        std::mem::take(&mut self.counted)
    }

    pub(crate) fn count(&mut self, metric: Metric) {
        self.counted.push(metric);
    }

    fn resume(
        &mut self,
        ready: impl Fn(&Pending) -> bool,
        now: UnixTime,
    ) -> Vec<(StreamId, Outcome)> {
        let ready: Vec<StreamId> =
            self.waiting.iter().filter(|(_, p)| ready(p)).map(|(id, _)| *id).collect();
        let mut decided = Vec::new();
        for id in ready {
            let Some(pending) = self.waiting.remove(&id) else { continue };
            match pending.resume(self, now) {
                Step::Done(outcome) => decided.push((id, outcome)),
                Step::Wait(pending) => drop(self.waiting.insert(id, pending)),
            }
        }
        decided
    }
}
