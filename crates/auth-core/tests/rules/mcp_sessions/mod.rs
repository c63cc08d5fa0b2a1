//! MCP sessions: nobody uses the `Mcp-Session-Id` of somebody else.

mod shared;

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
fn an_empty_id_names_no_session() {
    let mut worker = Worker::new(&config());
    worker.begins(ALICE, "");
    assert_eq!(worker.uses(BOB, ""), "allowed");
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
