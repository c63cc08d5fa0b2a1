//! The configuration of rules: which are refused at start, and with which field.

use auth_core::config::{Config, ConfigRefused};
use serde_json::{Value, json};

use crate::support::{
    caller::{Caller, JSON, rules_config, tool},
    config_with, word,
};

#[test]
fn rules_that_could_not_be_enforced_are_refused() {
    let tools = json!([{"name": "*", "scopes": ["a"]}]);
    let methods = json!([{"method": "prompts/get", "scopes": ["a"]}]);
    for (name, rules) in [("tools", &tools), ("methods", &methods)] {
        let mut config = config_with(|c| c["resources"][0][name] = rules.clone());
        let refused = refusal(&config);
        assert_eq!(refused.field, format!("resources[0].{name}"));
        assert!(refused.problem.contains("body_access"), "{refused}");
        config["resources"][0]["trust_mcp_headers"] = json!(true);
        assert!(parse(&config).is_ok());
        config["resources"][0]["trust_mcp_headers"] = json!(false);
        config["body_access"] = json!(true);
        assert!(parse(&config).is_ok());
    }
}

#[test]
fn values_of_rules_are_checked() {
    let scopes = json!(["a"]);
    for (list, rule, field) in [
        ("tools", json!({"scopes": scopes}), "tools[0]"),
        ("tools", json!({"name": "", "scopes": scopes}), "tools[0].name"),
        ("tools", json!({"name": "delete_?", "scopes": scopes}), "tools[0].name"),
        ("tools", json!({"name": "delete_[ab]", "scopes": scopes}), "tools[0].name"),
        ("tools", json!({"name": "{a,b}", "scopes": scopes}), "tools[0].name"),
        ("tools", json!({"name": "a\\*", "scopes": scopes}), "tools[0].name"),
        ("tools", json!({"name": "a**", "scopes": scopes}), "tools[0].name"),
        ("tools", json!({"name": "a\n", "scopes": scopes}), "tools[0].name"),
        ("tools", json!({"name": " a", "scopes": scopes}), "tools[0].name"),
        ("tools", json!({"name": "a"}), "tools[0].scopes"),
        ("tools", json!({"name": "a", "scopes": []}), "tools[0].scopes"),
        ("tools", json!({"name": "a", "scopes": ["a b"]}), "tools[0].scopes[0]"),
        ("tools", json!({"name": "a", "scope": ["a"]}), "tools[0].scope"),
        ("tools", json!({"name": "a", "max_age": "0s"}), "tools[0].max_age"),
        ("tools", json!({"name": "a", "max_age": 300}), "tools[0].max_age"),
        ("tools", json!({"name": "a", "acr_values": ["a b"]}), "tools[0].acr_values[0]"),
        ("tools", json!({"name": "a", "acr_values": [""]}), "tools[0].acr_values[0]"),
        ("methods", json!({"scopes": scopes}), "methods[0]"),
        ("methods", json!({"method": "", "scopes": scopes}), "methods[0].method"),
        ("methods", json!({"method": "a?", "scopes": scopes}), "methods[0].method"),
        ("methods", json!({"method": "a", "name": "b", "scopes": scopes}), "methods[0].name"),
        ("methods", json!({"method": "tools/*", "name": "b", "scopes": scopes}), "methods[0].name"),
        (
            "methods",
            json!({"method": "resources/read", "name": "file:///?", "scopes": scopes}),
            "methods[0].name",
        ),
    ] {
        let refused = refusal(&rules_config(&json!({list: [rule]})));
        assert_eq!(refused.field, format!("resources[0].{field}"), "{rule}");
    }
}

#[test]
fn one_method_and_name_has_one_rule() {
    let twice = json!([{"name": "a", "scopes": ["a"]}, {"name": "a", "scopes": ["b"]}]);
    assert_eq!(refusal(&rules_config(&json!({"tools": twice}))).field, "resources[0].tools[1]");
    let both = json!({
        "tools": [{"name": "a", "scopes": ["a"]}],
        "methods": [{"method": "tools/call", "name": "a", "scopes": ["b"]}],
    });
    assert_eq!(refusal(&rules_config(&both)).field, "resources[0].methods[0]");
    let other_name = json!({"methods": [
        {"method": "tools/call", "scopes": ["a"]},
        {"method": "tools/call", "name": "a", "scopes": ["a"]},
    ]});
    assert!(parse(&rules_config(&other_name)).is_ok());
}

#[test]
fn rules_of_one_resource_are_bounded() {
    let rules = |count: usize| {
        let rule = |nth: usize| json!({"name": nth.to_string(), "scopes": ["a"]});
        rules_config(&json!({"tools": (0..count).map(rule).collect::<Vec<_>>()}))
    };
    assert!(parse(&rules(1000)).is_ok());
    assert_eq!(refusal(&rules(1001)).field, "resources[0].tools[1000]");
}

#[test]
fn what_every_request_needs_is_checked() {
    for (name, value, field) in [
        ("max_age", json!("0s"), "max_age"),
        ("max_age", json!("soon"), "max_age"),
        ("acr_values", json!(["\""]), "acr_values[0]"),
        ("clients", json!([""]), "clients[0]"),
        ("clients", json!("a"), "clients"),
        ("claims", json!({"department": []}), "claims.department"),
        ("claims", json!({"department": [null]}), "claims.department[0]"),
        ("claims", json!({"department": [["eng"]]}), "claims.department[0]"),
        ("claims", json!({"department": "eng"}), "claims.department"),
        ("trust_mcp_headers", json!("yes"), "trust_mcp_headers"),
    ] {
        let refused = refusal(&config_with(|c| c["resources"][0][name] = value.clone()));
        assert_eq!(refused.field, format!("resources[0].{field}"), "{value}");
    }
}

#[test]
fn scopes_that_imply_others_are_checked() {
    for (implies, field) in [
        (json!({"a b": ["c"]}), "scope_implies.a b[0]"),
        (json!({"a": ["b", "c d"]}), "scope_implies.a[1]"),
        (json!({"a": []}), "scope_implies.a"),
        (json!({"a": ["b", "a"]}), "scope_implies.a"),
        (json!({"a": "b"}), "scope_implies.a"),
    ] {
        let refused = refusal(&config_with(|c| c["scope_implies"] = implies.clone()));
        assert_eq!(refused.field, field, "{implies}");
    }
    let cycle = json!({"a": ["b"], "b": ["a"]});
    assert!(parse(&config_with(|c| c["scope_implies"] = cycle)).is_ok(), "they mean the same");
}

#[test]
fn a_limit_without_rules_is_checked_too() {
    for limit in ["0B", "1", "1MB", "1 MiB", "65MiB", "-1B", ""] {
        let config = config_with(|c| c["body_limit"] = json!(limit));
        assert_eq!(refusal(&config).field, "body_limit", "{limit}");
    }
}

#[test]
fn bodies_are_limited_to_one_mebibyte_by_default() {
    let rules = json!({"tools": [{"name": "delete_*", "scopes": ["mcp:write"]}]});
    let body = tool("add").to_string();
    let padded = |size: usize| body.clone() + &" ".repeat(size - body.len());
    let mut caller = Caller::new(&rules, "mcp:read");
    assert_eq!(word(&caller.send(&[JSON], &[padded(1 << 20)])), "allowed");
    assert_eq!(word(&caller.send(&[JSON], &[padded((1 << 20) + 1)])), "body_too_large");
}

fn parse(config: &Value) -> Result<Config, ConfigRefused> {
    Config::parse(config.to_string().as_bytes())
}

fn refusal(config: &Value) -> ConfigRefused {
    parse(config).expect_err("it is refused")
}
