//! The configuration: what is refused, with which field, and what holds where nothing is said.

use auth_core::config::{Config, ConfigRefused};
use serde_json::{Value, json};

use crate::support::{
    Bench, NOW, bearing, claims, claims_with, config, config_with, head,
    signing::{SigningKey, encode},
    word,
};

#[test]
fn what_is_not_a_configuration_is_refused_whole() {
    for document in ["", "{", "[]", "null", "1", "{} {}", "\u{feff}{}"] {
        assert_eq!(parse(document).unwrap_err().field, ".", "{document:?}");
    }
}

#[test]
fn unknown_keys_are_refused_by_name() {
    for (pointer, field) in [
        ("", "isuers"),
        ("/issuers/0", "issuers[0].audience"),
        ("/issuers/0/jwks", "issuers[0].jwks.url"),
        ("/resources/0", "resources[0].scope"),
    ] {
        let name = field.rsplit('.').next().unwrap();
        let mut config = config();
        config.pointer_mut(pointer).unwrap()[name] = json!("x");
        assert_eq!(refusal(&config).field, field);
    }
}

#[test]
fn duplicate_keys_are_refused_by_name() {
    let document = config().to_string().replacen('{', r#"{"audit":"off","audit":"off","#, 1);
    assert!(parse(&document).unwrap_err().problem.contains("`audit`"));
}

#[test]
fn what_is_required_is_asked_for() {
    for (remove, field) in [("issuers", "issuers"), ("resources", "resources")] {
        let config = config_with(|c| drop(c.as_object_mut().unwrap().remove(remove)));
        assert_eq!(refusal(&config).field, field);
        assert_eq!(refusal(&config_with(|c| c[remove] = json!([]))).field, field);
    }
    for (list, name) in [
        ("issuers", "issuer"),
        ("issuers", "jwks"),
        ("resources", "path"),
        ("resources", "resource"),
    ] {
        let config = config_with(|c| drop(c[list][0].as_object_mut().unwrap().remove(name)));
        let refused = refusal(&config);
        assert!(refused.problem.contains(&format!("`{name}`")), "{refused}");
        assert_eq!(refused.field, format!("{list}[0]"));
    }
}

#[test]
fn values_of_an_issuer_are_checked() {
    for (name, value, field) in [
        ("issuer", json!(""), "issuer"),
        ("issuer", json!("https://idp example/"), "issuer"),
        ("issuer", json!(1), "issuer"),
        ("audiences", json!([""]), "audiences[0]"),
        ("audiences", json!("api"), "audiences"),
        ("algorithms", json!([]), "algorithms"),
        ("algorithms", json!(["RS256", "none"]), "algorithms[1]"),
        ("algorithms", json!(["HS256"]), "algorithms[0]"),
        ("algorithms", json!(["rs256"]), "algorithms[0]"),
        ("leeway", json!("1 minute"), "leeway"),
        ("leeway", json!(60), "leeway"),
        ("max_token_lifetime", json!("0s"), "max_token_lifetime"),
        ("clients", json!(["a", ""]), "clients[1]"),
        ("scope_claims", json!([""]), "scope_claims[0]"),
        ("username_claims", json!([]), "username_claims"),
        ("session", json!("on"), "session"),
        ("session", json!(true), "session"),
        ("session", json!("required"), "session"),
        ("session", json!("observe"), "session"),
    ] {
        let config = config_with(|c| c["issuers"][0][name] = value.clone());
        assert_eq!(refusal(&config).field, format!("issuers[0].{field}"), "{name}: {value}");
    }
}

#[test]
fn values_of_a_key_set_are_checked() {
    let keys = json!([SigningKey::new("a").jwk()]);
    let weak = json!({"kty": "RSA", "n": encode(&[0xff; 128]), "e": "AQAB"});
    for (jwks, field) in [
        (json!({}), "uri"),
        (json!({"cluster": "idp"}), "uri"),
        (json!({"uri": "https://i/"}), "cluster"),
        (json!({"uri": "https://i/", "cluster": ""}), "cluster"),
        (json!({"uri": "/jwks.json", "cluster": "idp"}), "uri"),
        (json!({"uri": "https://i/#x", "cluster": "idp"}), "uri"),
        (json!({"uri": "https://i/", "cluster": "idp", "timeout": "0s"}), "timeout"),
        (json!({"uri": "https://i/", "cluster": "idp", "refresh": "0m"}), "refresh"),
        (json!({"uri": "https://i/", "cluster": "idp", "cooldown": "0ms"}), "cooldown"),
        (json!({"uri": "https://i/", "cluster": "idp", "keys": keys}), "keys"),
        (json!({"cluster": "idp", "keys": keys}), "keys"),
        (json!({"keys": []}), "keys"),
        (json!({"keys": [keys[0], weak]}), "keys[1]"),
        (json!({"keys": [{"kty": "oct", "k": "AAAA"}]}), "keys[0]"),
    ] {
        let config = config_with(|c| c["issuers"][0]["jwks"] = jwks.clone());
        assert_eq!(refusal(&config).field, format!("issuers[0].jwks.{field}"), "{jwks}");
    }
}

#[test]
fn values_of_a_resource_are_checked() {
    for (name, value, field) in [
        ("path", json!(""), "path"),
        ("path", json!("mcp"), "path"),
        ("path", json!("/mcp/"), "path"),
        ("path", json!("/a//b"), "path"),
        ("path", json!("/a/../b"), "path"),
        ("path", json!("/%6dcp"), "path"),
        ("path", json!("/mcp?x"), "path"),
        ("hosts", json!(["*.example.com"]), "hosts[0]"),
        ("hosts", json!(["https://mcp.example.com"]), "hosts[0]"),
        ("resource", json!("/mcp"), "resource"),
        ("resource", json!("urn:mcp"), "resource"),
        ("resource", json!("https://mcp.example.com/mcp?x=1"), "resource"),
        ("resource", json!("https://mcp.example.com/mcp#x"), "resource"),
        ("name", json!(""), "name"),
        ("issuers", json!([]), "issuers"),
        ("issuers", json!(["https://idp.example"]), "issuers[0]"),
        ("issuers", json!(["https://idp.example/", "https://idp.example/"]), "issuers[1]"),
        ("audiences", json!([""]), "audiences[0]"),
        ("scopes", json!(["a b"]), "scopes[0]"),
        ("scopes", json!(["a", "b\""]), "scopes[1]"),
        ("scopes", json!(["a\\"]), "scopes[0]"),
        ("scopes", json!([""]), "scopes[0]"),
        ("origins", json!(["https://app.example.com/"]), "origins[0]"),
        ("origins", json!(["https://app.example.com/x"]), "origins[0]"),
        ("origins", json!(["*"]), "origins[0]"),
        ("origins", json!(["null"]), "origins[0]"),
    ] {
        let config = config_with(|c| c["resources"][0][name] = value.clone());
        assert_eq!(refusal(&config).field, format!("resources[0].{field}"), "{name}: {value}");
    }
}

#[test]
fn values_of_the_rest_are_checked() {
    for (name, value, field) in [
        ("public", json!(["healthz"]), "public[0]"),
        ("public", json!(["/a", "/b/"]), "public[1]"),
        ("public", json!(["/a", "/a"]), "public[1]"),
        ("body_limit", json!("1"), "body_limit"),
        ("body_limit", json!("0MiB"), "body_limit"),
        ("body_limit", json!("65MiB"), "body_limit"),
        ("user_id_hash_digits", json!(7), "user_id_hash_digits"),
        ("user_id_hash_digits", json!(41), "user_id_hash_digits"),
        ("token_cache", json!(1_000_001), "token_cache"),
        ("token_cache", json!(-1), "token_cache"),
        ("audit", json!("all"), "audit"),
        ("audit", json!(true), "audit"),
        ("forward_token", json!("true"), "forward_token"),
    ] {
        let config = config_with(|c| c[name] = value.clone());
        assert_eq!(refusal(&config).field, field, "{name}: {value}");
    }
}

#[test]
fn identity_headers_are_free_to_set() {
    for name in [":path", "authorization", "Host", "cookie", "mcp-session-id", "x user", ""] {
        let config = config_with(|c| c["identity_headers"] = json!({ name: "user_id" }));
        assert_eq!(refusal(&config).field, format!("identity_headers.{name}"));
    }
    let config = config_with(|c| c["identity_headers"] = json!({"x-user": "user"}));
    assert_eq!(refusal(&config).field, "identity_headers.x-user");
}

#[test]
fn identity_headers_that_differ_only_in_spelling_are_one_twice() {
    let config =
        config_with(|c| c["identity_headers"] = json!({"x-user": "user_id", "x_User": "subject"}));
    assert!(refusal(&config).field.starts_with("identity_headers."));
}

#[test]
fn two_issuers_alike_are_refused() {
    let config = config_with(|c| {
        let same = c["issuers"][0].clone();
        c["issuers"].as_array_mut().unwrap().push(same);
    });
    assert_eq!(refusal(&config).field, "issuers[1].issuer");
}

#[test]
fn two_resources_with_the_same_host_and_path_are_refused() {
    for (first, second, refused) in [
        (json!([]), json!([]), true),
        (json!(["a.example"]), json!(["A.example"]), true),
        (json!(["a.example", "b.example"]), json!(["c.example", "b.example"]), true),
        (json!(["a.example"]), json!(["b.example"]), false),
        (json!(["a.example"]), json!([]), false),
    ] {
        let config = config_with(|c| {
            let mut other = c["resources"][0].clone();
            other["hosts"] = second.clone();
            c["resources"][0]["hosts"] = first.clone();
            c["resources"].as_array_mut().unwrap().push(other);
        });
        let field = Config::parse(config.to_string().as_bytes()).err().map(|refused| refused.field);
        assert_eq!(field.as_deref(), refused.then_some("resources[1].path"), "{first} {second}");
    }
}

#[test]
fn a_path_is_not_both_public_and_a_resource() {
    let config = config_with(|c| c["public"] = json!(["/mcp"]));
    assert_eq!(refusal(&config).field, "public[0]");
}

#[test]
fn a_refusal_names_field_and_problem_in_one_line() {
    let refused = refusal(&config_with(|c| c["issuers"][0]["algorithms"] = json!(["none"])));
    let line = refused.to_string();
    assert!(line.starts_with("configuration refused: issuers[0].algorithms[0]: "), "{line}");
    assert!(!line.contains('\n'));
}

#[test]
fn off_may_be_written_as_yaml_reads_it() {
    for off in [json!("off"), json!(false)] {
        let config = config_with(|c| {
            c["issuers"][0]["session"] = off.clone();
            c["audit"] = off.clone();
        });
        let outcome = Bench::new(&config).send(head("GET", "/mcp", &[])).unwrap();
        assert_eq!(outcome.audit, None, "{off}");
    }
}

#[test]
fn a_leeway_may_be_zero() {
    let config = config_with(|c| c["issuers"][0]["leeway"] = json!("0s"));
    assert!(Config::parse(config.to_string().as_bytes()).is_ok());
}

#[test]
fn by_default_the_leeway_is_a_minute_and_lifetimes_have_no_limit() {
    let key = SigningKey::new("a");
    let mut bench = Bench::with_keys(&config(), [&key]);
    let ages = claims_with(json!({"iat": 0, "exp": NOW * 2}));
    assert_eq!(bench.verdict(&key.sign(&ages)), "allowed");
    let ended = claims_with(json!({"exp": NOW - 59}));
    assert_eq!(bench.verdict(&key.sign(&ended)), "allowed");
    let ended = claims_with(json!({"exp": NOW - 60}));
    assert_eq!(bench.verdict(&key.sign(&ended)), "expired");
}

#[test]
fn by_default_any_client_any_origin_and_no_scope_are_accepted() {
    let key = SigningKey::new("a");
    let mut bench = Bench::with_keys(&config(), [&key]);
    let token = format!("Bearer {}", key.sign(&claims_with(json!({"azp": "whoever"}))));
    let fields = [("authorization", &*token), ("origin", "https://anywhere.example")];
    assert_eq!(word(&bench.send(head("POST", "/mcp", &fields)).unwrap()), "allowed");
}

#[test]
fn by_default_nothing_is_public() {
    let mut bench = Bench::new(&config());
    for path in ["/", "/healthz", "/mcpx", "/.well-known/other"] {
        assert_eq!(word(&bench.send(head("GET", path, &[])).unwrap()), "unmatched_path", "{path}");
    }
}

#[test]
fn by_default_ten_thousand_tokens_are_kept_and_audited_when_new() {
    let key = SigningKey::new("a");
    let mut bench = Bench::with_keys(&config(), [&key]);
    let token = key.sign(&claims());
    let outcome = bench.send(bearing("/mcp", &token)).unwrap();
    assert!(outcome.audit.is_some_and(|line| line.contains(r#""event":"authenticated""#)));
    assert_eq!(bench.send(bearing("/mcp", &token)).unwrap().audit, None);
}

#[test]
fn more_hash_digits_lengthen_the_user_id() {
    let key = SigningKey::new("a");
    let config = config_with(|c| c["user_id_hash_digits"] = json!(40));
    let user_id =
        Bench::with_keys(&config, [&key]).identity(&key.sign(&claims()))["x-user-id"].clone();
    assert!(user_id.starts_with("alice-20e08ebb"));
    assert_eq!(user_id.len(), "alice-".len() + 40);
}

fn parse(document: &str) -> Result<Config, ConfigRefused> {
    Config::parse(document.as_bytes())
}

fn refusal(config: &Value) -> ConfigRefused {
    parse(&config.to_string()).expect_err("it is refused")
}
