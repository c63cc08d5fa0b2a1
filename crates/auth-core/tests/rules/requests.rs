//! Requests around the token: header edits, preflights, origins, and the order of the checks.

use serde_json::json;

use crate::support::{
    Bench, bearing, claims, claims_with, config, config_with, head, signing::SigningKey, word,
};

#[test]
fn imitations_are_removed_and_each_name_once() {
    let fields = [
        ("x-user-id", "root"),
        ("x_user_id", "root"),
        ("x-user_id", "root"),
        ("x_user_id", "root"),
        ("x-user-idx", "kept"),
    ];
    let (mut bench, token) = ready();
    let authorization = format!("Bearer {token}");
    let fields = [&fields[..], &[("authorization", &authorization)]].concat();
    let edits = bench.edits(head("GET", "/mcp", &fields));
    assert_eq!(edits.remove, ["x_user_id", "x-user_id", "authorization"]);
    assert!(edits.set.contains(&("x-user-id".into(), "alice-20e08ebb".into())));
}

#[test]
fn a_header_that_this_token_does_not_fill_is_removed() {
    let (mut bench, token) = ready();
    let authorization = format!("Bearer {token}");
    let fields = [("authorization", &*authorization), ("x-user-email", "root@x")];
    let edits = bench.edits(head("GET", "/mcp", &fields));
    assert!(edits.remove.contains(&"x-user-email".into()));
    assert!(edits.set.iter().all(|(name, _)| &**name != "x-user-email"));
}

#[test]
fn public_paths_get_no_identity_and_keep_authorization() {
    let mut bench = Bench::new(&config_with(|c| c["public"] = json!(["/healthz"])));
    let fields = [("x-user-id", "root"), ("x_client_id", "x"), ("authorization", "Basic dTpw")];
    let edits = bench.edits(head("GET", "/healthz/live", &fields));
    assert_eq!(edits.remove, ["x-user-id", "x_client_id"]);
    assert_eq!(*edits.set, []);
}

#[test]
fn a_token_on_a_public_path_is_ignored() {
    let config = config_with(|c| c["public"] = json!(["/healthz"]));
    let mut bench = Bench::new(&config);
    for authorization in ["Bearer x", "Bearer a, Bearer b", "Bearer"] {
        let outcome = bench.send(head("GET", "/healthz", &[("authorization", authorization)]));
        assert_eq!(word(&outcome.unwrap()), "allowed", "{authorization}");
    }
}

#[test]
fn preflights_pass_without_identity_and_without_a_token() {
    let fields = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "POST"),
        ("x_user_id", "root"),
        ("authorization", "Bearer x"),
    ];
    let edits = Bench::new(&config()).edits(head("OPTIONS", "/mcp", &fields));
    assert_eq!(edits.remove, ["x_user_id", "authorization"]);
    assert_eq!(*edits.set, []);
}

#[test]
fn options_that_are_no_preflight_need_a_token() {
    for fields in [
        &[][..],
        &[("origin", "https://app.example")],
        &[("access-control-request-method", "POST")],
    ] {
        let outcome = Bench::new(&config()).send(head("OPTIONS", "/mcp", fields)).unwrap();
        assert_eq!(word(&outcome), "missing_token", "{fields:?}");
    }
}

#[test]
fn a_preflight_with_a_body_needs_a_token() {
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete"}}"#;
    let fields = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "POST"),
        ("content-type", "application/json"),
    ];
    let head = head("OPTIONS", "/mcp", &fields);
    let outcome = Bench::new(&config()).send_with_body(head, &[call]).expect("decided");
    assert_eq!(word(&outcome), "missing_token");
}

#[test]
fn only_options_is_a_preflight() {
    let fields = [("origin", "https://a.example"), ("access-control-request-method", "POST")];
    for method in ["GET", "POST", "options", ""] {
        let outcome = Bench::new(&config()).send(head(method, "/mcp", &fields)).unwrap();
        assert_eq!(word(&outcome), "missing_token", "{method}");
    }
}

#[test]
fn origins_are_compared_whole() {
    let config = config_with(|c| c["resources"][0]["origins"] = json!(["https://app.example"]));
    let mut bench = Bench::new(&config);
    for (origin, verdict) in [
        ("https://app.example", "missing_token"),
        ("https://app.example:443", "origin_not_allowed"),
        ("https://app.example.evil", "origin_not_allowed"),
        ("http://app.example", "origin_not_allowed"),
        ("https://APP.example", "origin_not_allowed"),
        ("null", "origin_not_allowed"),
        ("", "origin_not_allowed"),
    ] {
        let outcome = bench.send(head("GET", "/mcp", &[("origin", origin)])).unwrap();
        assert_eq!(word(&outcome), verdict, "{origin}");
    }
    assert_eq!(word(&bench.send(head("GET", "/mcp", &[])).unwrap()), "missing_token");
}

#[test]
fn a_second_origin_does_not_hide_behind_an_accepted_one() {
    let config = config_with(|c| c["resources"][0]["origins"] = json!(["https://app.example"]));
    let fields = [("origin", "https://app.example"), ("origin", "https://evil.example")];
    let outcome = Bench::new(&config).send(head("GET", "/mcp", &fields)).unwrap();
    assert_eq!(word(&outcome), "origin_not_allowed");
}

#[test]
fn a_preflight_from_a_refused_origin_is_denied() {
    let config = config_with(|c| c["resources"][0]["origins"] = json!(["https://app.example"]));
    let fields = [("origin", "https://evil.example"), ("access-control-request-method", "POST")];
    let outcome = Bench::new(&config).send(head("OPTIONS", "/mcp", &fields)).unwrap();
    assert_eq!(word(&outcome), "origin_not_allowed");
}

#[test]
fn checks_come_in_the_documented_order() {
    let config = config_with(|c| c["resources"][0]["origins"] = json!(["https://app.example"]));
    let mut bench = Bench::new(&config);
    let evil = ("origin", "https://evil.example");
    let ambiguous = ("authorization", "Bearer a, Bearer b");
    for (path, fields, verdict) in [
        ("/a//b", &[evil, ambiguous][..], "malformed_request"),
        ("/elsewhere", &[evil, ambiguous], "unmatched_path"),
        ("/mcp", &[evil, ambiguous], "origin_not_allowed"),
        ("/mcp?access_token=x", &[], "malformed_request"),
        ("/mcp", &[("authorization", "Bearer x")], "malformed_token"),
    ] {
        assert_eq!(word(&bench.send(head("GET", path, fields)).unwrap()), verdict, "{path}");
    }
}

#[test]
fn forward_token_leaves_authorization_where_the_token_was_verified() {
    let key = SigningKey::new("a");
    let config = config_with(|c| c["forward_token"] = json!(true));
    let mut bench = Bench::with_keys(&config, [&key]);
    let edits = bench.edits(bearing("/mcp", &key.sign(&claims())));
    assert_eq!(edits.remove, [""; 0]);
}

#[test]
fn hosts_choose_between_resources_at_one_path() {
    let config = config_with(|c| {
        let mut own = c["resources"][0].clone();
        own["hosts"] = json!(["mcp.example.com"]);
        own["scopes"] = json!(["own"]);
        c["resources"].as_array_mut().unwrap().push(own);
    });
    let key = SigningKey::new("a");
    let mut bench = Bench::with_keys(&config, [&key]);
    assert_eq!(bench.verdict(&key.sign(&claims())), "insufficient_scope");
    assert_eq!(bench.verdict(&key.sign(&claims_with(json!({"scope": "own"})))), "allowed");
}

#[test]
fn audit_lines_say_who_and_why_and_no_more() {
    let key = SigningKey::new("a");
    let mut bench = Bench::with_keys(
        &config_with(|c| c["resources"][0]["scopes"] = json!(["mcp:read"])),
        [&key],
    );
    let token = format!("Bearer {}", key.sign(&claims_with(json!({"azp": "client", "sid": "s"}))));
    let fields = [("authorization", &*token), ("x-request-id", "r-1")];
    let line = bench.send(head("GET", "/mcp", &fields)).unwrap().audit.unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    insta::assert_snapshot!(format!("{line:#}"), @r#"
    {
      "client_id": "client",
      "event": "denied",
      "issuer": "https://idp.example/",
      "reason": "insufficient_scope",
      "request_id": "r-1",
      "resource": "https://mcp.example.com/mcp",
      "session_id": "Xy87yTnrTJlbwov30bfrJQ",
      "subject": "user-1",
      "user_id": "alice-20e08ebb"
    }
    "#);
}

fn ready() -> (Bench, String) {
    let key = SigningKey::new("a");
    (Bench::with_keys(&config(), [&key]), key.sign(&claims()))
}

#[test]
fn a_request_id_of_a_clients_own_does_not_fill_the_log() {
    let mut config = config();
    config["audit"] = serde_json::json!("every_request");
    let id = "\u{7f}".repeat(10_000);
    let outcome = Bench::new(&config).send(head("GET", "/mcp", &[("x-request-id", &id)])).unwrap();
    let line = outcome.audit.expect("it is audited");
    assert!(line.len() < 400 && line.contains("%7F%7F"), "{}", line.len());
}
