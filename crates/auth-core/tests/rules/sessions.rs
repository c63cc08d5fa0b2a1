//! Sessions and revocations, as far as a whole filter in Envoy cannot be made to wait for them.

use std::time::Duration;

use auth_core::gate::FetchId;
use serde_json::{Value, json};

use crate::support::{
    Bench, NOW, claims, claims_with, config_with,
    signing::{SigningKey, jwks},
};

const LIFETIME: Duration = Duration::from_secs(3600);
const LEEWAY: Duration = Duration::from_secs(60);

#[test]
fn a_revoked_token_does_not_revive_between_its_end_and_the_leeway() {
    let key = SigningKey::new("a");
    let token = key.sign(&claims());
    let mut bench = observing(&key);
    assert_eq!(bench.verdict(&token), "allowed");

    let (session_id, report) = reported(&mut bench);
    let revocation = json!({"session_id": session_id, "expires_at": report["expires_at"]});
    bench.answer_to(&FetchId::Revocations, &page(&[revocation]));
    assert_eq!(bench.verdict(&token), "session_revoked");

    bench.pass(LIFETIME + LEEWAY - Duration::from_secs(1));
    bench.answer_to(&FetchId::Revocations, &page(&[]));
    assert_eq!(bench.verdict(&token), "session_revoked", "it is still within the leeway");
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.verdict(&token), "expired");
}

#[test]
fn a_session_is_reported_until_its_token_is_accepted_no_more() {
    let key = SigningKey::new("a");
    let mut bench = observing(&key);
    assert_eq!(bench.verdict(&key.sign(&claims())), "allowed");
    let (_, report) = reported(&mut bench);
    assert_eq!(report["expires_at"], NOW + (LIFETIME + LEEWAY).as_secs());
}

#[test]
fn lookups_under_way_are_bounded() {
    let key = SigningKey::new("a");
    let mut bench = in_mode("required", &key);
    let mut lookups = 0;
    for number in 0..1500 {
        let verdict = bench.verdict(&key.sign(&claims_with(json!({"jti": number.to_string()}))));
        assert_eq!(verdict, if number < 1000 { "waits" } else { "sessions_unavailable" });
        let ids = bench.due().into_iter().map(|fetch| fetch.id);
        lookups += ids.filter(|id| matches!(id, FetchId::Session(_))).count();
    }
    assert_eq!(lookups, 1000);
}

fn observing(key: &SigningKey) -> Bench {
    in_mode("observe", key)
}

fn in_mode(mode: &str, key: &SigningKey) -> Bench {
    let config = config_with(|config| {
        config["issuers"][0]["session"] = json!(mode);
        config["sessions"] = json!({"cluster": "mcp-auth"});
    });
    let mut bench = Bench::new(&config);
    bench.due();
    bench.answer(&jwks([key]));
    bench
}

/// The report that is sent now: whose session, and what of it.
fn reported(bench: &mut Bench) -> (String, Value) {
    let report = bench.due().into_iter().find(|fetch| matches!(fetch.id, FetchId::Report(_)));
    let report = report.expect("the sighting is reported");
    let FetchId::Report(id) = report.id else { unreachable!("it is a report") };
    let body = report.body.expect("a report has a body");
    (id.to_string(), serde_json::from_str(&body).expect("it is JSON"))
}

fn page(entries: &[Value]) -> Value {
    json!({"cursor": "1", "more": false, "entries": entries})
}
