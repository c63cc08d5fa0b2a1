//! Sessions at one gateway: how many of the users' requests become lookups at the sidecar, or
//! reports of a sighting. Gateways do not know of each other, so a thousand of them make a thousand
//! times as many.

use std::time::Duration;

use auth_core::{
    fetch::{Fetch, FetchId},
    key_ring::FetchOutcome,
    time::UnixTime,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use serde_json::json;

use crate::{
    fleet::{BEGIN, Fleet, Servers},
    login::{config, key_set, request, session, token},
};

const LATENCY: Duration = Duration::from_millis(2);
/// How long somebody works without a pause.
const SPELL: Duration = Duration::from_secs(300);

/// A gateway and its users.
#[derive(Clone, Copy, Debug)]
pub struct Users {
    /// Logged in.
    pub sessions: usize,
    /// At work at any time.
    pub active: usize,
    /// How long each of these waits between requests.
    pub every: Duration,
    /// Whether a user stays with one worker, as over a connection that stays open.
    pub sticky: bool,
    /// Of the gateway; besides, Envoy's main thread has a VM.
    pub workers: usize,
    /// The mode: `required` or `observe`.
    pub mode: &'static str,
    /// How long the answer about a session is trusted.
    pub cache: &'static str,
}

/// What came of it, a second.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    /// Users' requests.
    pub requests: f64,
    /// Users' requests that were refused.
    pub refused: f64,
    /// Lookups of sessions.
    pub lookups: f64,
    /// Reports of sightings.
    pub reports: f64,
}

#[derive(Default)]
struct Sidecar {
    lookups: u64,
    reports: u64,
}

impl Servers for Sidecar {
    fn answer(&mut self, fetch: &Fetch, now: UnixTime) -> (UnixTime, FetchOutcome) {
        let body = match &fetch.id {
            FetchId::Keys(_) => key_set(&["k"]),
            FetchId::Session(id) => {
                self.lookups += 1;
                session(id.as_str())
            }
            FetchId::Report(_) => {
                self.reports += 1;
                Vec::new()
            }
            FetchId::Revocations | FetchId::McpSession(_) | FetchId::McpSessionClaim(_) => {
                br#"{"cursor":"1","more":false,"entries":[]}"#.to_vec()
            }
        };
        (now + LATENCY, FetchOutcome::Answered { status: 200, body })
    }
}

/// Lets them work for so long, after as long to get going.
pub fn simulate(users: Users, time: Duration) -> Traffic {
    let sessions = json!({"cluster": "mcp-auth", "cache": users.cache});
    let mut fleet =
        Fleet::new(&config(users.mode, sessions), users.workers, Duration::from_secs(1));
    let mut sidecar = Sidecar::default();
    let mut random = StdRng::seed_from_u64(2);
    let tokens: Vec<String> =
        (0..users.sessions).map(|nth| token("k", &format!("session-{nth}"))).collect();
    let mut all: Vec<usize> = (0..users.sessions).collect();
    all.shuffle(&mut random);
    let gap = users.every.div_f64(users.active as f64);
    let spells = SPELL.div_f64(users.active as f64);
    let mut next_spell = BEGIN;
    for part in 0..2 {
        if part == 1 {
            (fleet.allowed, fleet.refused) = (0, 0);
            sidecar = Sidecar::default();
        }
        let began = fleet.now();
        let mut at = Duration::ZERO;
        while at < time {
            at += gap;
            fleet.run(began + at, &mut sidecar);
            while next_spell <= fleet.now() {
                next_spell = next_spell + spells;
                let (leaves, comes) = (
                    random.gen_range(0..users.active),
                    random.gen_range(users.active..users.sessions),
                );
                all.swap(leaves, comes);
            }
            let user = all[random.gen_range(0..users.active)];
            let vm = match users.sticky {
                true => user % users.workers,
                false => random.gen_range(0..users.workers),
            };
            fleet.request(vm, request(&tokens[user]));
        }
    }
    let seconds = time.as_secs_f64();
    Traffic {
        requests: (fleet.allowed + fleet.refused) as f64 / seconds,
        refused: fleet.refused as f64 / seconds,
        lookups: sidecar.lookups as f64 / seconds,
        reports: sidecar.reports as f64 / seconds,
    }
}
