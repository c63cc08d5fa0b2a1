//! Bodies: requests are held until the calls in them are known, and nothing gets past meanwhile.

use std::time::Duration;

use proxy_wasm_testhost::{Outcome, Response, Stream, TestHost};
use serde_json::{Value, json};

use crate::support::{
    SECOND, assert_denied, claims, config, host,
    signing::{SigningKey, jwks},
    start,
};

#[test]
fn an_allowed_call_goes_on_with_its_body_and_identity() {
    let gateway = Gateway::new();
    let stream = gateway.post(&[]);
    let body = call("add");
    stream.body(&body[..20], false);
    assert_eq!(stream.outcome(), Outcome::Paused);
    stream.body(&body[20..], true);
    let headers = stream.forwarded().expect("it goes on");
    assert_eq!(headers.get_all("x-user-id"), ["alice-20e08ebb"]);
    assert!(!headers.contains("authorization"));
    assert_eq!(stream.forwarded_body(), body.as_bytes());
    gateway.assert_well_behaved();
}

#[test]
fn a_call_that_lacks_a_scope_never_goes_on() {
    let gateway = Gateway::new();
    let stream = gateway.post(&[]);
    for chunk in call("delete_note").as_bytes().chunks(7) {
        stream.body(chunk, false);
        assert_eq!(stream.outcome(), Outcome::Paused);
    }
    stream.body("", true);
    assert_denied(&stream, 403, "insufficient_scope");
    let challenge = stream.reply().headers.get("www-authenticate").map(str::to_owned);
    assert!(challenge.expect("it is challenged").contains("scope=\"mcp:read mcp:write\""));
    assert_eq!(stream.property(["mcp_auth.mcp_method"]).as_deref(), Some(&b"tools/call"[..]));
    assert_eq!(stream.property(["mcp_auth.mcp_name"]).as_deref(), Some(&b"delete_note"[..]));
    gateway.assert_well_behaved();
}

#[test]
fn a_bad_chunk_is_answered_before_the_rest_comes() {
    let gateway = Gateway::new();
    let stream = gateway.post(&[]);
    stream.body("{]", false);
    assert_denied(&stream, 400, "malformed_request");
    assert!(!stream.reply().headers.contains("www-authenticate"));
    gateway.assert_well_behaved();
}

#[test]
fn a_body_over_the_limit_is_answered_at_once() {
    let gateway = Gateway::new();
    let stream = gateway.post(&[]);
    stream.body(" ".repeat(1000), false);
    assert_eq!(stream.outcome(), Outcome::Paused);
    stream.body(" ".repeat(25), false);
    assert_denied(&stream, 413, "body_too_large");
    gateway.assert_well_behaved();
}

#[test]
fn trailers_end_a_body() {
    for (name, goes_on) in [("add", true), ("delete_note", false)] {
        let gateway = Gateway::new();
        let stream = gateway.post(&[]);
        stream.body(call(name), false);
        assert_eq!(stream.outcome(), Outcome::Paused);
        stream.trailers();
        assert_eq!(stream.forwarded().is_some(), goes_on, "{name}");
        gateway.assert_well_behaved();
    }
}

#[test]
fn trailers_do_not_let_a_request_without_a_body_go() {
    let gateway = Gateway::new();
    let stream = gateway.post(&[]);
    stream.trailers();
    assert_denied(&stream, 400, "malformed_request");
    gateway.assert_well_behaved();
}

#[test]
fn neither_chunks_nor_trailers_let_a_request_go_that_waits_for_keys() {
    for config in [config(), rules()] {
        let gateway = Gateway::without_keys(&config);
        let stream = gateway.post(&[]);
        stream.body(call("add"), false);
        assert_eq!(stream.outcome(), Outcome::Paused);
        stream.trailers();
        assert_eq!(stream.outcome(), Outcome::Paused);
        assert!(stream.forwarded().is_none());
        gateway.fetch_keys();
        assert!(stream.forwarded().is_some());
        assert_eq!(stream.forwarded_body(), call("add").as_bytes());
        gateway.assert_well_behaved();
    }
}

#[test]
fn a_body_that_came_before_the_keys_is_judged_when_they_come() {
    let gateway = Gateway::without_keys(&rules());
    let stream = gateway.post(&[]);
    stream.body(call("delete_note"), true);
    assert_eq!(stream.outcome(), Outcome::Paused);
    gateway.fetch_keys();
    assert_denied(&stream, 403, "insufficient_scope");
    gateway.assert_well_behaved();
}

#[test]
fn a_body_that_comes_before_and_after_the_keys_is_read_whole() {
    for (name, goes_on) in [("add", true), ("delete_note", false)] {
        let gateway = Gateway::without_keys(&rules());
        let stream = gateway.post(&[]);
        let body = call(name);
        let at = body.find(name).expect("it is named") + 1;
        stream.body(&body[..at], false);
        gateway.fetch_keys();
        assert_eq!(stream.outcome(), Outcome::Paused);
        stream.body(&body[at..], true);
        assert_eq!(stream.forwarded().is_some(), goes_on, "{name}");
        gateway.assert_well_behaved();
    }
}

#[test]
fn a_request_that_waited_for_keys_lets_its_later_body_through() {
    let gateway = Gateway::without_keys(&config());
    let stream = gateway.post(&[]);
    stream.body("first ", false);
    gateway.fetch_keys();
    assert!(stream.forwarded().is_some());
    stream.body("second", true);
    assert_eq!(stream.forwarded_body(), b"first second");
    gateway.assert_well_behaved();
}

#[test]
fn where_the_host_holds_the_body_back_the_request_is_given_up() {
    let gateway = Gateway::start(host(&rules()).allow_on_headers_stop_iteration(false));
    gateway.fetch_keys();
    let stream = gateway.post(&[]);
    stream.body(call("add"), true);
    assert_eq!(stream.outcome(), Outcome::Paused);
    gateway.host.advance(Duration::from_secs(62));
    assert_denied(&stream, 408, "body_timeout");
    gateway.assert_well_behaved();
}

#[test]
fn a_client_that_leaves_in_the_middle_is_forgotten() {
    let gateway = Gateway::new();
    let stream = gateway.post(&[]);
    stream.body("{", false);
    stream.close();
    gateway.host.advance(Duration::from_secs(120));
    assert_eq!(stream.outcome(), Outcome::Abandoned);
    assert_eq!(gateway.host.metrics().counter("mcp_auth.denied.body_timeout"), 0);
    gateway.assert_well_behaved();
}

#[test]
fn without_rules_a_body_passes_unread() {
    let gateway = Gateway::start(host(&config()).allow_on_headers_stop_iteration(true));
    gateway.fetch_keys();
    let stream = gateway.post(&[]);
    assert!(stream.forwarded().is_some(), "its head goes at once");
    stream.body("anything", false);
    assert_eq!(stream.forwarded_body(), b"anything");
}

#[test]
fn answers_are_never_held() {
    let gateway = Gateway::new();
    let stream = gateway.post(&[]);
    stream.body(call("add"), true);
    stream.response_headers([(":status", "200"), ("content-type", "text/event-stream")], false);
    let so_far = |body: &str| {
        Some(Response::new(200).header("content-type", "text/event-stream").body(body))
    };
    stream.response_body("data: 1\n\n", false);
    assert_eq!(stream.response(), so_far("data: 1\n\n"));
    stream.response_body("data: 2\n\n", false);
    assert_eq!(stream.response(), so_far("data: 1\n\ndata: 2\n\n"));
    stream.close();
    gateway.assert_well_behaved();
}

#[test]
fn every_good_body_in_any_pieces_goes_on_and_no_bad_one() {
    let gateway = Gateway::new();
    let bodies = [(call("add"), true), (call("delete_note"), false), (call("add") + "x", false)];
    for (body, goes_on) in bodies {
        for size in 1..body.len() {
            let stream = gateway.post(&[]);
            let count = body.len().div_ceil(size);
            for (nth, chunk) in body.as_bytes().chunks(size).enumerate() {
                if stream.outcome() == Outcome::Paused {
                    stream.body(chunk, nth + 1 == count);
                }
            }
            assert_eq!(stream.forwarded().is_some(), goes_on, "{body} in {size}s");
        }
    }
    gateway.assert_well_behaved();
}

/// A host that lets bodies be read, its filter, and somebody with the scope `mcp:read`.
struct Gateway {
    host: TestHost,
    key: SigningKey,
}

impl Gateway {
    fn new() -> Self {
        let gateway = Self::without_keys(&rules());
        gateway.fetch_keys();
        gateway
    }

    fn without_keys(config: &Value) -> Self {
        Self::start(host(config).allow_on_headers_stop_iteration(true))
    }

    fn start(host: TestHost) -> Self {
        Self { host: start(host), key: SigningKey::new("a") }
    }

    fn fetch_keys(&self) {
        self.host.answer(&self.host.take_call(), Response::ok(jwks([&self.key])));
    }

    /// The head of a POST; the body is to come.
    fn post(&self, fields: &[(&str, &str)]) -> Stream {
        let mut claims = claims();
        claims["scope"] = json!("mcp:read");
        let mut request = self
            .host
            .request([(":method", "POST"), (":authority", "test.example"), (":path", "/mcp")])
            .header("authorization", format!("Bearer {}", self.key.sign(&claims)))
            .header("content-type", "application/json");
        for (name, value) in fields {
            request = request.header(name, value);
        }
        request.end_of_stream(false).send()
    }

    fn assert_well_behaved(&self) {
        assert!(self.host.misuses().is_empty(), "{:?}", self.host.misuses());
        self.host.advance(SECOND);
        let waiting = self.host.streams().iter().filter(|stream| stream.is_paused()).count();
        assert_eq!(waiting, 0, "none is forgotten");
    }
}

fn rules() -> Value {
    let mut config = config();
    config["body_access"] = json!(true);
    config["body_limit"] = json!("1KiB");
    config["resources"][0]["scopes"] = json!(["mcp:read"]);
    config["resources"][0]["tools"] = json!([{"name": "delete_*", "scopes": ["mcp:write"]}]);
    config
}

fn call(name: &str) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name}}).to_string()
}
