//! MCP sessions: nobody uses the `Mcp-Session-Id` of somebody else.

use std::time::Duration;

use auth_core::{
    decision::Decision,
    fetch::{Fetch, FetchId, Fetched, Report},
    gate::StreamId,
    key_ring::FetchOutcome,
    outcome::Outcome,
    user_id::{HashDigits, UserId},
};
use serde_json::{Value, json};

use crate::support::{
    Bench, ISSUER, NOW, RESOURCE,
    caller::{JSON, MODERN, tool},
    claims_with, config, config_with, head,
    signing::{SigningKey, jwks},
    word, words,
};

const ALICE: &str = "alice";
const BOB: &str = "bob";

#[test]
fn a_session_belongs_to_whoever_began_it() {
    let mut worker = Worker::new(&config());
    worker.begins(ALICE, "s1");
    assert_eq!(worker.uses(ALICE, "s1"), "allowed");
    assert_eq!(worker.uses(BOB, "s1"), "session_of_another_user");
    assert_eq!(worker.uses(ALICE, "s1"), "allowed", "the attempt changed nothing");
}

#[test]
fn the_answer_to_another_user_is_404_without_a_challenge() {
    let mut worker = Worker::new(&config());
    worker.begins(ALICE, "s1");
    let outcome = worker.send(BOB, "POST", &[("mcp-session-id", "s1")]).expect("decided");
    let Decision::Reply(reply) = outcome.decision else { panic!("it is forwarded") };
    assert_eq!(reply.status, 404);
    assert!(reply.headers.iter().all(|(name, _)| *name != "www-authenticate"));
}

#[test]
fn every_method_is_checked() {
    let mut worker = Worker::new(&config());
    worker.begins(ALICE, "s1");
    for method in ["GET", "POST", "DELETE"] {
        let outcome = worker.send(BOB, method, &[("mcp-session-id", "s1")]).expect("decided");
        assert_eq!(word(&outcome), "session_of_another_user", "{method}");
    }
}

#[test]
fn a_new_token_of_the_same_user_keeps_the_session() {
    let mut worker = Worker::new(&config());
    worker.begins(ALICE, "s1");
    let refreshed = worker.key.sign(&claims_with(json!({
        "sub": ALICE, "preferred_username": "renamed", "jti": "2", "iat": NOW + 1,
    })));
    let outcome = worker.send_token(&refreshed, "GET", &[("mcp-session-id", "s1")]);
    assert_eq!(word(&outcome.expect("decided")), "allowed");
}

#[test]
fn the_same_subject_of_another_provider_is_another_user() {
    let mut worker = Worker::new(&two_issuers());
    worker.begins(ALICE, "s1");
    for (provider, verdict) in
        [("https://idp.example/", "allowed"), ("https://other.example/", "session_of_another_user")]
    {
        let claims = json!({"iss": "https://front.example/", "idp_iss": provider, "sub": ALICE});
        let token = worker.key.sign(&claims_with(claims));
        let outcome = worker.send_token(&token, "GET", &[("mcp-session-id", "s1")]);
        assert_eq!(word(&outcome.expect("decided")), verdict, "{provider}");
    }
}

#[test]
fn only_an_answer_of_success_binds() {
    for status in ["400", "401", "404", "500", "302", "100", ""] {
        let mut worker = Worker::new(&config());
        let outcome = worker.send(ALICE, "POST", &[JSON]).expect("decided");
        assert!(outcome.watches_answer);
        worker.bench.answered(worker.bench.latest(), status, Some("s1"));
        assert_eq!(worker.uses(BOB, "s1"), "allowed", "{status}");
    }
}

#[test]
fn a_session_that_nobody_is_known_to_own_goes_to_whoever_uses_it_first() {
    let mut worker = Worker::new(&config());
    assert_eq!(worker.uses(ALICE, "s1"), "allowed");
    worker.bench.answered(worker.bench.latest(), "200", None);
    assert_eq!(worker.uses(BOB, "s1"), "session_of_another_user");
}

#[test]
fn ids_that_the_server_does_not_know_bind_nobody() {
    let mut worker = Worker::new(&config());
    assert_eq!(worker.uses(BOB, "s1"), "allowed");
    worker.bench.answered(worker.bench.latest(), "404", None);
    worker.begins(ALICE, "s1");
    assert_eq!(worker.uses(ALICE, "s1"), "allowed");
}

#[test]
fn a_denied_request_binds_nothing() {
    let mut worker = Worker::new(&config());
    let outcome = worker.send_token("x", "POST", &[JSON, ("mcp-session-id", "s1")]);
    assert!(!outcome.expect("decided").watches_answer);
    worker.bench.answered(worker.bench.latest(), "200", Some("s1"));
    worker.begins(ALICE, "s1");
    assert_eq!(worker.uses(ALICE, "s1"), "allowed");
}

#[test]
fn a_session_once_bound_is_not_bound_anew() {
    let mut worker = Worker::new(&config());
    worker.begins(ALICE, "s1");
    worker.begins(BOB, "s1");
    assert_eq!(worker.uses(ALICE, "s1"), "allowed");
    assert_eq!(worker.uses(BOB, "s1"), "session_of_another_user");
}

#[test]
fn sessions_of_two_resources_have_nothing_to_do_with_each_other() {
    let config = config_with(|c| {
        c["resources"][0]["audiences"] = json!(["a"]);
        let other = json!({"path": "/b", "resource": "https://b.example/", "audiences": ["a"]});
        c["resources"].as_array_mut().expect("a list").push(other);
    });
    let mut worker = Worker::new(&config);
    worker.audience = "a";
    worker.begins(ALICE, "s1");
    let token = worker.token(BOB);
    let authorization = format!("Bearer {token}");
    let fields = [("authorization", &*authorization), ("mcp-session-id", "s1")];
    let outcome = worker.bench.send(head("GET", "/b", &fields)).expect("decided");
    assert_eq!(word(&outcome), "allowed");
}

#[test]
fn two_ids_are_malformed_in_any_spelling() {
    let mut worker = Worker::new(&config());
    worker.begins(ALICE, "s1");
    for fields in [
        [("mcp-session-id", "s2"), ("mcp-session-id", "s1")],
        [("mcp-session-id", "s2"), ("mcp_session_id", "s1")],
        [("x-other", "s2"), ("Mcp_Session_Id", "s1")],
    ] {
        let outcome = worker.send(BOB, "GET", &fields).expect("decided");
        assert_eq!(word(&outcome), "malformed_request", "{fields:?}");
    }
}

#[test]
fn the_session_is_checked_before_scopes() {
    let mut worker = Worker::new(&config_with(|c| c["resources"][0]["scopes"] = json!([ALICE])));
    worker.begins(ALICE, "s1");
    assert_eq!(worker.uses(BOB, "s1"), "session_of_another_user");
    assert_eq!(worker.uses(BOB, "s2"), "insufficient_scope");
}

#[test]
fn the_session_is_checked_whatever_the_version() {
    let mut worker = Worker::new(&config());
    worker.begins(ALICE, "s1");
    let outcome = worker.send(BOB, "POST", &[JSON, MODERN, ("mcp-session-id", "s1")]);
    assert_eq!(word(&outcome.expect("decided")), "session_of_another_user");
}

#[test]
fn answers_are_watched_only_where_they_could_begin_a_session() {
    let mut worker = Worker::new(&config());
    for (method, fields, body_follows, expected) in [
        ("POST", &[JSON][..], true, true),
        ("POST", &[JSON, ("mcp-protocol-version", "2025-11-25")], true, true),
        ("POST", &[JSON, MODERN], true, false),
        ("POST", &[JSON], false, false),
        ("GET", &[], false, false),
        ("GET", &[("mcp-session-id", "new")], false, true),
    ] {
        let outcome = worker.send_some(ALICE, method, fields, body_follows).expect("decided");
        assert_eq!(outcome.watches_answer, expected, "{method} {fields:?} {body_follows}");
    }
    worker.begins(ALICE, "s1");
    let outcome = worker.send(ALICE, "POST", &[("mcp-session-id", "s1")]).expect("decided");
    assert!(!outcome.watches_answer, "nothing is left to learn");
}

#[test]
fn a_worker_asks_the_sidecar_about_a_session_it_does_not_know() {
    let mut one = Worker::new(&shared("observe"));
    one.begins(ALICE, "s1");
    let binding = one.told().expect("the sidecar is told");
    for (user, verdict) in [(ALICE, "allowed"), (BOB, "session_of_another_user")] {
        let mut two = Worker::new(&shared("observe"));
        assert!(two.send(user, "POST", &[("mcp-session-id", "s1")]).is_none(), "it waits");
        let lookup = two.lookup().expect("the sidecar is asked");
        assert_eq!(lookup.path(), binding.path(), "they name the session alike");
        let decided = two.answer(&lookup, 200, &binding.body());
        assert_eq!(decided, [verdict]);
        assert_eq!(two.uses(user, "s1"), verdict, "it is remembered");
    }
}

#[test]
fn neither_session_nor_user_is_revealed_to_the_sidecar() {
    let mut worker = Worker::new(&shared("observe"));
    worker.begins(ALICE, "session-1");
    let told = worker.told().expect("the sidecar is told");
    assert!(!told.path().contains("session-1") && !told.path().contains(ALICE));
    assert!(!told.body().to_string().contains(ALICE));
    let name = told.path().strip_prefix("/v1/mcp-sessions/").expect("it is the call");
    assert_eq!(name.len(), 22);
}

#[test]
fn a_session_that_the_sidecar_does_not_know_goes_to_whoever_uses_it_first() {
    for mode in ["observe", "required"] {
        let mut worker = Worker::new(&shared(mode));
        worker.knows_login(ALICE);
        assert!(worker.send(ALICE, "POST", &[("mcp-session-id", "s1")]).is_none(), "{mode}");
        let id = worker.bench.latest();
        let lookup = worker.lookup().expect("the sidecar is asked");
        assert_eq!(worker.answer(&lookup, 404, &json!({})), ["allowed"]);
        worker.bench.answered(id, "200", None);
        assert!(worker.told().is_some());
        assert_eq!(worker.uses(ALICE, "s1"), "allowed");
    }
}

#[test]
fn a_session_that_is_bound_while_somebody_else_asks_about_it_stays_bound() {
    let mut worker = Worker::new(&shared("observe"));
    assert!(worker.send(BOB, "GET", &[("mcp-session-id", "s1")]).is_none(), "it waits");
    let lookup = worker.lookup().expect("the sidecar is asked");
    worker.begins(ALICE, "s1");
    let decided = worker.answer(&lookup, 404, &Value::Null);
    assert_eq!(decided, ["session_of_another_user"], "the sidecar was not told yet");
}

#[test]
fn without_an_answer_required_sessions_fail_closed_and_observed_ones_do_not() {
    for (mode, verdict) in [("observe", "allowed"), ("required", "sessions_unavailable")] {
        for status in [500, 200, 0] {
            let mut worker = Worker::new(&shared(mode));
            worker.knows_login(ALICE);
            assert!(worker.send(ALICE, "POST", &[("mcp-session-id", "s1")]).is_none());
            let lookup = worker.lookup().expect("the sidecar is asked");
            assert_eq!(worker.answer(&lookup, status, &json!({"owner": "?"})), [verdict], "{mode}");
        }
    }
}

#[test]
fn an_answer_that_cannot_be_had_says_when_to_come_again() {
    let mut worker = Worker::new(&shared("required"));
    worker.knows_login(ALICE);
    assert!(worker.send(ALICE, "POST", &[("mcp-session-id", "s1")]).is_none());
    let lookup = worker.lookup().expect("the sidecar is asked");
    let fetched = worker.outcome(&lookup, FetchOutcome::Unanswered("no connection"));
    let Decision::Reply(reply) = &fetched.decided[0].1.decision else { panic!("it is forwarded") };
    assert!(reply.headers.contains(&("retry-after", "1".to_owned())));
}

#[test]
fn lookups_are_bounded_and_hold_up_nobody_whose_session_is_only_observed() {
    for (mode, verdict) in [("observe", "allowed"), ("required", "sessions_unavailable")] {
        let mut worker = Worker::new(&shared(mode));
        worker.knows_login(ALICE);
        for nth in 0..1001 {
            let id = nth.to_string();
            let outcome = worker.send(ALICE, "GET", &[("mcp-session-id", &id)]);
            let expected = if nth < 1000 { None } else { Some(verdict) };
            assert_eq!(outcome.as_ref().map(word), expected, "{mode} {nth}");
            // What waits is not to be in the way of what asks.
            worker.bench.gate.forget(worker.bench.latest());
        }
    }
}

#[test]
fn issuers_without_sessions_share_nothing() {
    let mut worker = Worker::new(&shared("off"));
    worker.begins(ALICE, "s1");
    assert!(worker.told().is_none());
    assert_eq!(worker.uses(ALICE, "s2"), "allowed");
    assert_eq!(worker.uses(BOB, "s1"), "session_of_another_user");
}

#[test]
fn who_comes_second_at_the_sidecar_asks_again() {
    let mut worker = Worker::new(&shared("observe"));
    worker.begins(ALICE, "s1");
    let told = worker.told().expect("the sidecar is told");
    worker.answer(&told, 409, &json!({"error": "conflict"}));
    assert!(worker.send(ALICE, "POST", &[("mcp-session-id", "s1")]).is_none());
    assert!(worker.lookup().is_some());
}

#[test]
fn a_session_in_use_is_told_again_every_hour_and_sooner_after_a_failure() {
    let mut worker = Worker::new(&shared("observe"));
    worker.begins(ALICE, "s1");
    let told = worker.told().expect("the sidecar is told");
    let report = worker.outcome(&told, FetchOutcome::Unanswered("no connection")).report;
    assert!(matches!(report, Report::SessionFailed { .. }), "{report:?}");
    for (wait, again) in [(59, false), (1, true), (3599 - 60, false), (61, true)] {
        worker.bench.pass(Duration::from_secs(wait));
        assert_eq!(worker.uses(ALICE, "s1"), "allowed");
        assert_eq!(worker.told().is_some(), again, "after {wait}");
    }
}

#[test]
fn one_lookup_serves_everybody_who_waits_for_it() {
    let mut one = Worker::new(&shared("observe"));
    one.begins(ALICE, "s1");
    let binding = one.told().expect("the sidecar is told");
    let mut two = Worker::new(&shared("observe"));
    for user in [ALICE, BOB, ALICE] {
        assert!(two.send(user, "POST", &[("mcp-session-id", "s1")]).is_none());
    }
    let lookup = two.lookup().expect("the sidecar is asked");
    assert!(two.lookup().is_none(), "once");
    let decided = two.answer(&lookup, 200, &binding.body());
    assert_eq!(decided, ["allowed", "session_of_another_user", "allowed"]);
}

#[test]
fn the_wait_for_a_session_and_for_a_body_follow_each_other() {
    let mut config = shared("observe");
    config["body_access"] = json!(true);
    config["resources"][0]["tools"] = json!([{"name": "delete_*", "scopes": ["never"]}]);
    let body = |name: &str| {
        json!({"jsonrpc": "2.0", "method": "tools/call", "params": {"name": name}}).to_string()
    };
    for body_first in [true, false] {
        for (name, verdict) in [("add", "allowed"), ("delete_note", "insufficient_scope")] {
            let mut worker = Worker::new(&config);
            assert!(worker.send(ALICE, "POST", &[JSON, ("mcp-session-id", "s1")]).is_none());
            let id = worker.bench.latest();
            if body_first {
                assert!(worker.bench.body(id, body(name), true).is_none());
            }
            let lookup = worker.lookup().expect("the sidecar is asked");
            let decided = worker.answer(&lookup, 404, &json!({}));
            if body_first {
                assert_eq!(decided, [verdict]);
            } else {
                assert!(decided.is_empty());
                let outcome = worker.bench.body(id, body(name), true).expect("decided");
                assert_eq!(word(&outcome), verdict);
            }
        }
    }
}

#[test]
fn what_was_known_before_a_slow_body_is_looked_up_again_after_it() {
    let mut config = shared("required");
    config["body_access"] = json!(true);
    config["resources"][0]["tools"] = json!([{"name": "delete_*", "scopes": ["never"]}]);
    let mut worker = Worker::new(&config);
    assert!(worker.send(ALICE, "POST", &[JSON]).is_none(), "its login is looked up");
    let id = worker.bench.latest();
    assert_eq!(worker.knows_login(ALICE), ["allowed"], "that is the look itself");
    worker.bench.pass(Duration::from_secs(40));
    assert!(worker.bench.body(id, tool("add").to_string(), true).is_none(), "too long ago");
    assert_eq!(worker.knows_login(ALICE), ["allowed", "allowed"]);
}

/// One worker of a gateway, and its users.
struct Worker {
    bench: Bench,
    key: SigningKey,
    audience: &'static str,
    unseen: Vec<Fetch>,
}

impl Worker {
    fn new(config: &Value) -> Self {
        let key = SigningKey::new("a");
        let mut bench = Bench::new(config);
        bench.due();
        bench.answer(&jwks([&key]));
        Self { bench, key, audience: RESOURCE, unseen: Vec::new() }
    }

    fn token(&self, user: &str) -> String {
        let claims = json!({"sub": user, "preferred_username": "same", "scope": user, "aud": self.audience,
            "exp": NOW + 100_000});
        self.key.sign(&claims_with(claims))
    }

    fn send(&mut self, user: &str, method: &str, fields: &[(&str, &str)]) -> Option<Outcome> {
        self.send_some(user, method, fields, method == "POST")
    }

    fn send_some(
        &mut self,
        user: &str,
        method: &str,
        fields: &[(&str, &str)],
        body_follows: bool,
    ) -> Option<Outcome> {
        let token = self.token(user);
        self.send_as(&token, method, fields, body_follows)
    }

    fn send_token(
        &mut self,
        token: &str,
        method: &str,
        fields: &[(&str, &str)],
    ) -> Option<Outcome> {
        self.send_as(token, method, fields, method == "POST")
    }

    fn send_as(
        &mut self,
        token: &str,
        method: &str,
        fields: &[(&str, &str)],
        body_follows: bool,
    ) -> Option<Outcome> {
        let authorization = format!("Bearer {token}");
        let head = head(method, "/mcp", &[&[("authorization", &*authorization)], fields].concat());
        match body_follows {
            true => self.bench.send_with_body(head, &[] as &[&str]),
            false => self.bench.send(head),
        }
    }

    /// The user's `initialize` is answered with this session.
    fn begins(&mut self, user: &str, session: &str) {
        let outcome = self.send(user, "POST", &[JSON]).expect("decided");
        assert_eq!(word(&outcome), "allowed");
        let id: StreamId = self.bench.latest();
        self.bench.answered(id, "200", Some(session));
    }

    /// What becomes of a later request of the session.
    fn uses(&mut self, user: &str, session: &str) -> &'static str {
        let outcome = self.send(user, "POST", &[("mcp-session-id", session)]);
        word(&outcome.expect("decided at once"))
    }

    /// Where sessions are required, lets the sidecar know the user's login.
    /// What becomes of the requests that waited for that.
    fn knows_login(&mut self, user: &str) -> Vec<&'static str> {
        let _ = self.send(user, "GET", &[]);
        let Some(lookup) = self.fetch(|id| matches!(id, FetchId::Session(_))) else {
            return Vec::new();
        };
        let FetchId::Session(id) = &lookup.id else { unreachable!("it is a lookup") };
        let session = json!({
            "session_id": id.as_str(), "user_id": user_id(), "issuer": ISSUER,
            "created_at": NOW, "last_seen_at": NOW, "expires_at": NOW + 100_000,
        });
        self.answer(&lookup, 200, &session)
    }

    fn lookup(&mut self) -> Option<Fetch> {
        self.fetch(|id| matches!(id, FetchId::McpSession(_)))
    }

    fn told(&mut self) -> Option<Fetch> {
        self.fetch(|id| matches!(id, FetchId::McpSessionClaim(_)))
    }

    fn fetch(&mut self, which: impl Fn(&FetchId) -> bool) -> Option<Fetch> {
        self.unseen.extend(self.bench.due());
        let at = self.unseen.iter().position(|fetch| which(&fetch.id))?;
        Some(self.unseen.remove(at))
    }

    fn answer(&mut self, fetch: &Fetch, status: u16, body: &Value) -> Vec<&'static str> {
        let body = body.to_string().into_bytes();
        let outcome = FetchOutcome::Answered { status, body };
        words(&self.outcome(fetch, outcome).decided)
    }

    fn outcome(&mut self, fetch: &Fetch, outcome: FetchOutcome) -> Fetched {
        self.bench.outcome_of(&fetch.id, outcome)
    }
}

fn user_id() -> String {
    let digits = HashDigits::new(8).expect("it is the default");
    UserId::new("same", ISSUER, digits).to_string()
}

trait Told {
    fn path(&self) -> &str;
    fn body(&self) -> Value;
}

impl Told for Fetch {
    fn path(&self) -> &str {
        let path = self.headers.iter().find(|(name, _)| *name == ":path");
        &path.expect("a call has a path").1
    }

    fn body(&self) -> Value {
        serde_json::from_str(self.body.as_deref().expect("it has a body")).expect("it is JSON")
    }
}

/// A configuration with an identity provider and an issuer in front of it, and others.
fn two_issuers() -> Value {
    config_with(|config| {
        let keys: Value = serde_json::from_str(&jwks([&SigningKey::new("a")])).expect("it is JSON");
        config["issuers"][0]["jwks"] = json!({"keys": keys["keys"]});
        let mut front = config["issuers"][0].clone();
        front["issuer"] = json!("https://front.example/");
        front["identity_issuer_claim"] = json!("idp_iss");
        config["issuers"].as_array_mut().expect("a list").push(front);
    })
}

/// A configuration with a sidecar, for an issuer in this mode.
fn shared(mode: &str) -> Value {
    config_with(|config| {
        config["issuers"][0]["session"] = json!(mode);
        config["sessions"] = json!({"cluster": "mcp-auth"});
    })
}
