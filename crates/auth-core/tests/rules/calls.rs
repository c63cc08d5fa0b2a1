//! Rules about calls: which requests they are about, and what they make of them.

use auth_core::mcp::call::Call;
use serde_json::{Value, json};

use crate::support::{
    Bench,
    caller::{Caller, JSON, MODERN, challenge, message, rules_config, tool},
    head, word,
};

#[test]
fn a_tool_needs_the_scopes_of_its_rule() {
    let mut caller = Caller::new(&rules(), "mcp:read");
    assert_eq!(caller.calls(&tool("add")), "allowed");
    assert_eq!(caller.calls(&tool("delete_note")), "insufficient_scope");
    let mut caller = Caller::new(&rules(), "mcp:read mcp:write");
    assert_eq!(caller.calls(&tool("delete_note")), "allowed");
}

#[test]
fn every_rule_that_matches_applies() {
    let mut caller = Caller::new(&rules(), "mcp:read mcp:write");
    let outcome = caller.call(&tool("delete_everything"));
    assert_eq!(word(&outcome), "insufficient_scope");
    assert_eq!(challenge(&outcome)["scope"], "mcp:read mcp:write mcp:admin");
}

#[test]
fn the_challenge_names_all_that_the_whole_request_needs() {
    let mut caller = Caller::new(&rules(), "other");
    let batch =
        json!([tool("add"), tool("delete_note"), message("prompts/get", &json!({"name": "a"}))]);
    let outcome = caller.call(&batch);
    assert_eq!(word(&outcome), "insufficient_scope");
    let challenge = challenge(&outcome);
    assert_eq!(challenge["scope"], "mcp:read mcp:write mcp:prompts");
    assert_eq!(challenge["error"], "insufficient_scope");
    assert_eq!(
        challenge["resource_metadata"],
        "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
    );
}

#[test]
fn rules_about_methods_may_name_what_is_read_or_got() {
    let mut caller = Caller::new(&rules(), "mcp:read");
    for (method, params, verdict) in [
        ("prompts/get", json!({"name": "greet"}), "insufficient_scope"),
        ("prompts/list", json!({}), "allowed"),
        ("resources/read", json!({"uri": "file:///notes/a"}), "allowed"),
        ("resources/read", json!({"uri": "file:///secret/a"}), "insufficient_scope"),
        ("resources/read", json!({"uri": "FILE:///Secret/a?b"}), "insufficient_scope"),
        ("resources/subscribe", json!({"uri": "file:///secret/a"}), "allowed"),
        ("tasks/cancel", json!({"taskId": "1"}), "insufficient_scope"),
    ] {
        assert_eq!(caller.calls(&message(method, &params)), verdict, "{method} {params}");
    }
}

#[test]
fn a_call_whose_name_a_rule_needs_has_one() {
    let mut caller = Caller::new(&rules(), "mcp:read mcp:write mcp:admin mcp:secret mcp:prompts");
    for (method, params) in [
        ("tools/call", json!({})),
        ("tools/call", json!({"name": 1})),
        ("tools/call", json!({"name": ["delete_note"]})),
        ("tools/call", json!(["delete_note"])),
        ("resources/read", json!({"name": "a"})),
        ("resources/read", json!({"uri": "file:///notes/../secret/a"})),
    ] {
        let verdict = caller.calls(&message(method, &params));
        assert_eq!(verdict, "malformed_request", "{method} {params}");
    }
    assert_eq!(caller.calls(&message("prompts/get", &json!({}))), "allowed", "no rule asks for it");
}

#[test]
fn answers_and_notifications_need_no_more_than_the_resource() {
    let mut caller = Caller::new(&rules(), "mcp:read");
    for body in [
        json!({"jsonrpc": "2.0", "id": 1, "result": {}}),
        json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 0, "message": ""}}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
    ] {
        assert_eq!(caller.calls(&body), "allowed", "{body}");
    }
    let mut caller = Caller::new(&rules(), "other");
    assert_eq!(
        caller.calls(&json!({"jsonrpc": "2.0", "id": 1, "result": {}})),
        "insufficient_scope"
    );
}

#[test]
fn requests_without_a_body_carry_no_call() {
    let mut caller = Caller::new(&rules(), "mcp:read");
    for method in ["GET", "DELETE", "HEAD", "OPTIONS"] {
        let head = caller.head(method, &[]);
        assert_eq!(word(&caller.bench.send(head).expect("decided")), "allowed", "{method}");
    }
    for method in ["POST", "PUT", "PATCH", ""] {
        let head = caller.head(method, &[JSON]);
        let outcome = caller.bench.send(head).expect("decided");
        assert_eq!(word(&outcome), "malformed_request", "{method}");
    }
}

#[test]
fn whatever_has_a_body_is_read_as_a_call() {
    let mut caller = Caller::new(&rules(), "mcp:read");
    for method in ["GET", "DELETE", "PUT", "POST"] {
        let head = caller.head(method, &[JSON]);
        let outcome = caller.bench.send_with_body(head, &[tool("delete_note").to_string()]);
        assert_eq!(word(&outcome.expect("decided")), "insufficient_scope", "{method}");
    }
}

#[test]
fn without_rules_no_body_is_waited_for() {
    let mut caller = Caller::new(&json!({}), "mcp:read");
    let head = caller.head("POST", &[("content-type", "text/plain"), ("content-encoding", "gzip")]);
    let outcome = caller.bench.send_with_body(head, &["nonsense"]);
    assert_eq!(word(&outcome.expect("decided")), "allowed");
}

#[test]
fn headers_and_body_agree_on_2026_07_28() {
    let mut caller = Caller::new(&rules(), "mcp:read");
    for (name, verdict) in [("add", "allowed"), ("delete_note", "insufficient_scope")] {
        let fields = [JSON, MODERN, ("mcp-method", "tools/call"), ("mcp-name", name)];
        let outcome = caller.send(&fields, &[tool(name).to_string()]);
        assert_eq!(word(&outcome), verdict);
    }
    let fields = [JSON, MODERN, ("mcp-method", "tools/call"), ("mcp-name", "=?base64?YWRk?=")];
    assert_eq!(word(&caller.send(&fields, &[tool("add").to_string()])), "allowed");
    let fields = [JSON, MODERN, ("mcp-method", "tools/list")];
    let list = message("tools/list", &json!({}));
    assert_eq!(word(&caller.send(&fields, &[list.to_string()])), "allowed");
}

#[test]
fn later_versions_take_the_header_rule_and_older_ones_ignore_the_headers() {
    let mut caller = Caller::new(&rules(), "mcp:read");
    let lying = ("mcp-method", "tools/list");
    for (version, verdict) in [
        ("2026-07-28", "malformed_request"),
        ("2027-01-01", "malformed_request"),
        ("2026-07-27", "allowed"),
        ("2025-11-25", "allowed"),
        ("2025-03-26", "allowed"),
    ] {
        let fields = [JSON, lying, ("mcp-protocol-version", version)];
        assert_eq!(word(&caller.send(&fields, &[tool("add").to_string()])), verdict, "{version}");
    }
    assert_eq!(word(&caller.send(&[JSON, lying], &[tool("add").to_string()])), "allowed");
}

#[test]
fn trusted_headers_spare_the_body() {
    let mut caller = Caller::of(&trusting_config(), "mcp:read");
    for (fields, verdict) in [
        (&[("mcp-method", "tools/call"), ("mcp-name", "add")][..], "allowed"),
        (&[("mcp-method", "tools/call"), ("mcp-name", "delete_note")], "insufficient_scope"),
        (
            &[("mcp-method", "tools/call"), ("mcp-name", "=?base64?ZGVsZXRlX25vdGU=?=")],
            "insufficient_scope",
        ),
        (&[("mcp-method", "tools/list")], "allowed"),
        (&[("mcp-method", "tools/call")], "malformed_request"),
        (&[("mcp-method", "prompts/get")], "malformed_request"),
        (&[("mcp-name", "add")], "malformed_request"),
        (&[("mcp-method", "resources/read"), ("mcp-name", "file:///a/../b")], "malformed_request"),
        (&[("mcp-method", "tools/call"), ("mcp-name", "=?base64?YQA=?=")], "malformed_request"),
    ] {
        let fields = [&[MODERN], fields].concat();
        let head = caller.head("POST", &fields);
        let outcome = caller.bench.send_with_body(head, &[] as &[&str]).expect("decided at once");
        assert_eq!(word(&outcome), verdict, "{fields:?}");
    }
}

#[test]
fn without_body_access_older_clients_are_refused_where_rules_apply() {
    let mut caller = Caller::of(&trusting_config(), "mcp:read mcp:write");
    for fields in [&[JSON][..], &[JSON, ("mcp-protocol-version", "2025-11-25")]] {
        let outcome = caller.send(fields, &[tool("add").to_string()]);
        assert_eq!(word(&outcome), "malformed_request");
    }
    let head = caller.head("GET", &[]);
    assert_eq!(word(&caller.bench.send(head).expect("decided")), "allowed");
}

#[test]
fn trusted_headers_and_bodies_serve_new_and_old_clients() {
    let mut config = trusting_config();
    config["body_access"] = json!(true);
    let mut caller = Caller::of(&config, "mcp:read");
    let announced = [MODERN, ("mcp-method", "tools/call"), ("mcp-name", "add")];
    let head = caller.head("POST", &announced);
    let outcome = caller.bench.send_with_body(head, &[] as &[&str]);
    assert_eq!(word(&outcome.expect("decided at once")), "allowed");
    assert_eq!(caller.calls(&tool("delete_note")), "insufficient_scope");
}

#[test]
fn what_is_called_is_told_where_a_rule_had_to_know() {
    let mut caller = Caller::new(&rules(), "mcp:read");
    let outcome = caller.call(&tool("delete_ä\""));
    let encoded = "delete_%C3%A4\"";
    assert_eq!(
        outcome.call,
        Some(Call { method: "tools/call".into(), name: Some(encoded.into()) })
    );
    let line: Value = serde_json::from_str(&outcome.audit.expect("a denial is told")).unwrap();
    assert_eq!(line["mcp_method"], "tools/call");
    assert_eq!(line["mcp_name"], encoded);
    let long = caller.call(&tool(&format!("delete_{}", "x".repeat(1000))));
    let name = long.call.and_then(|call| call.name).expect("it has a name");
    assert_eq!(name.len(), 256);
}

#[test]
fn of_a_batch_the_call_that_a_rule_is_about_is_told() {
    let mut caller = Caller::new(&rules(), "mcp:read");
    let outcome = caller.call(&json!([tool("add"), tool("delete_note"), tool("delete_all")]));
    assert_eq!(outcome.call.and_then(|call| call.name).as_deref(), Some("delete_note"));
}

#[test]
fn audit_lines_tell_what_headers_say_where_no_rule_asks() {
    let mut config = rules_config(&json!({}));
    config["audit"] = json!("every_request");
    let mut caller = Caller::of(&config, "mcp:read");
    for (version, method) in [("2026-07-28", json!("tools/call")), ("2025-11-25", Value::Null)] {
        let fields =
            [("mcp-protocol-version", version), ("mcp-method", "tools/call"), ("mcp-name", "add")];
        let outcome = caller.send(&fields, &[tool("add").to_string()]);
        let line: Value = serde_json::from_str(&outcome.audit.expect("it is told")).unwrap();
        assert_eq!(line["mcp_method"], method, "{version}");
        assert_eq!(outcome.call, None);
    }
}

#[test]
fn the_metadata_names_the_scopes_of_rules_too() {
    let mut bench = Bench::new(&rules_config(&rules()));
    let reply = bench.reply(head("GET", "/.well-known/oauth-protected-resource/mcp", &[]));
    let document: Value = serde_json::from_str(&reply.body).expect("it is JSON");
    assert_eq!(
        document["scopes_supported"],
        json!(["mcp:read", "mcp:write", "mcp:admin", "mcp:prompts", "mcp:secret"])
    );
}

#[test]
fn a_scope_brings_what_it_implies_however_many_steps_away() {
    let mut config = rules_config(&rules());
    config["scope_implies"] =
        json!({"mcp:admin": ["mcp:write"], "mcp:write": ["mcp:read"], "mcp:read": ["mcp:admin:x"]});
    for (scopes, name, verdict) in [
        ("mcp:admin", "delete_everything", "allowed"),
        ("mcp:write", "delete_note", "allowed"),
        ("mcp:write", "delete_everything", "insufficient_scope"),
        ("mcp:read", "delete_note", "insufficient_scope"),
        ("mcp:admin:x", "add", "insufficient_scope"),
    ] {
        let mut caller = Caller::of(&config, scopes);
        let outcome = caller.call(&tool(name));
        assert_eq!(word(&outcome), verdict, "{scopes} {name}");
    }
}

#[test]
fn the_identity_headers_name_the_granted_scopes_alone() {
    let mut config = rules_config(&rules());
    config["scope_implies"] = json!({"mcp:write": ["mcp:read"]});
    let mut caller = Caller::of(&config, "mcp:write");
    let head = caller.head("GET", &[]);
    let edits = caller.bench.edits(head);
    assert!(edits.set.contains(&("x-user-scopes".into(), "mcp:write".into())));
}

pub(crate) fn rules() -> Value {
    json!({
        "tools": [
            {"name": "delete_*", "scopes": ["mcp:write"]},
            {"name": "*_everything", "scopes": ["mcp:admin"]},
        ],
        "methods": [
            {"method": "prompts/get", "scopes": ["mcp:prompts"]},
            {"method": "resources/read", "name": "file:///secret/*", "scopes": ["mcp:secret"]},
            {"method": "tasks/*", "scopes": ["mcp:write"]},
        ],
    })
}

fn trusting_config() -> Value {
    let mut config = rules_config(&rules());
    config["body_access"] = json!(false);
    config["resources"][0]["trust_mcp_headers"] = json!(true);
    config
}
