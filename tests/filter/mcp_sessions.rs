//! MCP sessions: the head of the server's answer tells whose one is.

use proxy_wasm_testhost::{Call, Response, Stream, TestHost};
use serde_json::{Value, json};

use crate::support::{
    MILLISECOND, NOW, assert_denied, config, host,
    signing::{SigningKey, jwks},
    start, with_keys,
};

const ALICE: &str = "alice";
const BOB: &str = "bob";

#[test]
fn a_session_belongs_to_whoever_the_server_gave_it_to() {
    let gateway = Gateway::new(&config());
    gateway.begin(ALICE, "s1");
    assert!(gateway.send(ALICE, "GET", Some("s1")).forwarded().is_some());
    assert_denied(&gateway.send(BOB, "GET", Some("s1")), 404, "session_of_another_user");
    assert_denied(&gateway.send(BOB, "POST", Some("s1")), 404, "session_of_another_user");
    assert!(gateway.host.misuses().is_empty(), "{:?}", gateway.host.misuses());
}

#[test]
fn a_failure_gives_nobody_a_session() {
    let gateway = Gateway::new(&config());
    let stream = gateway.send(ALICE, "POST", None);
    stream.respond(Response::new(500).header("mcp-session-id", "s1"));
    assert!(gateway.send(BOB, "GET", Some("s1")).forwarded().is_some());
}

#[test]
fn a_request_that_waited_for_keys_may_begin_a_session_too() {
    let host = start(host(&config()));
    let gateway = Gateway { host, key: SigningKey::new("a") };
    let stream = gateway.send(ALICE, "POST", None);
    assert!(stream.is_paused());
    gateway.host.answer(&gateway.host.take_call(), Response::ok(jwks([&gateway.key])));
    stream.respond(Response::new(200).header("mcp-session-id", "s1"));
    assert_denied(&gateway.send(BOB, "GET", Some("s1")), 404, "session_of_another_user");
}

#[test]
fn a_body_that_a_rule_read_may_begin_a_session_too() {
    let mut config = config();
    config["body_access"] = json!(true);
    config["resources"][0]["tools"] = json!([{"name": "delete_*", "scopes": ["never"]}]);
    let host = start(host(&config).allow_on_headers_stop_iteration(true));
    let gateway = Gateway { host, key: SigningKey::new("a") };
    gateway.host.answer(&gateway.host.take_call(), Response::ok(jwks([&gateway.key])));
    gateway.begin(ALICE, "s1");
    assert_denied(&gateway.send(BOB, "GET", Some("s1")), 404, "session_of_another_user");
}

#[test]
fn our_own_replies_give_nobody_a_session() {
    let gateway = Gateway::new(&config());
    gateway.begin(ALICE, "s1");
    assert_denied(&gateway.send(BOB, "POST", Some("s1")), 404, "session_of_another_user");
    assert!(gateway.send(ALICE, "POST", Some("s1")).forwarded().is_some());
}

#[test]
fn workers_learn_of_each_other_through_the_sidecar() {
    let one = Gateway::with_sidecar();
    one.begin(ALICE, "s1");
    one.host.advance(MILLISECOND);
    let told = one.call("PUT");
    assert!(told.path().starts_with("/v1/mcp-sessions/"), "{}", told.path());

    let two = Gateway::with_sidecar();
    let stream = two.send(BOB, "GET", Some("s1"));
    assert!(stream.is_paused());
    two.host.advance(MILLISECOND);
    let asked = two.call("GET");
    assert_eq!(asked.path(), told.path());
    two.host.answer(&asked, Response::ok(&told.body));
    assert_denied(&stream, 404, "session_of_another_user");
    assert!(two.host.misuses().is_empty(), "{:?}", two.host.misuses());
}

/// A worker, and the key of its issuer.
struct Gateway {
    host: TestHost,
    key: SigningKey,
}

impl Gateway {
    fn new(config: &Value) -> Self {
        let key = SigningKey::new("a");
        Self { host: with_keys(config, [&key]), key }
    }

    fn with_sidecar() -> Self {
        let mut config = config();
        config["issuers"][0]["session"] = json!("observe");
        config["sessions"] = json!({"cluster": "mcp-auth"});
        let key = SigningKey::new("a");
        let host = start(host(&config).cluster("mcp-auth"));
        let keys = host.calls().into_iter().find(|call| call.path() == "/jwks.json");
        host.answer(&keys.expect("keys are fetched"), Response::ok(jwks([&key])));
        Self { host, key }
    }

    fn send(&self, user: &str, method: &str, session: Option<&str>) -> Stream {
        let token = self.key.sign(&json!({
            "iss": "https://idp.example/", "aud": "https://mcp.example.com/mcp", "sub": user,
            "exp": NOW + 3600,
        }));
        let mut request = self
            .host
            .request([(":method", method), (":authority", "test.example"), (":path", "/mcp")])
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        if let Some(session) = session {
            request = request.header("mcp-session-id", session);
        }
        match method {
            "POST" => request.body(r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#).send(),
            _ => request.send(),
        }
    }

    /// The user's `initialize` is answered with this session.
    fn begin(&self, user: &str, session: &str) {
        let stream = self.send(user, "POST", None);
        stream.respond(Response::ok("{}").header("mcp-session-id", session));
    }

    /// The call about an MCP session, whatever came of it.
    fn call(&self, method: &str) -> Call {
        let calls = self.host.all_calls();
        let about =
            |call: &Call| call.method() == method && call.path().starts_with("/v1/mcp-sessions/");
        calls.into_iter().find(about).expect("it was made")
    }
}
