//! Sessions and revocations, as far as a whole filter in Envoy cannot be made to wait for them.

use std::time::Duration;

use auth_core::fetch::FetchId;
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

#[test]
fn a_session_in_use_is_reported_once_a_minute() {
    let key = SigningKey::new("a");
    let token = key.sign(&claims());
    let mut bench = observing(&key);
    let mut reports = 0;
    for _ in 0..180 {
        assert_eq!(bench.verdict(&token), "allowed");
        let due = bench.due();
        reports += due.iter().filter(|fetch| matches!(fetch.id, FetchId::Report(_))).count();
        bench.pass(Duration::from_secs(1));
    }
    assert_eq!(reports, 3);
}

#[test]
fn the_loss_of_the_feed_and_its_end_are_audited_once() {
    let lines = audited_over_a_loss("authentications");
    let [lost, restored] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(lost, r#"{"event":"revocation_feed_lost"}"#);
    assert_eq!(restored, r#"{"event":"revocation_feed_restored"}"#);
    assert_eq!(audited_over_a_loss("every_request"), lines);
}

#[test]
fn the_loss_of_the_feed_leaves_no_audit_line_where_audit_is_off() {
    assert_eq!(audited_over_a_loss("off"), Vec::<String>::new());
}

/// The audit lines of a feed that is read, then cannot be for longer than `feed_loss_after`, then
/// is again.
fn audited_over_a_loss(audit: &str) -> Vec<String> {
    let config = config_with(|config| {
        config["issuers"][0]["session"] = json!("observe");
        config["sessions"] = json!({"cluster": "mcp-auth", "feed_loss_after": "2s"});
        config["audit"] = json!(audit);
    });
    let mut bench = Bench::new(&config);
    let mut lines = Vec::new();
    for readable in [true, false, false, false, false, true, true] {
        bench.due();
        let answer = if readable { page(&[]) } else { json!({}) };
        lines.extend(bench.answer_to(&FetchId::Revocations, &answer).audit);
        bench.pass(Duration::from_secs(1));
    }
    lines
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
