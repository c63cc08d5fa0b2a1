//! Stories: requests come to a gate, bodies and answers arrive in any order, time passes. A story is
//! bytes, so that a fuzzer can make one of whatever it has. [`play`] tells it to a real gate; a
//! request may go on only if a simple model, which knows nothing of caches and waiting, would let it.
//!
//! Signatures are right if they begin with 1: what verifies them is tried elsewhere.

mod model;
mod request;
pub mod seeds;
pub mod step;
pub mod tally;
mod world;

use std::collections::BTreeMap;

use auth_core::{
    algorithm::Algorithm,
    bounded::DigestKey,
    config::Config,
    decision::Decision,
    fetch::Fetch,
    gate::{Gate, Hold, StreamId},
    jwk::VerificationKey,
    outcome::Outcome,
    signature::Verify,
    time::UnixTime,
};

use crate::{
    model::Model,
    step::{Answer, McpSession, Request, Step},
    tally::Tally,
    world::{CONFIG, START, World},
};

/// Steps of a story, at most; further bytes are not looked at.
pub const MOST_STEPS: usize = 64;
/// After the last step nobody is held for longer than this.
const PATIENCE: u64 = 600;

/// Tells a story.
///
/// # Panics
/// If somebody went on who should not have, was denied for a reason that is not true, or is held for
/// ever.
pub fn play(story: &[u8]) -> Tally {
    let mut telling = Telling::new();
    for bytes in story.as_chunks::<{ step::SIZE }>().0.iter().take(MOST_STEPS) {
        telling.take(Step::read(*bytes));
    }
    telling.end()
}

thread_local! {
    /// Reading it takes longer than most stories.
    static READ: Config = Config::parse(CONFIG.as_bytes()).expect("it is valid");
}

struct Telling {
    gate: Gate,
    model: Model,
    world: World,
    now: u64,
    requests: BTreeMap<u32, Coming>,
    last: u32,
    under_way: Vec<Fetch>,
    tally: Tally,
}

/// A request, and how far it has come.
struct Coming {
    request: Request,
    came_at: u64,
    body: Vec<u8>,
    sent: usize,
    is_watched: bool,
}

impl Telling {
    fn new() -> Self {
        Self {
            gate: Gate::new(READ.with(Config::clone), Box::new(FirstByte), DigestKey::new([7; 16])),
            model: Model::default(),
            world: World::default(),
            now: START,
            requests: BTreeMap::new(),
            last: 0,
            under_way: Vec::new(),
            tally: Tally::default(),
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Come(request) => self.come(request),
            Step::Body { of, bytes } => self.send(self.nth(of), bytes.into()),
            Step::Leave { of } => {
                let id = self.nth(of);
                let was_held =
                    matches!(self.gate.hold(StreamId(id)), Hold::ReadsBody | Hold::Waits);
                self.tally.left += u32::from(was_held);
                self.gate.forget(StreamId(id));
                self.requests.remove(&id);
            }
            Step::Ask => self.ask(),
            Step::Answer { of, answer } => {
                let nth = usize::from(of) % self.under_way.len().max(1);
                if nth < self.under_way.len() {
                    let fetch = self.under_way.remove(nth);
                    self.answer(&fetch, answer);
                }
            }
            Step::Fetch(answer) => {
                self.ask();
                for fetch in std::mem::take(&mut self.under_way) {
                    self.answer(&fetch, answer);
                }
            }
            Step::Respond { of, well, names } => self.respond(self.nth(of), well, names),
            Step::Pass { secs } => self.pass(secs.into()),
        }
    }

    fn come(&mut self, request: Request) {
        self.last += 1;
        let (id, body_follows) = (self.last, request.has_body());
        let coming =
            Coming { request, came_at: self.now, body: request.body(), sent: 0, is_watched: false };
        self.requests.insert(id, coming);
        match self.gate.start(StreamId(id), request.head(), body_follows, at(self.now)) {
            Some(outcome) => self.decided(id, &outcome),
            None => self.tally.held += 1,
        }
    }

    fn send(&mut self, id: u32, bytes: usize) {
        if self.gate.hold(StreamId(id)) != Hold::ReadsBody {
            return;
        }
        let coming = self.requests.get_mut(&id).expect("what is held has not left");
        let most = if bytes == 255 { usize::MAX } else { bytes };
        let to = coming.sent.saturating_add(most).min(coming.body.len());
        let (chunk, last) = (&coming.body[coming.sent..to], to == coming.body.len());
        let outcome = self.gate.body(StreamId(id), chunk, last, at(self.now));
        coming.sent = to;
        if let Some(outcome) = outcome {
            self.decided(id, &outcome);
        }
    }

    fn ask(&mut self) {
        self.model.asked(self.now);
        self.under_way.extend(self.gate.due(at(self.now)));
    }

    fn answer(&mut self, fetch: &Fetch, answer: Answer) {
        let (outcome, told) = self.world.answer(fetch, answer, self.now);
        self.model.told(told, self.now);
        for (id, outcome) in self.gate.fetched(&fetch.id, outcome, at(self.now)).decided {
            self.decided(id.0, &outcome);
        }
    }

    fn respond(&mut self, id: u32, well: bool, names: McpSession) {
        let Some(coming) = self.requests.get_mut(&id) else { return };
        let request = coming.request;
        let tells = std::mem::take(&mut coming.is_watched) && well;
        if tells {
            let sessions = request.mcp_session.key().into_iter().chain(names.key());
            sessions.for_each(|session| self.model.used(request, session));
        }
        let header = |name: &str| match name {
            ":status" => Some(if well { b"200".to_vec() } else { b"404".to_vec() }),
            "mcp-session-id" => names.id().map(|id| id.as_bytes().to_vec()),
            _ => None,
        };
        self.tally.bound += u32::from(self.gate.answered(StreamId(id), header, at(self.now)));
    }

    fn pass(&mut self, secs: u64) {
        self.now += secs;
        for (id, outcome) in self.gate.overdue(at(self.now)) {
            self.decided(id.0, &outcome);
        }
    }

    fn decided(&mut self, id: u32, outcome: &Outcome) {
        let coming = self.requests.get_mut(&id).expect("what is decided has not left");
        self.model.judge(coming.request, coming.came_at, outcome, self.now);
        coming.is_watched = outcome.watches_answer;
        match (&outcome.decision, outcome.reason) {
            (Decision::Forward(edits), _) if edits.set.is_empty() => {
                self.tally.without_identity += 1;
            }
            (Decision::Forward(_), _) => self.tally.forwarded += 1,
            (Decision::Reply(_), None) => self.tally.documents += 1,
            (Decision::Reply(_), Some(reason)) => {
                *self.tally.denied.entry(reason).or_default() += 1;
            }
        }
    }

    /// Nothing comes any more: whoever is held is denied in time.
    fn end(mut self) -> Tally {
        let step = PATIENCE / 6;
        (0..PATIENCE / step).for_each(|_| self.pass(step));
        for id in self.requests.keys() {
            let hold = self.gate.hold(StreamId(*id));
            assert!(matches!(hold, Hold::GoesOn | Hold::Over), "request {id} is held for ever");
        }
        self.tally
    }

    /// The id of the request that came so many before the last.
    fn nth(&self, of: u8) -> u32 {
        self.last.saturating_sub(u32::from(of % 8))
    }
}

/// A signature is right if it begins with 1.
struct FirstByte;

impl Verify for FirstByte {
    fn verify(&self, _: Algorithm, _: &VerificationKey, _: &[u8], signature: &[u8]) -> bool {
        signature.first() == Some(&1)
    }

    fn supports(&self, _: Algorithm) -> bool {
        true
    }
}

const fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs)
}
