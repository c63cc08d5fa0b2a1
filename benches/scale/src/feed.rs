//! The revocation feed before many VMs: how often it is read, how late a revocation bites, and what
//! happens when all VMs read a long one from its start.
//!
//! Only some of the VMs are simulated, before a sidecar that is slower in proportion: it takes one
//! request after the other, and answers to whoever has given up keep it as busy.

use std::{collections::HashMap, time::Duration};

use auth_core::{
    fetch::{Fetch, FetchId},
    key_ring::FetchOutcome,
    revocation::{Revocation, RevocationPage},
    session_id::SessionId,
    time::UnixTime,
};
use serde_json::json;

use crate::{
    fleet::{BEGIN, Fleet, Servers},
    login::{config, key_set},
};

const LATENCY: Duration = Duration::from_millis(2);
const SECOND: Duration = Duration::from_secs(1);
const PAGE: usize = 1000;
/// What HTTP adds to a body: the heads of request and answer.
const HEADS: u64 = 350;

/// The VMs that there are, those that are simulated, and who answers them.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    /// All of them.
    pub vms: usize,
    /// Those that are simulated.
    pub simulated: usize,
    /// The time that the slowest part (a sidecar's cores, Redis' one) is busy for a read that brings
    /// nothing.
    pub empty: Duration,
    /// And for a page of a thousand entries.
    pub page: Duration,
}

impl Before {
    fn share(&self) -> f64 {
        self.vms as f64 / self.simulated as f64
    }
}

/// A day of revocations as it comes.
#[derive(Clone, Copy, Debug)]
pub struct Daily {
    /// Reads a second by all VMs.
    pub reads: f64,
    /// Bytes a second to all VMs.
    pub bytes: f64,
    /// The share of its time that the slowest part was busy.
    pub busy: f64,
    /// How late a VM knew of a revocation: the median.
    pub median: Duration,
    /// Of a hundred the last but one.
    pub p99: Duration,
    /// The last one.
    pub latest: Duration,
}

/// All VMs have read everything.
#[derive(Clone, Copy, Debug)]
pub struct Caught {
    /// How long it took; nothing if it did not come to that within the time that was looked at.
    pub after: Option<Duration>,
    /// Reads of all VMs that were given up.
    pub given_up: f64,
    /// Bytes to all VMs.
    pub bytes: f64,
}

struct Feed {
    before: Before,
    /// When each was made.
    made: Vec<UnixTime>,
    bodies: HashMap<usize, Vec<u8>>,
    is_away: bool,
    free_at_micros: u64,
    busy: Duration,
    reads: u64,
    given_up: u64,
    bytes: u64,
    late: Vec<Duration>,
}

impl Feed {
    fn new(before: Before) -> Self {
        Self {
            before,
            made: Vec::new(),
            bodies: HashMap::new(),
            is_away: false,
            free_at_micros: 0,
            busy: Duration::ZERO,
            reads: 0,
            given_up: 0,
            bytes: 0,
            late: Vec::new(),
        }
    }

    /// The page that begins at `after`, and how many entries it has.
    fn page(&mut self, after: usize) -> (Vec<u8>, usize) {
        let count = (self.made.len() - after).min(PAGE);
        let body = || {
            let cursor = (after + count).to_string();
            let entries = (after..after + count).map(entry).collect();
            let more = after + count < self.made.len();
            serde_json::to_vec(&RevocationPage { cursor, more, entries }).expect("it serialises")
        };
        // Whole pages are the same for all.
        let body = match count {
            PAGE => self.bodies.entry(after).or_insert_with(body).clone(),
            _ => body(),
        };
        (body, count)
    }

    /// When somebody who asks now has been served.
    fn serve(&mut self, count: usize, now: UnixTime) -> UnixTime {
        let each =
            self.before.page.saturating_sub(self.before.empty).mul_f64(count as f64 / PAGE as f64);
        let busy = (self.before.empty + each).mul_f64(self.before.share());
        self.busy += busy;
        let micros = u64::try_from(busy.as_micros()).unwrap_or(u64::MAX);
        self.free_at_micros = self.free_at_micros.max(now.millis() * 1000) + micros;
        UnixTime::from_millis(self.free_at_micros.div_ceil(1000)) + LATENCY
    }
}

impl Servers for Feed {
    fn answer(&mut self, fetch: &Fetch, now: UnixTime) -> (UnixTime, FetchOutcome) {
        if fetch.id != FetchId::Revocations {
            return (now + LATENCY, FetchOutcome::Answered { status: 200, body: key_set(&["k"]) });
        }
        if self.is_away {
            return (now + LATENCY, FetchOutcome::Unanswered("nobody is there"));
        }
        let path = fetch.headers.iter().find(|(name, _)| *name == ":path");
        let after = path.and_then(|(_, path)| path.split_once("after=")?.1.parse().ok());
        let after = after.unwrap_or(0);
        let (body, count) = self.page(after);
        let at = self.serve(count, now);
        self.reads += 1;
        self.bytes += body.len() as u64 + HEADS;
        if at > now + fetch.timeout {
            self.given_up += 1;
        } else {
            self.late.extend(self.made[after..after + count].iter().map(|made| made.until(at)));
        }
        (at, FetchOutcome::Answered { status: 200, body })
    }
}

fn entry(nth: usize) -> Revocation {
    let session_id = SessionId::parse(&format!("{nth:022}")).expect("22 digits are a session id");
    Revocation::Session { session_id, expires_at: BEGIN + Duration::from_secs(86_400) }
}

fn fleet(before: Before, rollout: Duration) -> Fleet {
    let sessions = json!({"cluster": "mcp-auth"});
    Fleet::new(&config("required", sessions), before.simulated, rollout)
}

/// So many revocations a day, for some minutes, after everybody has started. For the seconds of
/// `away` in the middle of it the sidecar is not there.
pub fn daily(before: Before, a_day: u64, minutes: u32, away: u32) -> Daily {
    let (mut fleet, mut feed) = (fleet(before, SECOND), Feed::new(before));
    let seconds = minutes * 60;
    let began = BEGIN + SECOND * 10;
    fleet.run(began, &mut feed);
    (feed.reads, feed.bytes, feed.busy) = (0, 0, Duration::ZERO);
    let every = Duration::from_secs(86_400).div_f64(a_day as f64);
    let end = began + SECOND * seconds;
    let (leaves, returns) = (began + SECOND * (seconds / 2), began + SECOND * (seconds / 2 + away));
    let mut now = began;
    while now < end {
        now = now + every;
        feed.is_away = leaves <= now && now < returns;
        fleet.run(now, &mut feed);
        feed.made.push(now);
    }
    fleet.run(end + SECOND * 10, &mut feed);
    let time = began.until(fleet.now()).as_secs_f64();
    feed.late.sort_unstable();
    let late = |share: f64| feed.late[((feed.late.len() - 1) as f64 * share) as usize];
    Daily {
        reads: feed.reads as f64 / time * before.share(),
        bytes: feed.bytes as f64 / time * before.share(),
        busy: feed.busy.as_secs_f64() / time,
        median: late(0.5),
        p99: late(0.99),
        latest: late(1.0),
    }
}

/// All VMs start within `rollout` before a feed of so many entries; they are looked at for so long.
pub fn catch_up(before: Before, entries: usize, rollout: Duration, at_most: Duration) -> Caught {
    let (mut fleet, mut feed) = (fleet(before, rollout), Feed::new(before));
    feed.made = vec![BEGIN; entries];
    let mut after = None;
    while after.is_none() && BEGIN.until(fleet.now()) < at_most {
        fleet.run(fleet.now() + SECOND, &mut feed);
        if (0..fleet.len()).all(|vm| fleet.revocations(vm) == entries) {
            after = Some(BEGIN.until(fleet.now()));
        }
    }
    Caught {
        after,
        given_up: feed.given_up as f64 * before.share(),
        bytes: feed.bytes as f64 * before.share(),
    }
}
