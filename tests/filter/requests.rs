//! Requests that need no waiting: what is forwarded, answered, counted and written down.

use serde_json::{Value, json};

use crate::support::{
    assert_denied, claims, config, send, signing::SigningKey, started, with_keys,
};

#[test]
fn a_good_token_is_forwarded_with_the_callers_identity() {
    let key = SigningKey::new("a");
    let host = with_keys(&config(), [&key]);
    let stream = send(&host, &key.sign(&claims()));
    let headers = stream.forwarded().expect("it goes on");
    assert_eq!(headers.get_all("x-user-id"), ["alice-20e08ebb"]);
    assert!(!headers.contains("authorization"));
    assert_eq!(stream.property(["mcp_auth.user_id"]).as_deref(), Some(&b"alice-20e08ebb"[..]));
    assert_eq!(stream.property(["mcp_auth.reason"]), None);
}

#[test]
fn forged_identity_headers_are_replaced_in_every_spelling() {
    let key = SigningKey::new("a");
    let host = with_keys(&config(), [&key]);
    let stream = host
        .get("/mcp")
        .header("authorization", format!("Bearer {}", key.sign(&claims())))
        .header("x-user-id", "root")
        .header("x-user-id", "root")
        .header("X_User_Id", "root")
        .header("x-user-email", "root@x")
        .header("x-user-idx", "kept")
        .send();
    let headers = stream.forwarded().expect("it goes on");
    assert_eq!(headers.get_all("x-user-id"), ["alice-20e08ebb"]);
    assert!(!headers.iter().any(|(_, value)| value.starts_with("root")), "{headers:?}");
    assert_eq!(headers.get("x-user-idx"), Some("kept"));
}

#[test]
fn a_public_path_needs_no_keys_and_no_token() {
    let stream = started(&config())
        .get("/healthz")
        .header("x-user-id", "root")
        .header("authorization", "Basic dTpw")
        .send();
    let headers = stream.forwarded().expect("it goes on");
    assert!(!headers.contains("x-user-id"));
    assert_eq!(headers.get("authorization"), Some("Basic dTpw"));
}

#[test]
fn a_forwarded_token_is_one_that_was_verified() {
    let key = SigningKey::new("a");
    let mut config = config();
    config["forward_token"] = json!(true);
    let host = with_keys(&config, [&key]);
    let token = key.sign(&claims());
    let headers = send(&host, &token).forwarded().expect("it goes on");
    assert_eq!(headers.get("authorization"), Some(&*format!("Bearer {token}")));
}

#[test]
fn two_authorization_headers_are_malformed_however_the_host_joins_them() {
    let key = SigningKey::new("a");
    let host = with_keys(&config(), [&key]);
    let token = format!("Bearer {}", key.sign(&claims()));
    let stream =
        host.get("/mcp").header("authorization", &token).header("authorization", &token).send();
    assert_denied(&stream, 400, "malformed_request");
}

#[test]
fn a_missing_token_is_challenged() {
    let stream = started(&config()).get("/mcp").send();
    assert_denied(&stream, 401, "missing_token");
    assert_eq!(
        stream.reply().headers.get("www-authenticate"),
        Some(
            "Bearer resource_metadata=\
             \"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\""
        )
    );
}

#[test]
fn the_metadata_document_is_served_without_keys() {
    let stream = started(&config()).get("/.well-known/oauth-protected-resource/mcp").send();
    let document: Value = serde_json::from_slice(&stream.reply().body).expect("it is JSON");
    assert_eq!(document["resource"], "https://mcp.example.com/mcp");
    assert_eq!(document["authorization_servers"], json!(["https://idp.example/"]));
}

#[test]
fn every_decision_is_counted() {
    let key = SigningKey::new("a");
    let host = with_keys(&config(), [&key]);
    let token = key.sign(&claims());
    send(&host, &token);
    send(&host, &token);
    host.get("/mcp").send();
    host.get("/elsewhere").send();
    let metrics = host.metrics();
    for (name, count) in [
        ("mcp_auth.allowed", 2),
        ("mcp_auth.denied.missing_token", 1),
        ("mcp_auth.denied.unmatched_path", 1),
        ("mcp_auth.denied.expired", 0),
        ("mcp_auth.token_cache.hit", 1),
        ("mcp_auth.token_cache.miss", 1),
        ("mcp_auth.jwks.fetch_ok", 1),
        ("mcp_auth.jwks.fetch_failed", 0),
    ] {
        assert_eq!(metrics.counter(name), count, "{name}");
    }
}

#[test]
fn every_metric_is_defined_once() {
    let host = with_keys(&config(), [&SigningKey::new("a")]);
    (0..5).for_each(|_| drop(host.get("/mcp").send()));
    let metrics = host.metrics();
    for (name, _) in metrics.counters() {
        assert_eq!(metrics.definitions(name), 1, "{name}");
    }
}

#[test]
fn a_new_token_and_a_denial_leave_audit_lines_and_a_known_token_none() {
    let key = SigningKey::new("a");
    let host = with_keys(&config(), [&key]);
    let token = key.sign(&claims());
    send(&host, &token);
    send(&host, &token);
    host.get("/mcp").send();
    let events: Vec<_> = audit(&host).iter().map(|line| line["event"].clone()).collect();
    assert_eq!(events, ["authenticated", "denied"]);
}

#[test]
fn every_request_leaves_an_audit_line_if_asked_for() {
    let key = SigningKey::new("a");
    let mut config = config();
    config["audit"] = json!("every_request");
    let host = with_keys(&config, [&key]);
    let token = key.sign(&claims());
    send(&host, &token);
    send(&host, &token);
    host.get("/healthz").send();
    let events: Vec<_> = audit(&host).iter().map(|line| line["event"].clone()).collect();
    assert_eq!(events, ["authenticated", "allowed", "allowed"]);
}

#[test]
fn off_leaves_no_audit_lines_also_as_yaml_reads_it() {
    for off in [json!("off"), json!(false)] {
        let mut config = config();
        config["audit"] = off;
        let host = with_keys(&config, [&SigningKey::new("a")]);
        host.get("/mcp").send();
        assert_eq!(audit(&host), [Value::Null; 0]);
    }
}

#[test]
fn no_log_line_holds_a_token() {
    let key = SigningKey::new("a");
    let mut config = config();
    config["audit"] = json!("every_request");
    let host = with_keys(&config, [&key]);
    let mut expired = claims();
    expired["exp"] = json!(1);
    for token in [key.sign(&claims()), key.sign(&expired), SigningKey::new("b").sign(&claims())] {
        send(&host, &token);
        for part in token.split('.') {
            assert!(!host.logged(part), "{part}");
        }
    }
}

#[test]
fn a_local_reply_is_given_once_and_nothing_is_misused() {
    let key = SigningKey::new("a");
    let host = with_keys(&config(), [&key]);
    for path in ["/mcp", "/healthz", "/nothing", "/a//b", "/.well-known/oauth-protected-resource"] {
        host.get(path).send();
    }
    send(&host, &key.sign(&claims()));
    assert!(host.misuses().is_empty(), "{:?}", host.misuses());
}

#[test]
fn the_filter_goes_down_in_order_while_requests_wait() {
    let host = started(&config());
    let stream = send(&host, &SigningKey::new("a").sign(&claims()));
    assert!(stream.is_paused());
    host.shut_down();
    assert!(stream.forwarded().is_none());
}

/// The audit lines that were logged.
fn audit(host: &proxy_wasm_testhost::TestHost) -> Vec<Value> {
    host.logs().iter().filter_map(|line| serde_json::from_str(&line.message).ok()).collect()
}
