//! The gate: everything that outlives a request (keys, caches, waiting requests) and the calls by
//! which an adapter drives it. Time, randomness and fetched bytes come in as arguments.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use crate::{
    audit,
    bounded::DigestKey,
    config::{Config, Issuer, IssuerIndex},
    decision::Decision,
    fetch::{Fetch, FetchId, Fetched, Report},
    flow::{self, Pending, Step, WaitsFor},
    key_ring::{FetchOutcome, KeyRing},
    mcp::session::{Claim, McpSessions},
    metric::Metric,
    outcome::Outcome,
    request_head::RequestHead,
    revocation_feed::FeedRead,
    sidecar::Sidecar,
    signature::Verify,
    time::UnixTime,
    token_cache::TokenCache,
};

/// Requests that wait for a fetch at a time, at most; further ones are refused.
const MOST_WAITING: usize = 1000;
/// Requests that wait for their body at a time, at most; further ones are refused.
const MOST_READING: usize = 10_000;
/// What is kept of all bodies together, in bytes, at most; further large ones are refused. A VM has
/// 4 GiB at most, and ten thousand bodies that never end could want more.
const MOST_KEPT: usize = 64 * 1024 * 1024;
/// A body of which no more than this is kept is read all the same: an ordinary one needs less.
const LITTLE: usize = 4096;
/// How long a body may take.
const BODY_PATIENCE: Duration = Duration::from_secs(60);
/// How long after its deadline a waiting request is given up, if the host never calls back.
const GRACE: Duration = Duration::from_secs(1);
/// The time between ticks while nothing is urgent.
const TICK: Duration = Duration::from_secs(1);

/// The host's name for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u32);

/// What becomes of a request that was held, for an adapter that has more of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It is held, and the body has to be read.
    ReadsBody,
    /// It is held.
    Waits,
    /// It goes on.
    GoesOn,
    /// It was answered, or never was.
    Over,
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
    pub(crate) mcp_sessions: McpSessions,
    held: BTreeMap<StreamId, Pending>,
    /// How many of them wait for their body.
    reading: usize,
    /// How many bytes are kept of the bodies of all that are held.
    kept: usize,
    /// Requests that were held and went on, or whose answer has something to tell.
    passed: HashMap<StreamId, Option<Claim>>,
    counted: Vec<Metric>,
}

impl Gate {
    /// A gate without keys: it asks for them at once. `digest_key` is secret and drawn anew for each
    /// VM.
    pub fn new(config: Config, verifier: Box<dyn Verify>, digest_key: DigestKey) -> Self {
        let ring =
            |issuer: &Issuer| KeyRing::new(&issuer.keys, digest_key.spread(&issuer.issuer, 100));
        let name = |(nth, issuer): (usize, &Issuer)| (issuer.issuer.to_string(), IssuerIndex(nth));
        Self {
            rings: config.issuers.iter().map(ring).collect(),
            tokens: TokenCache::new(config.token_cache),
            sidecar: config.sessions.as_ref().map(|own| Sidecar::new(own, digest_key)),
            issuers_by_name: config.issuers.iter().enumerate().map(name).collect(),
            metadata_urls: config.resources.iter().map(|r| r.id.metadata_url()).collect(),
            mcp_sessions: McpSessions::new(&config, digest_key),
            held: BTreeMap::new(),
            reading: 0,
            kept: 0,
            passed: HashMap::new(),
            counted: Vec::new(),
            config,
            verifier,
            digest_key,
        }
    }

    /// Looks at a request, of which `body_follows` says whether the head is all. Nothing comes back
    /// if it has to be held: then the outcome comes from [`Self::body`], [`Self::fetched`] or
    /// [`Self::overdue`].
    pub fn start(
        &mut self,
        id: StreamId,
        head: RequestHead,
        body_follows: bool,
        now: UnixTime,
    ) -> Option<Outcome> {
        let step = flow::start(self, head, body_follows, now);
        self.take(id, step)
    }

    /// What becomes of a request that was held.
    pub fn hold(&self, id: StreamId) -> Hold {
        match self.held.get(&id) {
            Some(pending) if pending.reads_body() => Hold::ReadsBody,
            Some(_) => Hold::Waits,
            None if self.passed.contains_key(&id) => Hold::GoesOn,
            None => Hold::Over,
        }
    }

    /// Takes the next bytes of the body of a request that is held. Its outcome, if that is all it
    /// waited for, or if more would have to be kept of it than there is room for.
    pub fn body(
        &mut self,
        id: StreamId,
        chunk: &[u8],
        last: bool,
        now: UnixTime,
    ) -> Option<Outcome> {
        let pending = self.held.get_mut(&id)?;
        let before = pending.kept();
        pending.feed(&self.config, chunk, last);
        let now_kept = pending.kept();
        self.kept = self.kept - before + now_kept;
        if self.kept > MOST_KEPT && now_kept > LITTLE {
            return Some(self.let_go(id)?.refuse_body(self));
        }
        if pending.reads_body() || pending.waits_for != WaitsFor::Body {
            return None;
        }
        let step = self.let_go(id)?.resume(self, now);
        self.take(id, step)
    }

    /// Takes the head of the answer to a request whose outcome asked for it. Whether that told
    /// something new.
    pub fn answered(
        &mut self,
        id: StreamId,
        header: impl Fn(&str) -> Option<Vec<u8>>,
        now: UnixTime,
    ) -> bool {
        let Some(claim) = self.passed.get_mut(&id).and_then(Option::take) else { return false };
        let given = header("mcp-session-id");
        if claim.id.is_none() && given.is_none() {
            return false;
        }
        if !header(":status").is_some_and(|status| status.starts_with(b"2")) {
            return false;
        }
        for id in claim.id.iter().chain(&given) {
            self.mcp_sessions.confirm(&claim, id, now);
        }
        true
    }

    /// Forgets a request that is gone.
    pub fn forget(&mut self, id: StreamId) {
        self.let_go(id);
        self.passed.remove(&id);
    }

    /// Whether [`Self::due`] would name a fetch.
    pub fn is_due(&self, now: UnixTime) -> bool {
        self.rings.iter().any(|ring| ring.is_due(now))
            || self.sidecar.as_ref().is_some_and(|sidecar| sidecar.is_due(&self.mcp_sessions, now))
    }

    /// The fetches to make now. Each counts as under way until [`Self::fetched`] is told of it.
    pub fn due(&mut self, now: UnixTime) -> Vec<Fetch> {
        let fetch = |(nth, ring): (usize, &mut KeyRing)| {
            let jwks = ring.begin_fetch(now)?;
            Some(Fetch::get_keys(IssuerIndex(nth), jwks))
        };
        let mut due: Vec<Fetch> = self.rings.iter_mut().enumerate().filter_map(fetch).collect();
        if let Some(sidecar) = &mut self.sidecar {
            due.extend(sidecar.due(&mut self.mcp_sessions, now));
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
            (_, Some(sidecar)) => sidecar.fetched(id, outcome, &mut self.mcp_sessions, now),
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
        let waited = WaitsFor::Fetch(id.clone());
        let audit = match &report {
            Report::Feed(read) => audit::feed_line(self.config.audit, read),
            Report::Keys { .. }
            | Report::KeysFailed { .. }
            | Report::SessionFailed { .. }
            | Report::Nothing => None,
        };
        Fetched { decided: self.resume(|pending| pending.waits_for == waited, now), report, audit }
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
        let issuer = self.config.issuers[issuer.0].issuer.to_string();
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

    /// How long a request waits at most.
    pub(crate) fn patience_for(&self, waits_for: &WaitsFor) -> Duration {
        match waits_for {
            WaitsFor::Body => BODY_PATIENCE,
            WaitsFor::Fetch(id) => match id.keys_of() {
                Some(issuer) => self.rings[issuer.0].timeout(),
                None => self.sidecar.as_ref().map_or(Duration::ZERO, |own| own.book.timeout),
            },
        }
    }

    /// Decides requests that have waited too long: their fetch never came back, or their body.
    pub fn overdue(&mut self, now: UnixTime) -> Vec<(StreamId, Outcome)> {
        self.resume(|pending| pending.deadline + GRACE <= now, now)
    }

    /// What was counted since the last call.
    pub fn take_counts(&mut self) -> impl Iterator<Item = Metric> {
        self.counted.drain(..)
    }

    pub(crate) fn count(&mut self, metric: Metric) {
        self.counted.push(metric);
    }

    /// Keeps a request that waits. Its outcome, if it is decided or too many others wait already.
    fn take(&mut self, id: StreamId, step: Step) -> Option<Outcome> {
        let mut outcome = match step {
            Step::Done(outcome) => outcome,
            Step::Wait(pending) if self.has_room_for(&pending) => {
                self.kept += pending.kept();
                self.reading += usize::from(pending.waits_for == WaitsFor::Body);
                self.held.insert(id, pending);
                return None;
            }
            Step::Wait(pending) => pending.refuse(self),
        };
        if let Some(claim) = outcome.claim.take() {
            self.passed.insert(id, Some(claim));
        }
        Some(outcome)
    }

    fn let_go(&mut self, id: StreamId) -> Option<Pending> {
        let pending = self.held.remove(&id)?;
        self.kept -= pending.kept();
        self.reading -= usize::from(pending.waits_for == WaitsFor::Body);
        Some(pending)
    }

    fn has_room_for(&self, pending: &Pending) -> bool {
        if pending.waits_for == WaitsFor::Body {
            self.reading < MOST_READING
        } else {
            self.held.len() - self.reading < MOST_WAITING
        }
    }

    fn resume(
        &mut self,
        ready: impl Fn(&Pending) -> bool,
        now: UnixTime,
    ) -> Vec<(StreamId, Outcome)> {
        let ready: Vec<StreamId> =
            self.held.iter().filter(|(_, p)| ready(p)).map(|(id, _)| *id).collect();
        let mut decided = Vec::new();
        for id in ready {
            let Some(pending) = self.let_go(id) else { continue };
            let step = pending.resume(self, now);
            let Some(outcome) = self.take(id, step) else { continue };
            if let Decision::Forward(_) = outcome.decision {
                self.passed.entry(id).or_default();
            }
            decided.push((id, outcome));
        }
        decided
    }
}
