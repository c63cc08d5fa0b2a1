//! `make scale`: prints the tables of `docs/scale.md`.

use std::time::Duration;

use scale::{
    feed::{self, Before},
    keys::{self, Happens},
    sessions::{self, Users},
};

const GATEWAYS: usize = 1000;
/// Of each gateway; Envoy's main thread has a VM besides.
const WORKERS: usize = 4;
const VMS: usize = GATEWAYS * (WORKERS + 1);
/// What the provider answers a second.
const LIMIT: u64 = 100;
const REVOCATIONS_A_DAY: u64 = 100_000;
/// Redis' time for a read of the feed that brings nothing (measured; see `docs/scale.md`). It is one
/// core's, since the feed lies in one slot, and less than the sidecar's, whose replicas share.
const EMPTY: Duration = Duration::from_micros(28);
/// For a page of a thousand entries.
const PAGE: Duration = Duration::from_micros(1350);

fn main() {
    println!("{GATEWAYS} gateways of {WORKERS} workers, {VMS} VMs.\n");
    keys_table();
    sessions_table();
    feed_tables();
}

fn keys_table() {
    println!("## A provider that answers {LIMIT} requests a second\n");
    println!(
        "| what happens | requests a second, mean | worst second | turned away | users' requests refused | until, s |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    for happens in Happens::ALL {
        let found = keys::simulate(happens, VMS, LIMIT);
        println!(
            "| {} | {:.1} | {} | {} | {} of {} | {} |",
            happens.words(),
            found.mean,
            found.peak,
            found.turned_away,
            found.refused,
            found.requests,
            found.settled_after.map_or(String::new(), |seconds| seconds.to_string()),
        );
    }
}

fn sessions_table() {
    println!("\n## 10,000 sessions at each gateway, 1,000 users at work, a request every 5 s\n");
    println!(
        "| mode | cache | a user's requests reach | requests a second, all | lookups a second, all | reports a second, all | refused |"
    );
    println!("|---|---|---|---:|---:|---:|---:|");
    let cases = [
        ("required", "30s", true),
        ("required", "30s", false),
        ("required", "5m", true),
        ("required", "5m", false),
        ("observe", "30s", true),
        ("observe", "30s", false),
    ];
    for (mode, cache, sticky) in cases {
        let users = Users {
            sessions: 10_000,
            active: 1000,
            every: Duration::from_secs(5),
            sticky,
            workers: WORKERS,
            mode,
            cache,
        };
        let found = sessions::simulate(users, Duration::from_secs(600));
        let all = |each: f64| format!("{:.0}", each * GATEWAYS as f64);
        println!(
            "| {mode} | {cache} | {} | {} | {} | {} | {} |",
            if sticky { "one worker" } else { "any worker" },
            all(found.requests),
            all(found.lookups),
            all(found.reports),
            all(found.refused),
        );
    }
}

fn feed_tables() {
    println!("\n## {REVOCATIONS_A_DAY} revocations a day, the feed read every second\n");
    println!(
        "| sidecar | reads a second | MB/s | Redis busy | a VM knows after, median | 99 % | latest |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    let before = Before { vms: VMS, simulated: 500, empty: EMPTY, page: PAGE };
    for away in [0, 45] {
        let found = feed::daily(before, REVOCATIONS_A_DAY, 10, away);
        println!(
            "| {} | {:.0} | {:.2} | {:.0} % | {:.2} s | {:.2} s | {:.2} s |",
            if away == 0 { "is there" } else { "is away for 45 s" },
            found.reads,
            found.bytes / 1e6,
            found.busy * 100.0,
            found.median.as_secs_f64(),
            found.p99.as_secs_f64(),
            found.latest.as_secs_f64(),
        );
    }
    println!("\n## All VMs start before a feed of 100,000 entries\n");
    println!(
        "| within | a page keeps Redis busy for | all know all after | reads given up | GB sent |"
    );
    println!("|---:|---:|---:|---:|---:|");
    for page in [PAGE, PAGE / 4] {
        for minutes in [0, 5, 15, 30] {
            let rollout = Duration::from_secs(60 * minutes).max(Duration::from_secs(1));
            let before = Before { vms: VMS, simulated: 50, empty: EMPTY, page };
            let found = feed::catch_up(before, 100_000, rollout, Duration::from_secs(3600));
            println!(
                "| {} s | {} µs | {} | {:.0} | {:.1} |",
                rollout.as_secs(),
                page.as_micros(),
                found
                    .after
                    .map_or("not within 1 h".to_owned(), |after| format!("{} s", after.as_secs())),
                found.given_up,
                found.bytes / 1e9,
            );
        }
    }
}
