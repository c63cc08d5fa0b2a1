//! How many names it takes until two of them have one user id of 8 digits, and how long it takes to
//! find one that gets a given user's id: `make collisions`.
//!
//! Whatever is not a letter or digit becomes one `-` in the readable part of an id, so a name can be
//! written in endless ways that read alike. One of them in 2^32 has the same hash too; and names
//! without a letter of `a` to `z` all read `user`.

use std::{
    collections::HashMap,
    env,
    io::Write,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use auth_core::user_id::{HashDigits, UserId};
use sha2::{Digest, Sha256};

const ISSUER: &str = "https://tenant.auth0.com/";
/// What an identity provider may let into a username.
const MARKS: &[u8; 16] = b"!#$%&'*+/=?^_`{|";
const BATCH: u64 = 100_000;
/// How often it is tried until any two of the names that sign up have one id.
const TRIALS: u64 = 50;

#[expect(clippy::disallowed_methods, reason = "how long it takes is what is asked")]
fn main() {
    let victim = env::args().nth(1).unwrap_or_else(|| "alice@example.com".to_owned());
    let digits = HashDigits::default();
    let wanted = UserId::new(&victim, ISSUER, digits);
    let Some((before, after)) = victim.split_once(|c: char| !c.is_ascii_alphanumeric()) else {
        eprintln!("collisions: give a username with a mark in it, such as alice@example.com");
        std::process::exit(2);
    };
    any_two(before, after);
    println!("{victim} has the id {wanted}; looking for another name with it");
    let hashed = hash(&victim);
    let (next, is_found, began) = (AtomicU64::new(0), AtomicBool::new(false), Instant::now());
    let found = thread::scope(|scope| {
        let search = || {
            let mut name = before.to_owned();
            while !is_found.load(Ordering::Relaxed) {
                let from = next.fetch_add(BATCH, Ordering::Relaxed);
                for nth in from..from + BATCH {
                    name.truncate(before.len());
                    name.extend(marks(nth));
                    name.push_str(after);
                    // The readable part is the same in all of them, so the hash alone is looked at.
                    let same = hash(&name) == hashed && name != victim;
                    if same && UserId::new(&name, ISSUER, digits) == wanted {
                        is_found.store(true, Ordering::Relaxed);
                        return Some(name);
                    }
                }
            }
            None
        };
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let searches: Vec<_> = (0..threads).map(|_| scope.spawn(search)).collect();
        while !is_found.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_secs(1));
            let tried = next.load(Ordering::Relaxed);
            eprint!("\r{} million names tried", tried / 1_000_000);
            let _ = std::io::stderr().flush();
        }
        eprintln!();
        searches.into_iter().find_map(|search| search.join().ok().flatten())
    });
    let (tried, took) = (next.load(Ordering::Relaxed), began.elapsed().as_secs_f64());
    let rate = tried as f64 / took;
    println!("{} has it too", found.unwrap_or_default());
    println!("found after {tried} names in {took:.0} s, {:.1} million a second", rate / 1e6);
    let years = 2f64.powi(64) / rate / (365.25 * 86_400.0);
    println!("with 16 digits this machine would need some {years:.0} years");
}

/// Signs names up that read alike, until two have one id, again and again.
fn any_two(before: &str, after: &str) {
    let mut counts: Vec<u64> = (0..TRIALS).map(|trial| signups(before, after, trial)).collect();
    counts.sort_unstable();
    let (least, most) = (counts[0], counts[counts.len() - 1]);
    let mean = counts.iter().sum::<u64>() / TRIALS;
    println!(
        "of users whose names read alike, two have one id of 8 digits after {mean} signups on"
    );
    println!("average ({TRIALS} trials: {least} to {most})");
    for digits in [8, 16] {
        let ids = 16f64.powi(digits);
        let users = |share: f64| (2.0 * ids * -(1.0 - share).ln()).sqrt();
        println!(
            "computed for {digits:2} digits: 1 in 100 at {:.0} users, 1 in 2 at {:.0}",
            users(0.01),
            users(0.5)
        );
    }
}

/// How many names it took until two had one id.
fn signups(before: &str, after: &str, trial: u64) -> u64 {
    let mut names: HashMap<u32, u64> = HashMap::new();
    let name = |nth| -> String {
        before.chars().chain(marks(trial << 28 | nth)).chain(after.chars()).collect()
    };
    for nth in 0.. {
        let Some(other) = names.insert(hash(&name(nth)), nth) else { continue };
        let id = |nth| UserId::new(&name(nth), ISSUER, HashDigits::default());
        assert_eq!(id(nth), id(other), "the readable part is the same");
        return nth + 1;
    }
    unreachable!("there are more names than hashes")
}

/// Marks that no other number has.
fn marks(nth: u64) -> impl Iterator<Item = char> {
    let nibbles = (0..9).map(move |place| (nth >> (4 * place)) as usize & 15);
    nibbles.map(|nibble| char::from(MARKS[nibble]))
}

/// The 8 digits, as a number.
fn hash(name: &str) -> u32 {
    let hash = Sha256::new().chain_update(name).chain_update(b":").chain_update(ISSUER).finalize();
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
}
