//! The keys of an issuer over time: when they are fetched, who waits, what is kept.

use std::time::Duration;

use auth_core::{fetch::Report, key_ring::FetchOutcome, metric::Metric, time::UnixTime};
use serde_json::json;

use crate::support::{
    Bench, bearing, claims, config, config_with,
    signing::{SigningKey, jwks},
    words,
};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const COOLDOWN: Duration = Duration::from_secs(10);
const REFRESH: Duration = Duration::from_secs(600);
const TIMEOUT: Duration = Duration::from_secs(5);

#[test]
fn keys_are_fetched_at_the_start_before_any_request() {
    assert_eq!(Bench::new(&config()).fetches(), 1);
}

#[test]
fn a_fetch_is_a_get_of_the_uri_through_its_cluster() {
    let fetch = Bench::new(&config()).gate.due(UnixTime::default()).remove(0);
    assert_eq!((fetch.cluster.as_str(), fetch.timeout), ("idp", TIMEOUT));
    let header = |name| fetch.headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str());
    assert_eq!(
        [":method", ":scheme", ":authority", ":path"].map(header),
        [Some("GET"), Some("https"), Some("idp.example"), Some("/jwks.json?v=1")]
    );
}

#[test]
fn each_issuer_has_a_fetch_of_its_own() {
    let config = config_with(|c| {
        let mut second = c["issuers"][0].clone();
        second["issuer"] = json!("https://other.example/");
        c["issuers"].as_array_mut().unwrap().push(second);
    });
    assert_eq!(Bench::new(&config).fetches(), 2);
}

#[test]
fn fixed_keys_are_never_fetched() {
    let key = SigningKey::new("a");
    let config = config_with(|c| c["issuers"][0]["jwks"] = json!({"keys": [key.jwk()]}));
    let mut bench = Bench::new(&config);
    assert_eq!(bench.verdict(&key.sign(&claims())), "allowed");
    assert_eq!(bench.verdict(&SigningKey::new("b").sign(&claims())), "unknown_key");
    assert_eq!(bench.fetches(), 0);
}

#[test]
fn many_waiting_requests_share_one_fetch() {
    let (mut bench, key) = (Bench::new(&config()), SigningKey::new("a"));
    let token = key.sign(&claims());
    for _ in 0..50 {
        assert_eq!(bench.verdict(&token), "waits");
    }
    assert_eq!((bench.fetches(), bench.fetches()), (1, 0));
    assert_eq!(bench.verdict(&token), "waits", "also while the fetch is under way");
    let decided = bench.answer(&jwks([&key])).decided;
    assert_eq!(words(&decided), ["allowed"; 51]);
}

#[test]
fn a_waiting_request_is_decided_once() {
    let (mut bench, key) = (Bench::new(&config()), SigningKey::new("a"));
    bench.verdict(&key.sign(&claims()));
    bench.fetches();
    assert_eq!(bench.answer(&jwks([&key])).decided.len(), 1);
    assert_eq!(bench.answer(&jwks([&key])).decided.len(), 0, "a second answer decides nothing");
    bench.pass(60 * SECOND);
    assert_eq!(bench.overdue().len(), 0);
}

#[test]
fn a_request_of_another_issuer_goes_on_waiting() {
    let config = config_with(|c| {
        let mut second = c["issuers"][0].clone();
        second["issuer"] = json!("https://other.example/");
        c["issuers"].as_array_mut().unwrap().push(second);
    });
    let (mut bench, key) = (Bench::new(&config), SigningKey::new("a"));
    let mut of_other = claims();
    of_other["iss"] = json!("https://other.example/");
    assert_eq!(bench.verdict(&key.sign(&of_other)), "waits");
    assert_eq!(bench.answer(&jwks([&key])).decided.len(), 0);
}

#[test]
fn a_forgotten_request_is_never_decided() {
    let (mut bench, key) = (Bench::new(&config()), SigningKey::new("a"));
    bench.verdict(&key.sign(&claims()));
    let gone = bench.latest();
    bench.gate.forget(gone);
    assert_eq!(bench.answer(&jwks([&key])).decided.len(), 0);
}

#[test]
fn the_thousand_and_first_waiting_request_is_refused_at_once() {
    let (mut bench, key) = (Bench::new(&config()), SigningKey::new("a"));
    let token = key.sign(&claims());
    for _ in 0..1000 {
        assert_eq!(bench.verdict(&token), "waits");
    }
    assert_eq!(bench.verdict(&token), "jwks_unavailable");
    assert_eq!(bench.answer(&jwks([&key])).decided.len(), 1000);
    assert_eq!(bench.verdict(&token), "allowed");
}

#[test]
fn keys_are_refreshed_in_the_background_before_they_are_old() {
    let mut bench = Bench::with_keys(&config(), [&SigningKey::new("a")]);
    bench.pass(REFRESH.mul_f64(0.9) - SECOND);
    assert_eq!(bench.fetches(), 0);
    bench.pass(REFRESH.mul_f64(0.1) + SECOND);
    assert_eq!(bench.fetches(), 1);
}

#[test]
fn workers_spread_their_refreshes_over_a_tenth_of_the_time() {
    let delays: Vec<u64> = (0..20).map(delay_of_refresh).collect();
    assert!(delays.iter().all(|delay| (540..=600).contains(delay)), "{delays:?}");
    let earliest = *delays.iter().min().unwrap();
    assert!(delays.iter().any(|delay| *delay > earliest + 20), "{delays:?}");
}

#[test]
fn an_unknown_kid_causes_a_fetch_and_waits_for_it() {
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    let mut bench = Bench::with_keys(&config(), [&old]);
    assert_eq!(bench.verdict(&new.sign(&claims())), "waits");
    assert_eq!(bench.fetches(), 1);
    assert_eq!(words(&bench.answer(&jwks([&old, &new])).decided), ["allowed"]);
}

#[test]
fn a_kid_that_stays_unknown_is_denied_after_its_fetch() {
    let mut bench = Bench::with_keys(&config(), [&SigningKey::new("a")]);
    bench.verdict(&SigningKey::new("b").sign(&claims()));
    assert_eq!(words(&bench.answer(&jwks([&SigningKey::new("a")])).decided), ["unknown_key"]);
}

#[test]
fn unknown_kids_cause_one_fetch_a_cooldown_also_after_success() {
    let known = SigningKey::new("a");
    let mut bench = Bench::with_keys(&config(), [&known]);
    let unknown = |n: usize| {
        let kids = ["b", "c", "d", "e", "f", "g"];
        SigningKey::new(kids[n]).sign(&claims())
    };
    assert_eq!(bench.verdict(&unknown(0)), "waits");
    assert_eq!(bench.fetches(), 1);
    bench.answer(&jwks([&known]));
    for n in 1..4 {
        assert_eq!(bench.verdict(&unknown(n)), "unknown_key", "denied without a fetch");
        assert_eq!(bench.fetches(), 0);
    }
    bench.pass(COOLDOWN - MILLISECOND);
    assert_eq!((bench.verdict(&unknown(4)), bench.fetches()), ("unknown_key", 0));
    bench.pass(MILLISECOND);
    assert_eq!((bench.verdict(&unknown(5)), bench.fetches()), ("waits", 1));
}

#[test]
fn known_keys_are_used_while_a_fetch_for_an_unknown_kid_is_under_way() {
    let known = SigningKey::new("a");
    let mut bench = Bench::with_keys(&config(), [&known]);
    bench.verdict(&SigningKey::new("b").sign(&claims()));
    assert_eq!(bench.verdict(&known.sign(&claims())), "allowed");
}

#[test]
fn old_keys_stay_while_refreshes_fail() {
    let key = SigningKey::new("a");
    let mut bench = Bench::with_keys(&config(), [&key]);
    for _ in 0..10 {
        bench.pass(REFRESH);
        assert_eq!(bench.fetches(), 1);
        assert!(matches!(bench.fail().report, Report::KeysFailed { stale: true, .. }));
    }
    let mut claims = claims();
    claims["exp"] = json!(crate::support::NOW + 10_000_000);
    assert_eq!(bench.verdict(&key.sign(&claims)), "allowed");
}

#[test]
fn a_kid_unknown_to_stale_keys_is_denied_not_unavailable() {
    let mut bench = Bench::with_keys(&config(), [&SigningKey::new("a")]);
    bench.verdict(&SigningKey::new("b").sign(&claims()));
    assert_eq!(words(&bench.fail().decided), ["unknown_key"]);
}

#[test]
fn refreshes_that_fail_back_off_to_a_minute() {
    let mut bench = Bench::with_keys(&config(), [&SigningKey::new("a")]);
    bench.pass(REFRESH);
    assert_eq!(bench.fetches(), 1);
    assert_delays(&delays_of_failures(&mut bench, 8), &[1, 2, 4, 8, 16, 32, 60, 60]);
}

#[test]
fn without_keys_the_backoff_ends_at_the_cooldown() {
    let mut bench = Bench::new(&config());
    assert_eq!(bench.fetches(), 1);
    assert_delays(&delays_of_failures(&mut bench, 6), &[1, 2, 4, 8, 10, 10]);
}

#[test]
fn the_backoff_is_never_longer_than_the_refresh() {
    let config = config_with(|c| c["issuers"][0]["jwks"]["refresh"] = json!("5s"));
    let mut bench = Bench::with_keys(&config, [&SigningKey::new("a")]);
    bench.pass(5 * SECOND);
    assert_eq!(bench.fetches(), 1);
    assert_delays(&delays_of_failures(&mut bench, 5), &[1, 2, 4, 5, 5]);
}

#[test]
fn workers_that_fail_together_do_not_try_again_together() {
    let delays: Vec<u64> = (0..20)
        .map(|random| {
            let mut bench = Bench::of_vm(random, &config());
            bench.fetches();
            delays_of_failures(&mut bench, 5)[4]
        })
        .collect();
    let (least, most) = (delays.iter().min().unwrap(), delays.iter().max().unwrap());
    assert!(*least >= 5 && *most <= 10 && most - least >= 3, "{delays:?}");
}

#[test]
fn a_success_ends_the_backoff() {
    let key = SigningKey::new("a");
    let mut bench = Bench::new(&config());
    delays_of_failures(&mut bench, 5);
    bench.answer(&jwks([&key]));
    bench.pass(REFRESH);
    assert_eq!(bench.fetches(), 1);
    assert_delays(&delays_of_failures(&mut bench, 2), &[1, 2]);
}

#[test]
fn requests_are_unavailable_not_fetching_while_the_ring_backs_off() {
    let (mut bench, key) = (Bench::new(&config()), SigningKey::new("a"));
    delays_of_failures(&mut bench, 2);
    bench.fail();
    assert_eq!(bench.verdict(&key.sign(&claims())), "jwks_unavailable");
    assert_eq!(bench.fetches(), 0);
    let reply = bench.reply(bearing("/mcp", &key.sign(&claims())));
    assert_eq!(reply.status, 503);
    let (_, retry_after) = reply.headers.iter().find(|(name, _)| *name == "retry-after").unwrap();
    assert_delays(&[retry_after.parse().unwrap()], &[4]);
}

#[test]
fn requests_that_waited_for_a_failed_first_fetch_are_unavailable() {
    let (mut bench, key) = (Bench::new(&config()), SigningKey::new("a"));
    bench.verdict(&key.sign(&claims()));
    bench.fetches();
    assert_eq!(words(&bench.fail().decided), ["jwks_unavailable"]);
}

#[test]
fn the_gate_recovers_with_the_first_fetch_that_succeeds() {
    let (mut bench, key) = (Bench::new(&config()), SigningKey::new("a"));
    delays_of_failures(&mut bench, 3);
    bench.answer(&jwks([&key]));
    assert_eq!(bench.verdict(&key.sign(&claims())), "allowed");
}

#[test]
fn a_request_whose_fetch_is_lost_is_given_up_a_second_after_its_deadline() {
    let (mut bench, key) = (Bench::new(&config()), SigningKey::new("a"));
    bench.verdict(&key.sign(&claims()));
    bench.fetches();
    bench.pass(TIMEOUT + SECOND - MILLISECOND);
    assert_eq!(bench.overdue().len(), 0);
    bench.pass(MILLISECOND);
    assert_eq!(words(&bench.overdue()), ["jwks_unavailable"]);
}

#[test]
fn a_lost_fetch_is_made_again() {
    let (mut bench, key) = (Bench::new(&config()), SigningKey::new("a"));
    bench.fetches();
    bench.pass(TIMEOUT + SECOND - MILLISECOND);
    assert_eq!(bench.fetches(), 0);
    bench.pass(MILLISECOND);
    assert_eq!(bench.fetches(), 1);
    bench.answer(&jwks([&key]));
    assert_eq!(bench.verdict(&key.sign(&claims())), "allowed");
}

#[test]
fn an_answer_after_its_deadline_is_used_all_the_same() {
    let (mut bench, key) = (Bench::new(&config()), SigningKey::new("a"));
    bench.fetches();
    bench.pass(20 * SECOND);
    bench.answer(&jwks([&key]));
    assert_eq!(bench.verdict(&key.sign(&claims())), "allowed");
}

#[test]
fn key_sets_that_cannot_be_used_are_failed_fetches() {
    let key = SigningKey::new("a");
    let mut bench = Bench::with_keys(&config(), [&key]);
    let oct = r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#;
    for (body, why) in [
        (String::new(), "the document is not usable: it is not a JWK set"),
        ("<html>".to_owned(), "the document is not usable: it is not a JWK set"),
        ("[]".to_owned(), "the document is not usable: it is not a JWK set"),
        (r#"{"keys":{}}"#.to_owned(), "the document is not usable: it is not a JWK set"),
        (r#"{"keys":[]}"#.to_owned(), "the document is not usable: it holds no usable key"),
        (oct.to_owned(), "the document is not usable: it holds no usable key"),
        (" ".repeat(512 * 1024 + 1), "the document is larger than 512 KiB"),
    ] {
        let outcome = FetchOutcome::Answered { status: 200, body: body.into() };
        assert_eq!(bench.failure(outcome), why);
        assert_eq!(bench.verdict(&key.sign(&claims())), "allowed", "old keys stay: {why}");
    }
}

#[test]
fn a_key_set_of_exactly_the_limit_is_read() {
    let (mut bench, key) = (Bench::new(&config()), SigningKey::new("a"));
    let body = jwks([&key]);
    let padding = " ".repeat(512 * 1024 - body.len());
    assert!(matches!(bench.answer(&(body + &padding)).report, Report::Keys { usable: 1, .. }));
}

#[test]
fn other_statuses_than_200_are_failed_fetches_whatever_the_body() {
    let mut bench = Bench::new(&config());
    let body: Vec<u8> = jwks([&SigningKey::new("a")]).into();
    for status in [0, 201, 204, 301, 404, 500, 503] {
        let outcome = FetchOutcome::Answered { status, body: body.clone() };
        assert_eq!(bench.failure(outcome), format!("the server answered with status {status}"));
    }
}

#[test]
fn fetches_are_counted_by_how_they_end() {
    let mut bench = Bench::new(&config());
    bench.fail();
    assert_eq!(bench.counted(Metric::JwksFetchFailed), 1);
    bench.answer(&jwks([&SigningKey::new("a")]));
    assert_eq!(bench.counted(Metric::JwksFetchOk), 1);
}

/// After how many whole seconds the VM that drew `random` refreshes its keys.
fn delay_of_refresh(random: u8) -> u64 {
    let mut bench = Bench::of_vm(random, &config());
    bench.fetches();
    bench.answer(&jwks([&SigningKey::new("a")]));
    seconds_to_next_fetch(&mut bench)
}

/// Lets the fetch under way and those after it fail, `count` in all; after how many seconds the next
/// one was begun each time. The last one begun is under way.
fn delays_of_failures(bench: &mut Bench, count: usize) -> Vec<u64> {
    let mut fail = || {
        bench.fail();
        seconds_to_next_fetch(bench)
    };
    (0..count).map(|_| fail()).collect()
}

/// Each delay is at most what is named, and at least half of it.
fn assert_delays(delays: &[u64], most: &[u64]) {
    let fits = |(delay, most): (&u64, &u64)| (most.div_ceil(2)..=*most).contains(delay);
    assert!(delays.len() == most.len() && delays.iter().zip(most).all(fits), "{delays:?}");
}

/// Lets time pass until a fetch is begun; how many whole seconds that took.
fn seconds_to_next_fetch(bench: &mut Bench) -> u64 {
    for seconds in 1..=3600 {
        bench.pass(SECOND);
        if bench.fetches() == 1 {
            return seconds;
        }
    }
    panic!("it never fetches again")
}
