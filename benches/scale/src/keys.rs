//! What reaches an identity provider that answers only so many requests a second: when gateways
//! start, when nothing happens, when a key is rotated, when strangers show tokens of unknown keys,
//! when it is away.

use std::time::Duration;

use auth_core::{fetch::Fetch, key_ring::FetchOutcome, time::UnixTime};
use serde_json::Value;

use crate::{
    fleet::{BEGIN, Fleet, Servers},
    login::{config, key_set, request, token},
    rate::PerSecond,
};

const LATENCY: Duration = Duration::from_millis(30);
const SECOND: Duration = Duration::from_secs(1);

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happens {
    /// All VMs start within a second.
    Start,
    /// All VMs start within ten minutes.
    Rollout,
    /// Nothing, for half an hour.
    Nothing,
    /// A key that was published half an hour before signs.
    Announced,
    /// A key is published and signs at once.
    Sudden,
    /// Somebody shows each VM ten tokens a second with key ids that do not exist, for two minutes.
    Strangers,
    /// The provider answers nothing for half an hour.
    Away,
}

impl Happens {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Start,
        Self::Rollout,
        Self::Nothing,
        Self::Announced,
        Self::Sudden,
        Self::Strangers,
        Self::Away,
    ];

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Start => "all start within a second",
            Self::Rollout => "all start within ten minutes",
            Self::Nothing => "nothing, for half an hour",
            Self::Announced => "a key signs that was published half an hour before",
            Self::Sudden => "a key is published and signs at once",
            Self::Strangers => "unknown key ids at every VM, for two minutes",
            Self::Away => "the provider is away for half an hour",
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    /// Requests at the provider in the worst second.
    pub peak: u64,
    /// Requests a second, over all the time that was looked at.
    pub mean: f64,
    /// Requests that the provider turned away.
    pub turned_away: u64,
    /// The seconds until the last VM had what it needed; nothing if it had it all the time.
    pub settled_after: Option<u64>,
    /// Users' requests that were refused.
    pub refused: u64,
    /// Users' requests.
    pub requests: u64,
}

/// A provider that publishes keys and answers `limit` requests a second.
struct Provider {
    kids: Vec<&'static str>,
    limit: u64,
    is_away: bool,
    asked: PerSecond,
    turned_away: u64,
}

impl Servers for Provider {
    fn answer(&mut self, _: &Fetch, now: UnixTime) -> (UnixTime, FetchOutcome) {
        let nth = self.asked.count(now);
        let outcome = match (self.is_away, nth <= self.limit) {
            (true, _) => FetchOutcome::Unanswered("nobody is there"),
            (false, true) => FetchOutcome::Answered { status: 200, body: key_set(&self.kids) },
            (false, false) => {
                self.turned_away += 1;
                FetchOutcome::Answered { status: 429, body: Vec::new() }
            }
        };
        (now + LATENCY, outcome)
    }
}

/// Lets it happen to so many VMs. Users send a request a second to each.
pub fn simulate(happens: Happens, vms: usize, limit: u64) -> Keys {
    let rollout = match happens {
        Happens::Start => SECOND,
        _ => Duration::from_secs(600),
    };
    let mut fleet = Fleet::new(&config("off", Value::Null), vms, rollout);
    let mut provider = Provider {
        kids: vec!["old"],
        limit: if matches!(happens, Happens::Start | Happens::Rollout) { limit } else { u64::MAX },
        is_away: false,
        asked: PerSecond::default(),
        turned_away: 0,
    };
    let old = token("old", "s");
    if !matches!(happens, Happens::Start | Happens::Rollout) {
        // Half an hour later the VMs' refreshes have spread.
        fleet.run(BEGIN + Duration::from_secs(1800), &mut provider);
        provider.limit = limit;
        provider.asked = PerSecond::default();
    }
    let began = fleet.now();
    let (seconds, signs) = match happens {
        Happens::Start => (120, "old"),
        Happens::Rollout => (600, "old"),
        Happens::Nothing => {
            fleet.run(began + Duration::from_secs(1790), &mut provider);
            (10, "old")
        }
        Happens::Announced => {
            provider.kids.push("new");
            fleet.run(began + Duration::from_secs(1790), &mut provider);
            (120, "new")
        }
        Happens::Sudden => {
            provider.kids.push("new");
            (180, "new")
        }
        Happens::Strangers => (120, "old"),
        Happens::Away => {
            provider.is_away = true;
            fleet.run(began + Duration::from_secs(1790), &mut provider);
            (10, "old")
        }
    };
    let shown = if signs == "old" { old } else { token("new", "s") };
    let mut settled_after = None;
    let started = fleet.now();
    for second in 0..seconds {
        let refused = fleet.refused;
        for vm in 0..users(happens, &fleet, second, seconds) {
            fleet.request(vm, request(&shown));
            if happens == Happens::Strangers {
                for nth in 0..10 {
                    let strange = token(&format!("{second}-{nth}"), "s");
                    fleet.strange(vm, request(&strange));
                }
            }
        }
        fleet.run(started + SECOND * (second + 1), &mut provider);
        if fleet.refused > refused {
            settled_after = Some(u64::from(second) + 1);
        }
    }
    let time = began.until(fleet.now()).as_secs_f64();
    Keys {
        peak: provider.asked.peak(),
        mean: provider.asked.total() as f64 / time,
        turned_away: provider.turned_away,
        settled_after,
        refused: fleet.refused,
        requests: fleet.refused + fleet.allowed,
    }
}

/// The VMs that have users already.
fn users(happens: Happens, fleet: &Fleet, second: u32, seconds: u32) -> usize {
    match happens {
        Happens::Rollout => fleet.len() * second as usize / seconds as usize,
        _ => fleet.len(),
    }
}
