//! A gate with a clock, its keys and its requests in the hands of a test.

pub(crate) mod caller;
#[expect(dead_code, reason = "other tests use more of it")]
pub(crate) mod signing;

use std::{cell::Cell, collections::BTreeMap, rc::Rc, time::Duration};

use auth_core::{
    algorithm::Algorithm,
    bounded::DigestKey,
    config::Config,
    decision::{Decision, HeaderEdits, LocalReply},
    fetch::{Fetch, FetchId, Fetched, Report},
    gate::{Gate, StreamId},
    jwk::VerificationKey,
    key_ring::FetchOutcome,
    metric::Metric,
    outcome::Outcome,
    request_head::RequestHead,
    signature::{Software, Verify},
    time::UnixTime,
};
use serde_json::{Value, json};

use signing::{SigningKey, jwks};

/// When every test begins, in seconds since 1970.
pub(crate) const NOW: u64 = 1_767_225_600;
/// The one issuer of [`config`].
pub(crate) const ISSUER: &str = "https://idp.example/";
/// The one resource of [`config`].
pub(crate) const RESOURCE: &str = "https://mcp.example.com/mcp";

/// The least configuration: one issuer whose keys are fetched, one resource, defaults otherwise.
pub(crate) fn config() -> Value {
    json!({
        "issuers": [{
            "issuer": ISSUER,
            "jwks": {"uri": "https://idp.example/jwks.json?v=1", "cluster": "idp"},
        }],
        "resources": [{"path": "/mcp", "resource": RESOURCE}],
    })
}

/// [`config`] after a change.
pub(crate) fn config_with(change: impl FnOnce(&mut Value)) -> Value {
    let mut config = config();
    change(&mut config);
    config
}

/// Claims that [`config`] accepts, for an hour.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "aud": RESOURCE,
        "sub": "user-1",
        "preferred_username": "alice",
        "iat": NOW,
        "exp": NOW + 3600,
    })
}

/// [`claims`] with these members added or replaced.
pub(crate) fn claims_with(members: Value) -> Value {
    let mut claims = claims();
    let Value::Object(members) = members else { panic!("members are an object") };
    claims.as_object_mut().expect("claims are an object").extend(members);
    claims
}

/// [`claims`] without these members.
pub(crate) fn claims_without(names: &[&str]) -> Value {
    let mut claims = claims();
    claims
        .as_object_mut()
        .expect("claims are an object")
        .retain(|name, _| !names.contains(&&**name));
    claims
}

/// The head of a request.
pub(crate) fn head(method: &str, path: &str, fields: &[(&str, &str)]) -> RequestHead {
    let pseudo = [(":method", method), (":authority", "mcp.example.com"), (":path", path)];
    let fields = pseudo.iter().chain(fields);
    RequestHead::new(
        fields.map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect(),
    )
}

/// The head of a GET that carries `token`.
pub(crate) fn bearing(path: &str, token: &str) -> RequestHead {
    head("GET", path, &[("authorization", &format!("Bearer {token}"))])
}

/// A gate under test.
pub(crate) struct Bench {
    pub(crate) gate: Gate,
    now: UnixTime,
    streams: u32,
    checks: Rc<Cell<usize>>,
}

impl Bench {
    /// A gate that has not fetched anything yet.
    pub(crate) fn new(config: &Value) -> Self {
        Self::of_vm(0, config)
    }

    /// As [`Self::new`], in a VM that drew other random bytes.
    pub(crate) fn of_vm(random: u8, config: &Value) -> Self {
        let config =
            Config::parse(config.to_string().as_bytes()).expect("the configuration is valid");
        let checks = Rc::new(Cell::new(0));
        let verifier = Box::new(Counting(Rc::clone(&checks)));
        let gate = Gate::new(config, verifier, DigestKey::new([random; 16]));
        Self { gate, now: UnixTime::from_secs(NOW), streams: 0, checks }
    }

    /// A gate that has fetched these keys.
    pub(crate) fn with_keys<'k>(
        config: &Value,
        keys: impl IntoIterator<Item = &'k SigningKey>,
    ) -> Self {
        let mut bench = Self::new(config);
        assert_eq!(bench.fetches(), 1, "it fetches at its start");
        bench.answer(&jwks(keys));
        bench
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// Goes to a point in time, in milliseconds after [`NOW`].
    pub(crate) fn at_millis(&mut self, millis: i64) {
        self.now = UnixTime::from_millis((NOW * 1000).checked_add_signed(millis).expect("a date"));
    }

    /// Sends a request; nothing comes back while it waits.
    pub(crate) fn send(&mut self, head: RequestHead) -> Option<Outcome> {
        self.streams += 1;
        self.gate.start(StreamId(self.streams), head, false, self.now)
    }

    /// Sends a request and then its body, in these pieces; nothing comes back while it waits.
    pub(crate) fn send_with_body(
        &mut self,
        head: RequestHead,
        pieces: &[impl AsRef<[u8]>],
    ) -> Option<Outcome> {
        self.streams += 1;
        let mut outcome = self.gate.start(self.latest(), head, true, self.now);
        for (nth, piece) in pieces.iter().enumerate() {
            if outcome.is_some() {
                break;
            }
            outcome = self.body(self.latest(), piece, nth + 1 == pieces.len());
        }
        outcome
    }

    /// Sends more of the body of a request that is held.
    pub(crate) fn body(
        &mut self,
        id: StreamId,
        piece: impl AsRef<[u8]>,
        last: bool,
    ) -> Option<Outcome> {
        self.gate.body(id, piece.as_ref(), last, self.now)
    }

    /// Shows the gate the head of the answer to a request.
    pub(crate) fn answered(&mut self, id: StreamId, status: &str, session: Option<&str>) {
        let header = |name: &str| match name {
            ":status" => Some(status.into()),
            "mcp-session-id" => session.map(Into::into),
            _ => None,
        };
        self.gate.answered(id, header, self.now);
    }

    /// The number of the latest request.
    pub(crate) fn latest(&self) -> StreamId {
        StreamId(self.streams)
    }

    /// What becomes of a GET of the resource with `token`; see [`word`].
    pub(crate) fn verdict(&mut self, token: &str) -> &'static str {
        self.send(bearing("/mcp", token)).as_ref().map_or("waits", word)
    }

    /// The edits of a request that has to be forwarded.
    pub(crate) fn edits(&mut self, head: RequestHead) -> HeaderEdits {
        match self.send(head).expect("it is decided at once") {
            Outcome { decision: Decision::Forward(edits), .. } => edits,
            other => panic!("it is not forwarded but {other:?}"),
        }
    }

    /// The identity headers that a request with `token` is forwarded with.
    pub(crate) fn identity(&mut self, token: &str) -> BTreeMap<String, String> {
        self.edits(bearing("/mcp", token))
            .set
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect()
    }

    /// The reply to a request that has to be answered.
    pub(crate) fn reply(&mut self, head: RequestHead) -> LocalReply {
        match self.send(head).expect("it is decided at once") {
            Outcome { decision: Decision::Reply(reply), .. } => reply,
            other => panic!("it is not answered but {other:?}"),
        }
    }

    /// How many fetches are begun now.
    pub(crate) fn fetches(&mut self) -> usize {
        self.gate.due(self.now).len()
    }

    /// Answers the first issuer's fetch with this key set.
    pub(crate) fn answer(&mut self, body: &str) -> Fetched {
        self.outcome(FetchOutcome::Answered { status: 200, body: body.into() })
    }

    /// Lets the first issuer's fetch fail.
    pub(crate) fn fail(&mut self) -> Fetched {
        self.outcome(FetchOutcome::Unanswered("no connection"))
    }

    /// The fetches that are begun now, themselves.
    pub(crate) fn due(&mut self) -> Vec<Fetch> {
        self.gate.due(self.now)
    }

    /// Answers any fetch.
    pub(crate) fn answer_to(&mut self, id: &FetchId, body: &Value) -> Fetched {
        let body = body.to_string().into_bytes();
        self.gate.fetched(id, FetchOutcome::Answered { status: 200, body }, self.now)
    }

    /// Tells what came of any fetch.
    pub(crate) fn outcome_of(&mut self, id: &FetchId, outcome: FetchOutcome) -> Fetched {
        self.gate.fetched(id, outcome, self.now)
    }

    /// Tells what came of the first issuer's fetch.
    pub(crate) fn outcome(&mut self, outcome: FetchOutcome) -> Fetched {
        let id = first_fetch();
        self.gate.fetched(&id, outcome, self.now)
    }

    /// Why a fetch with this outcome is a failed one.
    pub(crate) fn failure(&mut self, outcome: FetchOutcome) -> String {
        match self.outcome(outcome).report {
            Report::KeysFailed { why, .. } => why.to_string(),
            other => panic!("it did not fail: {other:?}"),
        }
    }

    /// The requests that are given up because their fetch never came back.
    pub(crate) fn overdue(&mut self) -> Vec<(StreamId, Outcome)> {
        self.gate.overdue(self.now)
    }

    /// How many signatures were checked so far.
    pub(crate) fn checks(&self) -> usize {
        self.checks.get()
    }

    /// How often `metric` was counted since the last call.
    pub(crate) fn counted(&mut self, metric: Metric) -> usize {
        self.gate.take_counts().filter(|counted| *counted == metric).count()
    }
}

/// `allowed`, or the reason of the denial.
pub(crate) fn word(outcome: &Outcome) -> &'static str {
    match (&outcome.decision, outcome.reason) {
        (Decision::Forward(_), None) => "allowed",
        (Decision::Reply(_), Some(reason)) => reason,
        (decision, reason) => panic!("{decision:?} does not go with {reason:?}"),
    }
}

/// The requests that a fetch decided, as words.
pub(crate) fn words(decided: &[(StreamId, Outcome)]) -> Vec<&'static str> {
    decided.iter().map(|(_, outcome)| word(outcome)).collect()
}

/// What names the fetch of the first issuer's keys.
fn first_fetch() -> FetchId {
    let config = Config::parse(config().to_string().as_bytes()).expect("it is valid");
    let mut gate = Gate::new(config, Box::new(Software), DigestKey::new([0; 16]));
    gate.due(UnixTime::from_secs(NOW))[0].id.clone()
}

/// Verifies by computation and counts.
struct Counting(Rc<Cell<usize>>);

impl Verify for Counting {
    fn verify(
        &self,
        algorithm: Algorithm,
        key: &VerificationKey,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        self.0.set(self.0.get() + 1);
        Software.verify(algorithm, key, message, signature)
    }

    fn supports(&self, algorithm: Algorithm) -> bool {
        Software.supports(algorithm)
    }
}
