//! What is remembered of tokens, and for how long. A signature check is what a cache saves, so the
//! tests count those.

use std::time::Duration;

use auth_core::metric::Metric;
use serde_json::json;

use crate::support::{
    Bench, NOW, claims, claims_with, config, config_with,
    signing::{SigningKey, jwks},
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_token_is_checked_once() {
    let key = SigningKey::new("a");
    let mut bench = Bench::with_keys(&config(), [&key]);
    let token = key.sign(&claims());
    for _ in 0..3 {
        assert_eq!(bench.verdict(&token), "allowed");
    }
    assert_eq!((bench.checks(), bench.fetches()), (1, 0));
}

#[test]
fn hits_and_misses_are_counted() {
    let key = SigningKey::new("a");
    let mut bench = Bench::with_keys(&config(), [&key]);
    let token = key.sign(&claims());
    bench.verdict(&token);
    assert_eq!(bench.counted(Metric::TokenCacheMiss), 1);
    bench.verdict(&token);
    assert_eq!(bench.counted(Metric::TokenCacheHit), 1);
}

#[test]
fn each_token_is_known_by_all_its_bytes() {
    let key = SigningKey::new("a");
    let mut bench = Bench::with_keys(&config(), [&key]);
    let token = key.sign(&claims());
    bench.verdict(&token);
    let cut = &token[..token.len() - 1];
    assert_ne!(bench.verdict(cut), "allowed");
    assert_ne!(bench.verdict(&format!("{token}A")), "allowed");
}

#[test]
fn a_cached_token_ends_exactly_at_exp_plus_leeway() {
    let key = SigningKey::new("a");
    let mut bench = Bench::with_keys(&config(), [&key]);
    let token = key.sign(&claims_with(json!({"exp": NOW + 100})));
    bench.verdict(&token);
    bench.at_millis(160_000 - 1);
    assert_eq!(bench.verdict(&token), "allowed");
    bench.at_millis(160_000);
    assert_eq!(bench.verdict(&token), "expired");
    assert_eq!(bench.checks(), 1);
}

#[test]
fn an_expired_token_is_gone_from_the_cache() {
    let key = SigningKey::new("a");
    let mut bench = Bench::with_keys(&config(), [&key]);
    let token = key.sign(&claims_with(json!({"exp": NOW + 100})));
    bench.verdict(&token);
    bench.at_millis(160_000);
    bench.verdict(&token);
    bench.pass(31 * SECOND);
    assert_eq!(bench.verdict(&token), "expired");
    assert_eq!(bench.checks(), 2, "it had to be checked again");
}

#[test]
fn a_cached_token_is_judged_anew_for_each_resource() {
    let key = SigningKey::new("a");
    let config = config_with(|c| {
        let other = json!({
            "path": "/other",
            "resource": "https://mcp.example.com/other",
            "audiences": [crate::support::RESOURCE],
            "scopes": ["admin"],
        });
        c["resources"].as_array_mut().unwrap().push(other);
    });
    let mut bench = Bench::with_keys(&config, [&key]);
    let token = key.sign(&claims());
    bench.verdict(&token);
    let outcome = bench.send(crate::support::bearing("/other", &token)).unwrap();
    assert_eq!(crate::support::word(&outcome), "insufficient_scope");
    assert_eq!(bench.checks(), 1);
    assert_eq!(bench.verdict(&token), "allowed", "a denial elsewhere is not remembered here");
}

#[test]
fn a_cache_of_zero_checks_every_time() {
    let key = SigningKey::new("a");
    let mut bench = Bench::with_keys(&config_with(|c| c["token_cache"] = json!(0)), [&key]);
    let token = key.sign(&claims());
    for _ in 0..3 {
        assert_eq!(bench.verdict(&token), "allowed");
    }
    assert_eq!(bench.checks(), 3);
}

#[test]
fn no_more_tokens_are_kept_than_configured() {
    let key = SigningKey::new("a");
    let mut bench = Bench::with_keys(&config_with(|c| c["token_cache"] = json!(10)), [&key]);
    let tokens: Vec<_> =
        (0..30).map(|n| key.sign(&claims_with(json!({ "jti": n.to_string() })))).collect();
    tokens.iter().for_each(|token| assert_eq!(bench.verdict(token), "allowed"));
    let before = bench.checks();
    tokens.iter().rev().for_each(|token| assert_eq!(bench.verdict(token), "allowed"));
    assert_eq!(bench.checks() - before, 20, "ten were known, twenty had to be checked again");
}

#[test]
fn a_key_that_is_withdrawn_takes_its_tokens_along() {
    let (withdrawn, kept) = (SigningKey::new("a"), SigningKey::new("b"));
    let mut bench = Bench::with_keys(&config(), [&withdrawn, &kept]);
    let token = withdrawn.sign(&claims());
    assert_eq!(bench.verdict(&token), "allowed");
    bench.answer(&jwks([&kept]));
    assert_eq!(bench.verdict(&token), "waits", "for a fetch that might bring the key back");
    assert_eq!(crate::support::words(&bench.answer(&jwks([&kept])).decided), ["unknown_key"]);
}

#[test]
fn a_key_that_is_replaced_under_its_kid_takes_its_tokens_along() {
    let old = SigningKey::new("a");
    let mut bench = Bench::with_keys(&config(), [&old]);
    let token = old.sign(&claims());
    bench.verdict(&token);
    let mut new = SigningKey::new("b").jwk();
    new["kid"] = json!("a");
    bench.answer(&json!({"keys": [new]}).to_string());
    assert_eq!(bench.verdict(&token), "bad_signature");
}

#[test]
fn a_key_that_stays_keeps_its_tokens_through_a_rotation() {
    let (stays, goes, comes) = (SigningKey::new("a"), SigningKey::new("b"), SigningKey::new("c"));
    let mut bench = Bench::with_keys(&config(), [&stays, &goes]);
    let token = stays.sign(&claims());
    bench.verdict(&token);
    bench.answer(&jwks([&comes, &stays]));
    assert_eq!(bench.verdict(&token), "allowed");
    assert_eq!(bench.checks(), 1);
}

#[test]
fn a_replayed_forgery_is_checked_once_in_half_a_minute() {
    let mut bench = Bench::with_keys(&config(), [&SigningKey::new("a")]);
    let forged = forgery();
    for _ in 0..10 {
        assert_eq!(bench.verdict(&forged), "bad_signature");
    }
    assert_eq!(bench.checks(), 1);
    bench.pass(30 * SECOND - Duration::from_millis(1));
    bench.verdict(&forged);
    assert_eq!(bench.checks(), 1);
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.verdict(&forged), "bad_signature");
    assert_eq!(bench.checks(), 2);
}

#[test]
fn a_signed_token_with_malformed_claims_is_checked_once() {
    let key = SigningKey::new("a");
    let mut bench = Bench::with_keys(&config(), [&key]);
    let token = key.sign(&claims_with(json!({"sub": 1})));
    for _ in 0..3 {
        assert_eq!(bench.verdict(&token), "malformed_token");
    }
    assert_eq!(bench.checks(), 1);
}

#[test]
fn denials_are_forgotten_when_keys_change() {
    let mut bench = Bench::with_keys(&config(), [&SigningKey::new("a")]);
    let forged = forgery();
    assert_eq!(bench.verdict(&forged), "bad_signature");
    let mut theirs = SigningKey::new("b").jwk();
    theirs["kid"] = json!("a");
    bench.answer(&json!({"keys": [theirs]}).to_string());
    assert_eq!(bench.verdict(&forged), "allowed", "the key that signed it is published now");
}

#[test]
fn denials_outlive_a_refresh_that_changes_nothing() {
    let key = SigningKey::new("a");
    let mut bench = Bench::with_keys(&config(), [&key]);
    bench.verdict(&forgery());
    bench.answer(&jwks([&key]));
    bench.verdict(&forgery());
    assert_eq!(bench.checks(), 1);
}

#[test]
fn a_token_that_is_not_yet_valid_becomes_valid() {
    let key = SigningKey::new("a");
    let mut bench = Bench::with_keys(&config(), [&key]);
    let token = key.sign(&claims_with(json!({"nbf": NOW + 65})));
    assert_eq!(bench.verdict(&token), "not_yet_valid");
    bench.pass(5 * SECOND);
    assert_eq!(bench.verdict(&token), "allowed");
}

/// A token that names key `a` and is signed by another.
fn forgery() -> String {
    SigningKey::new("b").sign_under(&json!({"alg": "EdDSA", "kid": "a"}), &claims())
}
