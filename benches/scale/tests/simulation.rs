//! What `make scale` is relied on for, in small: a hundredth of the VMs before servers that are slower
//! in proportion.

use std::time::Duration;

use scale::{
    feed::{self, Before},
    keys::{self, Happens},
    sessions::{self, Users},
};

const VMS: usize = 50;
const LIMIT: u64 = 1;
const USERS: Users = Users {
    sessions: 400,
    active: 40,
    every: Duration::from_secs(5),
    sticky: true,
    workers: 4,
    mode: "required",
    cache: "30s",
};

#[test]
fn a_key_that_was_published_before_costs_nobody_a_request() {
    let found = keys::simulate(Happens::Announced, VMS, LIMIT);
    assert_eq!(found.refused, 0);
    assert!(
        found.mean < VMS as f64 / 500.0,
        "no more than a refresh each in ten minutes: {found:?}"
    );
}

#[test]
fn workers_that_were_turned_away_together_all_have_keys_before_long() {
    let found = keys::simulate(Happens::Start, VMS, LIMIT);
    // At best it takes fifty seconds, and 500 if all came back together; 120 are looked at.
    assert!(found.settled_after.is_some_and(|seconds| seconds < 120), "{found:?}");
}

#[test]
fn a_key_that_signs_at_once_is_known_before_long() {
    let found = keys::simulate(Happens::Sudden, VMS, LIMIT);
    // At best it takes fifty seconds, and 500 if all came back together; 180 are looked at.
    assert!(found.settled_after.is_some_and(|seconds| seconds < 180), "{found:?}");
}

#[test]
fn strangers_with_unknown_keys_cost_no_user_a_request() {
    let found = keys::simulate(Happens::Strangers, VMS, LIMIT);
    assert_eq!(found.refused, 0);
    let each = found.mean / VMS as f64;
    assert!(each < 0.2, "more than one fetch in ten seconds and a retry: {found:?}");
}

#[test]
fn a_provider_that_is_away_costs_nobody_a_request() {
    assert_eq!(keys::simulate(Happens::Away, VMS, LIMIT).refused, 0);
}

#[test]
fn a_session_in_use_is_looked_up_once_by_each_worker_in_the_time_of_the_cache() {
    let found = sessions::simulate(USERS, Duration::from_secs(120));
    assert_eq!(found.refused, 0.0);
    assert!(found.lookups <= USERS.active as f64 / 30.0, "{found:?}");
    let anywhere = Users { sticky: false, ..USERS };
    let elsewhere = sessions::simulate(anywhere, Duration::from_secs(120));
    assert!(elsewhere.lookups > found.lookups, "{elsewhere:?}");
}

#[test]
fn a_revocation_is_known_everywhere_after_the_interval() {
    let found = feed::daily(before(600), 100_000, 2, 0);
    assert!(found.latest <= Duration::from_millis(1100), "{found:?}");
}

#[test]
fn what_was_revoked_during_an_outage_is_known_when_it_is_over() {
    let found = feed::daily(before(600), 100_000, 2, 20);
    let latest = Duration::from_secs(20)..Duration::from_secs(23);
    assert!(latest.contains(&found.latest), "{found:?}");
}

#[test]
fn a_long_feed_is_caught_up_with_where_a_page_is_cheap_and_not_where_it_is_dear() {
    let caught = |page, rollout| {
        let before = Before { simulated: 20, ..before(page) };
        let rollout = Duration::from_secs(rollout);
        feed::catch_up(before, 3000, rollout, Duration::from_secs(120))
    };
    assert_eq!(caught(600, 1).after, None);
    assert!(caught(600, 30).after.is_some());
    assert!(caught(100, 1).after.is_some());
}

/// 5,000 VMs before a Redis that is busy for so many microseconds for a page of a thousand.
fn before(page: u64) -> Before {
    let [empty, page] = [28, page].map(Duration::from_micros);
    Before { vms: 5000, simulated: VMS, empty, page }
}
