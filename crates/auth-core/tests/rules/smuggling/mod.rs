//! Attempts to get a call past the rules by letting gateway and server read different ones. The caller
//! may call anything but `delete_*` and may read anything but `file:///secret/*`.

mod body;
mod headers;

use auth_core::outcome::Outcome;
use serde_json::{Value, json};

use crate::support::{
    caller::{Caller, JSON, MODERN, message, tool},
    word,
};

const DELETE: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_note"}}"#;
const ADD: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add"}}"#;

#[test]
fn the_plain_attempt_is_denied_and_the_harmless_call_is_not() {
    assert_eq!(word(&send(&[JSON], DELETE)), "insufficient_scope");
    assert_eq!(word(&send(&[JSON], ADD)), "allowed");
}

#[test]
fn a_uri_that_leads_to_the_secret_by_another_way() {
    for uri in [
        "file:///notes/../secret/a",
        "file:///./secret/a",
        "file:///notes/..%2fsecret/a",
        "file:///%73ecret/a",
        "file:///%2e/secret/a",
        "file:////secret/a",
        "file:/secret/a",
        "file://localhost/secret/a",
        "file:///notes\\..\\secret\\a",
        "file:///secret%2fa",
        "file:///sécret/a",
    ] {
        malformed(&read(uri));
    }
    for uri in ["FILE:///SECRET/a", "file:///secret/a#b", "file:///secret/a?b", "file:///secret/a/"]
    {
        denied(&read(uri));
    }
    assert_eq!(word(&send(&[JSON], &read("file:///notes/a"))), "allowed");
}

#[test]
fn a_uri_where_a_name_belongs_and_the_other_way_round() {
    denied(&params(r#"{"uri":"add","name":"delete_note"}"#));
    malformed(&params(r#"{"uri":"add"}"#));
    let both = json!({"name": "file:///notes/a", "uri": "file:///secret/a"});
    denied(&message("resources/read", &both).to_string());
}

#[test]
fn a_tool_named_in_the_arguments_alone() {
    let body = message("tools/call", &json!({"arguments": {"name": "add"}, "name": "delete_note"}));
    denied(&body.to_string());
    let body = message("tools/call", &json!({"arguments": {"name": "add"}}));
    malformed(&body.to_string());
}

#[test]
fn a_path_below_the_resource() {
    let mut caller = caller(false);
    let authorized = caller.head("POST", &[]);
    let authorization = authorized.text("authorization").expect("it is there").to_owned();
    for path in ["/mcp/", "/mcp/messages", "/mcp?sessionId=1"] {
        let fields = [("authorization", &*authorization), JSON];
        let head = crate::support::head("POST", path, &fields);
        let outcome = caller.bench.send_with_body(head, &[DELETE]).expect("decided");
        assert_eq!(word(&outcome), "insufficient_scope", "{path}");
    }
}

/// A call of a tool with these parameters, as they stand.
fn params(params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#)
}

fn read(uri: &str) -> String {
    message("resources/read", &json!({"uri": uri})).to_string()
}

fn caller(trusts_headers: bool) -> Caller {
    let rules = json!({
        "trust_mcp_headers": trusts_headers,
        "tools": [{"name": "delete_*", "scopes": ["mcp:write"]}],
        "methods": [
            {"method": "resources/read", "name": "file:///secret/*", "scopes": ["mcp:secret"]},
        ],
    });
    Caller::new(&rules, "mcp:read")
}

fn send(fields: &[(&str, &str)], body: &str) -> Outcome {
    caller(false).send(fields, &[body])
}

#[track_caller]
fn denied(body: &str) {
    assert_eq!(word(&send(&[JSON], body)), "insufficient_scope", "{body}");
}

#[track_caller]
fn malformed(body: &str) {
    malformed_as(&[JSON], body.as_bytes());
}

#[track_caller]
fn malformed_as(fields: &[(&str, &str)], body: &[u8]) {
    let outcome = caller(false).send(fields, &[body]);
    let body = String::from_utf8_lossy(body);
    assert_eq!(word(&outcome), "malformed_request", "{fields:?} {body}");
}

#[track_caller]
fn modern_malformed(fields: &[(&str, &str)], body: &str) {
    malformed_as(&[&[JSON, MODERN], fields].concat(), body.as_bytes());
}

#[test]
fn the_attempts_are_made_with_a_token_that_may_do_the_rest() {
    let list: Value = message("tools/list", &json!({}));
    assert_eq!(word(&send(&[JSON], &list.to_string())), "allowed");
    assert_eq!(word(&send(&[JSON], &tool("add").to_string())), "allowed");
}
