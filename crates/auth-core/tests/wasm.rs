//! The core as WebAssembly: signatures, dates, user ids and whole requests, run by Node's V8 where
//! `usize` has 32 bits and there is no clock and no operating system. `make test-wasm` runs it. That
//! the same rules hold natively is told by the tests beside the sources.

#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::time::Duration;

use auth_core::{
    bounded::DigestKey,
    config::Config,
    decision::Decision,
    gate::{Gate, StreamId},
    jwk::{self, VerificationKey},
    jws::{CompactJws, UntrustedJwt},
    outcome::Outcome,
    request_head::RequestHead,
    signature::{Software, Verify as _, known_answers},
    time::{DurationRefused, UnixTime, parse_duration},
    user_id::{HashDigits, UserId},
};
use serde_json::{Value, json};
use wasm_bindgen_test::wasm_bindgen_test;

/// When the tokens of `signed-tokens.json` expire; they were issued an hour before.
const EXP: u64 = 1_800_000_000;
/// The leeway of the configuration, its default.
const LEEWAY: u64 = 60;

#[wasm_bindgen_test]
fn a_pointer_has_32_bits() {
    assert_eq!(usize::BITS, 32);
}

#[wasm_bindgen_test]
fn known_answers_hold() {
    let answers = known_answers();
    assert_eq!(answers.len(), 6);
    for answer in answers {
        let algorithm = answer.algorithm();
        assert_eq!(answer.holds_for(&Software), Software.supports(algorithm), "{algorithm:?}");
    }
}

#[wasm_bindgen_test]
fn another_library_s_signatures_are_verified() {
    let keys = keys();
    for (name, token) in tokens() {
        let jws = CompactJws::decode(&token).unwrap();
        let jwt = UntrustedJwt::read(&jws).unwrap();
        assert_eq!(jwt.algorithm().name(), name);
        assert!(verifies(&keys, &jwt, jwt.signing_input(), jwt.signature()), "{name}");
    }
}

#[wasm_bindgen_test]
fn a_signature_is_good_for_its_message_and_key_alone() {
    let keys = keys();
    for (name, token) in tokens() {
        let jws = CompactJws::decode(&token).unwrap();
        let jwt = UntrustedJwt::read(&jws).unwrap();
        let (message, signature) = (jwt.signing_input(), jwt.signature());
        for at in [0, signature.len() / 2, signature.len() - 1] {
            let mut changed = signature.to_vec();
            changed[at] ^= 1;
            assert!(!verifies(&keys, &jwt, message, &changed), "{name}, byte {at} changed");
        }
        assert!(!verifies(&keys, &jwt, &message[1..], signature), "{name}, another message");
        assert!(!verifies(&keys, &jwt, message, &signature[1..]), "{name}, a byte short");
        let others = keys.iter().filter(|key| key.kid() != jwt.kid());
        for other in others {
            assert!(!Software.verify(jwt.algorithm(), other, message.as_bytes(), signature));
        }
    }
}

#[wasm_bindgen_test]
fn user_ids_agree_with_the_contract() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../testdata/user-ids.json")).unwrap();
    assert!(cases.len() >= 12);
    for case in cases {
        let text = |name: &str| case[name].as_str().unwrap();
        let id = UserId::new(text("username"), text("issuer"), HashDigits::default());
        assert_eq!(id.as_str(), text("user_id"));
    }
}

#[wasm_bindgen_test]
fn times_beyond_32_bits_are_exact() {
    let late = UnixTime::from_secs(u64::from(u32::MAX) + 10);
    assert_eq!(late.secs(), 4_294_967_305);
    assert_eq!((late + Duration::from_millis(999)).millis(), 4_294_967_305_999);
    assert_eq!((late - Duration::from_secs(20)).secs(), 4_294_967_285);
    assert_eq!(UnixTime::default().until(late), Duration::from_secs(4_294_967_305));
    assert_eq!(late.until(UnixTime::default()), Duration::ZERO);
}

#[wasm_bindgen_test]
fn times_saturate() {
    let last = UnixTime::from_millis(u64::MAX);
    assert_eq!(UnixTime::from_secs(u64::MAX), last);
    assert_eq!(last + Duration::MAX, last);
    assert_eq!(UnixTime::from_secs(1) - Duration::MAX, UnixTime::default());
}

#[wasm_bindgen_test]
fn durations_beyond_32_bits_of_milliseconds_are_read() {
    assert_eq!(parse_duration("50d"), Ok(Duration::from_millis(4_320_000_000)));
    assert_eq!(parse_duration("4294967296ms"), Ok(Duration::from_millis(4_294_967_296)));
    assert_eq!(parse_duration("3651d"), Err(DurationRefused::TooLong));
    assert_eq!(parse_duration("18446744073709551616s"), Err(DurationRefused::TooLong));
}

#[wasm_bindgen_test]
fn a_request_with_a_token_of_each_algorithm_is_forwarded() {
    for (name, token) in tokens() {
        let outcome = decided(&token, EXP - 1);
        let Decision::Forward(edits) = &outcome.decision else { panic!("{name}: {outcome:?}") };
        assert!(edits.set.contains(&("x-user-id".into(), user_id().into())), "{name}: {edits:?}");
        assert!(edits.remove.contains(&"x_user_id".into()), "{name}: {edits:?}");
        assert!(edits.remove.contains(&"authorization".into()), "{name}: {edits:?}");
        let user_id = outcome.user_id.as_ref().map(UserId::as_str);
        assert_eq!((user_id, outcome.reason), (Some(&*self::user_id()), None));
    }
}

#[wasm_bindgen_test]
fn a_forged_token_is_challenged() {
    for (name, token) in tokens() {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let first = if signature.starts_with('A') { 'B' } else { 'A' };
        let forged = format!("{signed}.{first}{}", &signature[1..]);
        assert_challenged(&decided(&forged, EXP - 1), "bad_signature", &name);
    }
}

#[wasm_bindgen_test]
fn a_token_ends_with_its_leeway() {
    let (_, token) = tokens().remove(0);
    assert_eq!(decided(&token, EXP + LEEWAY - 1).reason, None);
    assert_challenged(&decided(&token, EXP + LEEWAY + 1), "expired", "after its end");
    assert_challenged(&decided(&token, EXP + (1 << 32)), "expired", "2³² seconds later");
}

#[wasm_bindgen_test]
fn a_request_without_a_token_is_challenged() {
    let head = vec![(":path", "/mcp"), (":authority", "mcp.example.com"), (":method", "POST")];
    assert_challenged(&start(head, EXP), "missing_token", "no token");
}

fn assert_challenged(outcome: &Outcome, reason: &str, case: &str) {
    let Decision::Reply(reply) = &outcome.decision else { panic!("{case}: {outcome:?}") };
    assert_eq!((reply.status, outcome.reason), (401, Some(reason)), "{case}");
    assert!(reply.headers.iter().any(|(name, _)| *name == "www-authenticate"), "{case}");
}

fn decided(token: &str, now_secs: u64) -> Outcome {
    let bearer = format!("Bearer {token}");
    let head = vec![
        (":method", "POST"),
        (":path", "/mcp"),
        (":authority", "mcp.example.com"),
        ("authorization", bearer.as_str()),
        ("x_user_id", "admin"),
    ];
    start(head, now_secs)
}

fn start(head: Vec<(&str, &str)>, now_secs: u64) -> Outcome {
    let config = json!({
        "issuers": [{ "issuer": "https://issuer.example/", "jwks": { "keys": signed()["keys"] } }],
        "resources": [{ "path": "/mcp", "resource": "https://mcp.example.com/mcp" }],
    });
    let config = Config::parse(config.to_string().as_bytes()).unwrap();
    let fields = head.into_iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    Gate::new(config, Box::new(Software), DigestKey::new([7; 16]))
        .start(
            StreamId(1),
            RequestHead::new(fields.collect()),
            false,
            UnixTime::from_secs(now_secs),
        )
        .expect("nothing has to be fetched")
}

fn user_id() -> String {
    let digits = HashDigits::default();
    UserId::new("user@example.com", "https://issuer.example/", digits).to_string()
}

fn verifies(
    keys: &[VerificationKey],
    jwt: &UntrustedJwt<'_>,
    message: &str,
    signature: &[u8],
) -> bool {
    let key = keys.iter().find(|key| key.kid() == jwt.kid()).unwrap();
    Software.verify(jwt.algorithm(), key, message.as_bytes(), signature)
}

fn keys() -> Vec<VerificationKey> {
    jwk::parse_set(json!({ "keys": signed()["keys"] }).to_string().as_bytes()).unwrap()
}

/// The name of each algorithm with a token that it signed.
fn tokens() -> Vec<(String, String)> {
    let signed = signed();
    let tokens: Vec<_> = signed["tokens"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, token)| (name.clone(), token.as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(tokens.len(), 6);
    tokens
}

/// Public keys, and tokens that Python's `cryptography` signed with the private ones, which nobody
/// kept.
fn signed() -> Value {
    serde_json::from_str(include_str!("../testdata/signed-tokens.json")).unwrap()
}
