//! Who may come at all (clients, claims), and who has to log in anew (RFC 9470).

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Bench, NOW, bearing,
    caller::{Caller, challenge, rules_config, status, tool},
    claims_with, claims_without, config_with,
    signing::SigningKey,
    word,
};

#[test]
fn a_resource_may_name_its_clients() {
    let key = SigningKey::new("a");
    let config = config_with(|c| c["resources"][0]["clients"] = json!(["app", "cli"]));
    let mut bench = Bench::with_keys(&config, [&key]);
    for (claims, verdict) in [
        (json!({"client_id": "app"}), "allowed"),
        (json!({"azp": "cli"}), "allowed"),
        (json!({"client_id": "other"}), "client_not_allowed"),
        (json!({}), "client_not_allowed"),
    ] {
        assert_eq!(bench.verdict(&key.sign(&claims_with(claims.clone()))), verdict, "{claims}");
    }
}

#[test]
fn a_client_has_to_be_accepted_by_issuer_and_resource() {
    let key = SigningKey::new("a");
    let config = config_with(|c| {
        c["issuers"][0]["clients"] = json!(["app", "cli"]);
        c["resources"][0]["clients"] = json!(["cli", "web"]);
    });
    let mut bench = Bench::with_keys(&config, [&key]);
    for (client, verdict) in
        [("cli", "allowed"), ("app", "client_not_allowed"), ("web", "client_not_allowed")]
    {
        let token = key.sign(&claims_with(json!({"client_id": client})));
        assert_eq!(bench.verdict(&token), verdict, "{client}");
    }
}

#[test]
fn each_claim_that_a_resource_asks_for_has_one_of_its_values() {
    let key = SigningKey::new("a");
    let config = config_with(|c| {
        c["resources"][0]["claims"] =
            json!({"department": ["eng", "ops"], "level": [3, 4], "staff": [true]});
    });
    let mut bench = Bench::with_keys(&config, [&key]);
    let good = json!({"department": "eng", "level": 3, "staff": true});
    assert_eq!(bench.verdict(&key.sign(&claims_with(good.clone()))), "allowed");
    for (name, value, verdict) in [
        ("department", json!("ops"), "allowed"),
        ("department", json!(["sales", "ops"]), "allowed"),
        ("department", json!(["sales"]), "claim_not_allowed"),
        ("department", json!([]), "claim_not_allowed"),
        ("department", json!("engineering"), "claim_not_allowed"),
        ("department", json!("Eng"), "claim_not_allowed"),
        ("department", json!("eng ops"), "claim_not_allowed"),
        ("department", json!({"eng": true}), "claim_not_allowed"),
        ("department", Value::Null, "claim_not_allowed"),
        ("level", json!("3"), "claim_not_allowed"),
        ("level", json!(2), "claim_not_allowed"),
        ("staff", json!("true"), "claim_not_allowed"),
        ("staff", json!(false), "claim_not_allowed"),
    ] {
        let mut claims = good.clone();
        claims[name] = value.clone();
        assert_eq!(bench.verdict(&key.sign(&claims_with(claims))), verdict, "{name}: {value}");
    }
    assert_eq!(bench.verdict(&key.sign(&claims_with(json!({})))), "claim_not_allowed");
}

#[test]
fn claims_of_one_resource_say_nothing_about_another() {
    let config = config_with(|c| {
        c["resources"] = json!([
            {"path": "/mcp", "resource": "https://mcp.example.com/mcp", "claims": {"team": ["a"]}},
            {"path": "/b", "resource": "https://mcp.example.com/b", "audiences": ["https://mcp.example.com/mcp"]},
        ]);
    });
    let key = SigningKey::new("a");
    let mut bench = Bench::with_keys(&config, [&key]);
    let token = key.sign(&claims_with(json!({"team": "b"})));
    assert_eq!(bench.verdict(&token), "claim_not_allowed");
    let outcome = bench.send(bearing("/b", &token)).expect("decided");
    assert_eq!(word(&outcome), "allowed");
}

#[test]
fn a_claim_that_is_not_accepted_is_a_403_without_a_challenge() {
    let config = config_with(|c| c["resources"][0]["claims"] = json!({"team": ["a"]}));
    let mut caller = Caller::of(&config, "");
    let head = caller.head("GET", &[]);
    let outcome = caller.bench.send(head).expect("decided");
    assert_eq!((word(&outcome), status(&outcome)), ("claim_not_allowed", 403));
    assert_eq!(challenge(&outcome), json!({}));
}

#[test]
fn a_sensitive_tool_needs_a_recent_login() {
    for (claims, age, verdict) in [
        (json!({"auth_time": NOW}), 0, "allowed"),
        (json!({"auth_time": NOW}), 300 + 60, "allowed"),
        (json!({"auth_time": NOW}), 300 + 61, "insufficient_user_authentication"),
        (json!({"auth_time": NOW - 1000}), 0, "insufficient_user_authentication"),
        (json!({"auth_time": NOW - 1000, "iat": NOW}), 0, "insufficient_user_authentication"),
        (json!({"iat": NOW}), 0, "allowed"),
        (json!({"iat": NOW - 1000}), 0, "insufficient_user_authentication"),
        (json!({"auth_time": "now"}), 0, "malformed_token"),
        (json!({"auth_time": -1}), 0, "malformed_token"),
    ] {
        let mut claims_and_scope = claims.clone();
        claims_and_scope["scope"] = json!("mcp:read mcp:write");
        let mut caller = Caller::with_claims(&sensitive(), claims_and_scope);
        caller.bench.pass(Duration::from_secs(age));
        assert_eq!(caller.calls(&tool("delete_note")), verdict, "{claims} after {age}");
    }
}

#[test]
fn a_token_that_says_nothing_of_its_age_is_too_old() {
    let config = config_with(|c| c["resources"][0]["max_age"] = json!("5m"));
    let key = SigningKey::new("a");
    let mut bench = Bench::with_keys(&config, [&key]);
    let token = key.sign(&claims_without(&["iat"]));
    assert_eq!(bench.verdict(&token), "insufficient_user_authentication");
}

#[test]
fn other_tools_need_no_recent_login() {
    let claims = json!({"auth_time": NOW - 100_000, "scope": "mcp:read"});
    assert_eq!(Caller::with_claims(&sensitive(), claims).calls(&tool("add")), "allowed");
}

#[test]
fn the_step_up_challenge_says_what_login_is_needed() {
    let claims = json!({"auth_time": NOW - 1000, "scope": "mcp:read mcp:write"});
    let outcome = Caller::with_claims(&sensitive(), claims).call(&tool("delete_note"));
    assert_eq!(status(&outcome), 401);
    assert_eq!(
        challenge(&outcome),
        json!({
            "error": "insufficient_user_authentication",
            "resource_metadata":
                "https://mcp.example.com/.well-known/oauth-protected-resource/mcp",
            "scope": "mcp:read mcp:write",
            "max_age": "300",
        })
    );
}

#[test]
fn a_challenge_for_scopes_asks_for_the_login_too() {
    let claims = json!({"auth_time": NOW - 1000, "scope": "mcp:read"});
    let outcome = Caller::with_claims(&sensitive(), claims).call(&tool("delete_note"));
    assert_eq!((word(&outcome), status(&outcome)), ("insufficient_scope", 403));
    let challenge = challenge(&outcome);
    assert_eq!(challenge["scope"], "mcp:read mcp:write");
    assert_eq!(challenge["max_age"], "300");
}

#[test]
fn the_least_age_of_all_rules_counts() {
    let config = rules_config(&json!({
        "max_age": "1h",
        "tools": [
            {"name": "delete_*", "max_age": "10m"},
            {"name": "*_all", "max_age": "1m"},
        ],
    }));
    let claims = json!({"auth_time": NOW - 300, "scope": "mcp:read"});
    let mut caller = Caller::with_claims(&config, claims);
    assert_eq!(caller.calls(&tool("add")), "allowed");
    assert_eq!(caller.calls(&tool("delete_note")), "allowed");
    let outcome = caller.call(&tool("delete_all"));
    assert_eq!(word(&outcome), "insufficient_user_authentication");
    assert_eq!(challenge(&outcome)["max_age"], "60");
}

#[test]
fn a_login_has_one_of_the_strengths_that_every_rule_names() {
    let config = rules_config(&json!({
        "tools": [
            {"name": "delete_*", "acr_values": ["mfa", "phr"]},
            {"name": "*_all", "acr_values": ["phr", "phrh"]},
        ],
    }));
    for (acr, name, verdict) in [
        (json!("mfa"), "delete_note", "allowed"),
        (json!("phr"), "delete_all", "allowed"),
        (json!("mfa"), "delete_all", "insufficient_user_authentication"),
        (json!("MFA"), "delete_note", "insufficient_user_authentication"),
        (json!("mfa phr"), "delete_note", "insufficient_user_authentication"),
        (json!(["mfa"]), "delete_note", "malformed_token"),
    ] {
        let claims = json!({"acr": acr, "scope": "mcp:read"});
        let mut caller = Caller::with_claims(&config, claims);
        assert_eq!(caller.calls(&tool(name)), verdict, "{acr} {name}");
    }
    let mut caller = Caller::with_claims(&config, json!({"scope": "mcp:read"}));
    assert_eq!(caller.calls(&tool("add")), "allowed");
    let outcome = caller.call(&tool("delete_note"));
    assert_eq!(challenge(&outcome)["acr_values"], "mfa phr");
    let outcome = caller.call(&tool("delete_all"));
    assert_eq!(challenge(&outcome)["acr_values"], "phr", "what meets both");
}

#[test]
fn claims_that_no_rule_is_about_are_not_read() {
    let claims = json!({"acr": ["x"], "auth_time": "x", "scope": "mcp:read"});
    let mut caller = Caller::with_claims(&rules_config(&json!({})), claims);
    assert_eq!(caller.calls(&tool("add")), "allowed");
}

/// A configuration in which to delete needs a scope and a login within five minutes.
fn sensitive() -> Value {
    rules_config(&json!({
        "tools": [{"name": "delete_*", "scopes": ["mcp:write"], "max_age": "5m"}],
    }))
}
