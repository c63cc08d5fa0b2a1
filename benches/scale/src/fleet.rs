//! Many VMs with the filter's core in each, one clock and one queue of what happens next. A VM is
//! driven as `src/root.rs` and `src/request.rs` of the filter do it; who answers is up to [`Servers`].

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use auth_core::{
    algorithm::Algorithm,
    bounded::DigestKey,
    config::Config,
    decision::Decision,
    fetch::{Fetch, FetchId},
    gate::{Gate, StreamId},
    jwk::VerificationKey,
    key_ring::FetchOutcome,
    outcome::Outcome,
    request_head::RequestHead,
    signature::Verify,
    time::UnixTime,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;

/// When every simulation begins.
pub const BEGIN: UnixTime = UnixTime::from_secs(1_790_000_000);
/// How soon a host ticks that is asked to do so at once.
const AT_ONCE: Duration = Duration::from_millis(1);
/// Streams from here on are strangers'.
const STRANGERS: u32 = 1 << 31;

/// Whoever answers the fetches of all VMs.
pub trait Servers {
    /// When an answer to this fetch arrives, and which one.
    fn answer(&mut self, fetch: &Fetch, now: UnixTime) -> (UnixTime, FetchOutcome);
}

/// Answers over time.
#[derive(Default)]
pub struct Fleet {
    vms: Vec<Vm>,
    queue: BinaryHeap<Reverse<Event>>,
    events: u64,
    now: UnixTime,
    /// Users' requests that went on.
    pub allowed: u64,
    /// Those that did not.
    pub refused: u64,
}

struct Vm {
    gate: Gate,
    streams: u32,
    /// The tick that counts: asking for another one replaces it.
    next_tick: UnixTime,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    at: UnixTime,
    /// Events of one moment happen in the order in which they were made.
    nth: u64,
    vm: usize,
    what: What,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Tick,
    Answer(FetchId, Outcomes),
}

/// An outcome in a queue; it has no order of its own.
struct Outcomes(FetchOutcome);

impl PartialEq for Outcomes {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Outcomes {}

impl PartialOrd for Outcomes {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Outcomes {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl Fleet {
    /// So many VMs, started at times spread evenly over `rollout`.
    pub fn new(config: &Value, vms: usize, rollout: Duration) -> Self {
        let mut random = StdRng::seed_from_u64(1);
        let mut fleet = Self { now: BEGIN, ..Self::default() };
        for nth in 0..vms {
            let config = Config::parse(config.to_string().as_bytes())
                .expect("the simulation's configuration is valid");
            let gate = Gate::new(config, Box::new(Believing), DigestKey::new(random.r#gen()));
            fleet.vms.push(Vm { gate, streams: 0, next_tick: BEGIN });
            let start = rollout.mul_f64(nth as f64 / vms as f64);
            fleet.tick_at(nth, BEGIN + start + AT_ONCE);
        }
        fleet
    }

    /// What time it is.
    pub fn now(&self) -> UnixTime {
        self.now
    }

    /// How many VMs there are.
    pub fn len(&self) -> usize {
        self.vms.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.vms.is_empty()
    }

    /// How many entries of the revocation feed a VM holds.
    pub fn revocations(&self, vm: usize) -> usize {
        self.vms[vm].gate.revocation_entries()
    }

    /// Lets time pass until `end`.
    pub fn run(&mut self, end: UnixTime, servers: &mut dyn Servers) {
        while self.queue.peek().is_some_and(|Reverse(event)| event.at <= end) {
            let Some(Reverse(event)) = self.queue.pop() else { break };
            self.now = event.at;
            match event.what {
                What::Tick => self.tick(event.vm, servers),
                What::Answer(id, Outcomes(outcome)) => self.take(event.vm, &id, outcome),
            }
        }
        self.now = end;
    }

    /// A user's request reaches a VM now.
    pub fn request(&mut self, vm: usize, head: RequestHead) {
        self.start(vm, head, 0);
    }

    /// A stranger's request does, which does not count.
    pub fn strange(&mut self, vm: usize, head: RequestHead) {
        self.start(vm, head, STRANGERS);
    }

    fn start(&mut self, vm: usize, head: RequestHead, whose: u32) {
        let own = &mut self.vms[vm];
        own.streams += 1;
        let stream = StreamId(own.streams | whose);
        let outcome = own.gate.start(stream, head, false, self.now);
        drop(own.gate.take_counts());
        if own.gate.is_due(self.now) {
            self.tick_at(vm, self.now + AT_ONCE);
        }
        if let Some(outcome) = outcome {
            self.note(stream, &outcome);
        }
    }

    fn tick(&mut self, vm: usize, servers: &mut dyn Servers) {
        let now = self.now;
        let own = &mut self.vms[vm];
        if own.next_tick != now {
            return;
        }
        let next = now + own.gate.tick_period();
        let due = own.gate.due(now);
        let overdue = own.gate.overdue(now);
        for fetch in due {
            let (at, outcome) = servers.answer(&fetch, now);
            let deadline = now + fetch.timeout;
            let (at, outcome) = match at <= deadline {
                true => (at, outcome),
                false => (deadline, FetchOutcome::Unanswered("it took too long")),
            };
            self.push(at, vm, What::Answer(fetch.id, Outcomes(outcome)));
        }
        overdue.iter().for_each(|(stream, outcome)| self.note(*stream, outcome));
        self.tick_at(vm, next);
    }

    fn take(&mut self, vm: usize, id: &FetchId, outcome: FetchOutcome) {
        let own = &mut self.vms[vm];
        let fetched = own.gate.fetched(id, outcome, self.now);
        drop(own.gate.take_counts());
        if own.gate.is_due(self.now) {
            self.tick_at(vm, self.now + AT_ONCE);
        }
        fetched.decided.iter().for_each(|(stream, outcome)| self.note(*stream, outcome));
    }

    fn note(&mut self, stream: StreamId, outcome: &Outcome) {
        match outcome.decision {
            _ if stream.0 >= STRANGERS => {}
            Decision::Forward(_) => self.allowed += 1,
            Decision::Reply(_) => self.refused += 1,
        }
    }

    fn tick_at(&mut self, vm: usize, at: UnixTime) {
        self.vms[vm].next_tick = at;
        self.push(at, vm, What::Tick);
    }

    fn push(&mut self, at: UnixTime, vm: usize, what: What) {
        self.events += 1;
        self.queue.push(Reverse(Event { at, nth: self.events, vm, what }));
    }
}

/// Takes every signature for right: what is counted here are calls, not computations.
struct Believing;

impl Verify for Believing {
    fn verify(&self, _: Algorithm, _: &VerificationKey, _: &[u8], _: &[u8]) -> bool {
        true
    }

    fn supports(&self, _: Algorithm) -> bool {
        true
    }
}
