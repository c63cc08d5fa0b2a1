//! What may not be read off a debug text or an error: tokens and the sidecar's secret.

use auth_core::{
    config::Config,
    jws::{CompactJws, UntrustedJwt},
};
use serde_json::json;

use crate::support::{Bench, bearing, claims, config_with, signing::SigningKey};

#[test]
fn a_request_shows_no_token() {
    let token = SigningKey::new("a").sign(&claims());
    let shown = format!("{:?}", bearing("/mcp", &token));
    assert_eq!(shown, r#"{":method", ":authority", ":path", "authorization"}"#);
}

#[test]
fn a_token_taken_apart_shows_neither_claims_nor_signature() {
    let token = SigningKey::new("a").sign(&claims());
    let jws = CompactJws::decode(&token).expect("it is a JWS");
    let shown = format!("{:?}", UntrustedJwt::read(&jws).expect("it is a JWT"));
    let secret = |part: &&str| part.len() > 20 && shown.contains(*part);
    assert!(!shown.contains("alice") && !token.split('.').any(|part| secret(&part)), "{shown}");
}

#[test]
fn a_call_to_the_sidecar_shows_no_secret() {
    let config = config_with(|config| {
        config["sessions"] = json!({"cluster": "mcp-auth", "token": "open-sesame"});
    });
    let due = Bench::new(&config).due();
    assert!(due.iter().any(|fetch| fetch.headers.iter().any(|(_, v)| v.contains("open-sesame"))));
    assert!(!format!("{due:?}").contains("open-sesame"));
}

#[test]
fn a_secret_of_the_wrong_type_is_refused_without_being_quoted() {
    for secret in [json!(8_675_309), json!({"value": "open-sesame"}), json!(["open-sesame"])] {
        let config = config_with(|config| {
            config["sessions"] = json!({"cluster": "mcp-auth", "token": secret});
        });
        let refused = Config::parse(config.to_string().as_bytes()).expect_err("it is refused");
        assert!(refused.field.starts_with("sessions.token"), "{refused}");
        let quoted = |text: &str| refused.problem.contains(text);
        assert!(!quoted("8675309") && !quoted("open-sesame"), "{refused}");
    }
}
