//! What clients see: challenges, bodies, documents.

use auth_core::{
    decision::{Decision, LocalReply},
    outcome::Outcome,
    request_head::RequestHead,
};
use serde_json::{Value, json};

use crate::support::{Bench, bearing, claims, claims_with, config_with, head, signing::SigningKey};

#[test]
fn a_missing_token_is_challenged_without_an_error() {
    insta::assert_snapshot!(shown(head("GET", "/mcp", &[])), @r#"
    401
    content-type: application/json
    cache-control: no-store
    www-authenticate: Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", scope="mcp:read mcp:write"

    {"error":"missing_token","error_description":"A bearer token is required."}
    "#);
}

#[test]
fn a_malformed_request_is_answered_400() {
    insta::assert_snapshot!(shown(head("GET", "/mcp?access_token=x", &[])), @r#"
    400
    content-type: application/json
    cache-control: no-store
    www-authenticate: Bearer error="invalid_request"

    {"error":"invalid_request","error_description":"The request is malformed."}
    "#);
}

#[test]
fn a_bad_token_is_challenged_as_invalid() {
    let expired = SigningKey::new("a").sign(&claims_with(json!({"exp": 1})));
    insta::assert_snapshot!(shown(bearing("/mcp", &expired)), @r#"
    401
    content-type: application/json
    cache-control: no-store
    www-authenticate: Bearer error="invalid_token", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"

    {"error":"invalid_token","error_description":"The token has expired."}
    "#);
}

#[test]
fn a_missing_scope_is_challenged_with_all_that_is_needed() {
    insta::assert_snapshot!(shown(bearing("/mcp", &SigningKey::new("a").sign(&claims()))), @r#"
    403
    content-type: application/json
    cache-control: no-store
    www-authenticate: Bearer error="insufficient_scope", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", scope="mcp:read mcp:write"

    {"error":"insufficient_scope","error_description":"The token lacks a scope that this request needs."}
    "#);
}

#[test]
fn a_refused_origin_is_answered_403_without_a_challenge() {
    insta::assert_snapshot!(shown(head("GET", "/mcp", &[("origin", "https://evil.example")])), @r#"
    403
    content-type: application/json
    cache-control: no-store

    {"error":"origin_not_allowed","error_description":"The Origin is not accepted."}
    "#);
}

#[test]
fn an_unmatched_path_is_answered_404() {
    insta::assert_snapshot!(shown(head("GET", "/elsewhere", &[])), @r#"
    404
    content-type: application/json
    cache-control: no-store

    {"error":"not_found","error_description":"There is nothing at this path."}
    "#);
}

#[test]
fn missing_keys_are_answered_503() {
    let mut bench = Bench::new(&config());
    bench.fetches();
    bench.fail();
    insta::assert_snapshot!(text(&bench.reply(bearing("/mcp", &SigningKey::new("a").sign(&claims())))), @r#"
    503
    content-type: application/json
    cache-control: no-store
    retry-after: 1

    {"error":"temporarily_unavailable","error_description":"The issuer's keys cannot be fetched at the moment."}
    "#);
}

#[test]
fn a_missing_configuration_is_answered_503() {
    insta::assert_snapshot!(text(&LocalReply::not_configured()), @r#"
    503
    content-type: application/json
    cache-control: no-store
    retry-after: 10

    {"error":"temporarily_unavailable","error_description":"The gateway's authentication is not configured."}
    "#);
}

#[test]
fn the_metadata_document_says_what_a_client_needs() {
    insta::assert_snapshot!(shown(head("GET", METADATA, &[])), @r#"
    200
    content-type: application/json
    cache-control: no-store
    access-control-allow-origin: *

    {"resource":"https://mcp.example.com/mcp","authorization_servers":["https://idp.example/"],"scopes_supported":["mcp:read","mcp:write"],"bearer_methods_supported":["header"],"resource_name":"Example MCP server"}
    "#);
}

#[test]
fn preflights_for_the_metadata_document_are_answered() {
    let fields = [("origin", "https://app.example"), ("access-control-request-method", "GET")];
    insta::assert_snapshot!(shown(head("OPTIONS", METADATA, &fields)), @r#"
    204
    access-control-allow-origin: *
    access-control-allow-methods: GET, HEAD, OPTIONS
    access-control-allow-headers: authorization, content-type, mcp-protocol-version
    access-control-max-age: 86400
    "#);
}

#[test]
fn other_methods_on_the_metadata_document_are_405() {
    insta::assert_snapshot!(shown(head("POST", METADATA, &[])), @r#"
    405
    content-type: application/json
    cache-control: no-store
    allow: GET, HEAD, OPTIONS

    {"error":"method_not_allowed","error_description":"Only GET, HEAD and CORS preflights are answered here."}
    "#);
}

#[test]
fn every_invalid_token_gets_the_same_challenge() {
    let key = SigningKey::new("a");
    let mut bench = Bench::with_keys(&config(), [&key]);
    let challenge =
        |bench: &mut Bench, token: &str| challenge(&bench.reply(bearing("/mcp", token)));
    let malformed = challenge(&mut bench, "x");
    for members in [
        json!({"exp": 1}),
        json!({"nbf": 9_000_000_000_u64}),
        json!({"aud": "other"}),
        json!({"iss": "other"}),
        json!({"sub": 1}),
    ] {
        assert_eq!(challenge(&mut bench, &key.sign(&claims_with(members))), malformed);
    }
    for header in [json!({"alg": "none"}), json!({"alg": "EdDSA", "kid": "a", "typ": "id+jwt"})] {
        assert_eq!(challenge(&mut bench, &key.sign_under(&header, &claims())), malformed);
    }
}

#[test]
fn challenges_name_the_identifiers_origin_whatever_the_host_header_says() {
    let head = RequestHead::new(
        [(":method", "GET"), (":path", "/mcp"), (":authority", "evil.example")]
            .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
            .into(),
    );
    let challenge = challenge(&Bench::new(&config()).reply(head));
    assert!(challenge.contains(r#"resource_metadata="https://mcp.example.com/.well-known/"#));
}

#[test]
fn the_root_document_is_of_the_first_resource_if_none_has_no_path() {
    let reply = Bench::new(&config()).reply(head("GET", ROOT, &[]));
    let document: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(document["resource"], "https://mcp.example.com/mcp");
}

#[test]
fn the_root_document_is_of_the_resource_without_a_path() {
    let config = config_with(|c| {
        let mut whole = c["resources"][0].clone();
        whole["path"] = json!("/");
        whole["resource"] = json!("https://mcp.example.com");
        c["resources"].as_array_mut().unwrap().push(whole);
    });
    let reply = Bench::new(&config).reply(head("GET", ROOT, &[]));
    let document: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(document["resource"], "https://mcp.example.com");
}

#[test]
fn documents_lie_at_exact_paths_only() {
    let mut bench = Bench::new(&config());
    for path in [format!("{METADATA}/"), format!("{METADATA}/x"), format!("{ROOT}/")] {
        assert_eq!(bench.reply(head("GET", &path, &[])).status, 404, "{path}");
    }
    assert_eq!(bench.reply(head("GET", &format!("{METADATA}?x=y"), &[])).status, 200);
}

#[test]
fn replies_are_never_stored() {
    for head in [head("GET", "/mcp", &[]), head("GET", "/x", &[]), head("GET", METADATA, &[])] {
        let reply = Bench::new(&config()).reply(head);
        assert!(reply.headers.contains(&("cache-control", "no-store".to_owned())));
        assert!(reply.headers.contains(&("content-type", "application/json".to_owned())));
    }
}

const ROOT: &str = "/.well-known/oauth-protected-resource";
const METADATA: &str = "/.well-known/oauth-protected-resource/mcp";

/// A resource that uses all that a client gets to see.
fn config() -> Value {
    config_with(|c| {
        c["resources"][0]["scopes"] = json!(["mcp:read", "mcp:write"]);
        c["resources"][0]["name"] = json!("Example MCP server");
        c["resources"][0]["origins"] = json!(["https://app.example"]);
    })
}

fn shown(head: RequestHead) -> String {
    let mut bench = Bench::with_keys(&config(), [&SigningKey::new("a")]);
    match bench.send(head).expect("it is decided at once") {
        Outcome { decision: Decision::Reply(reply), .. } => text(&reply),
        forwarded => panic!("{forwarded:?}"),
    }
}

fn text(reply: &LocalReply) -> String {
    let headers = reply.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
    format!("{}\n{}\n{}", reply.status, headers.collect::<String>(), reply.body)
}

fn challenge(reply: &LocalReply) -> String {
    let challenge = reply.headers.iter().find(|(name, _)| *name == "www-authenticate");
    challenge.expect("it is challenged").1.clone()
}
