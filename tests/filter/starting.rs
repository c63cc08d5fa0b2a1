//! Starting: configurations that are refused, and who verifies signatures.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use p384::ecdsa::signature::Signer as _;
use proxy_wasm_testhost::{Response, TestHost};
use serde_json::{Value, json};

use crate::support::{
    assert_denied, claims, config, host, send,
    signing::{SigningKey, encode, jwks},
    start, started,
    verify_signature::{answer, verify_signature},
};

const BY_THE_HOST: &str = "signatures of RS* and ES* are verified by the host";
const IN_WASM: &str = "they are verified in WebAssembly";

#[test]
fn a_bad_configuration_denies_everything_public_paths_too() {
    let mut config = config();
    config["issuers"][0]["leway"] = json!("1m");
    let host = started(&config);
    let key = SigningKey::new("a");
    for path in ["/mcp", "/healthz", "/", "/.well-known/oauth-protected-resource"] {
        let token = format!("Bearer {}", key.sign(&claims()));
        let stream = host.get(path).header("authorization", token).send();
        assert_eq!(stream.reply().status, 503, "{path}");
        assert!(stream.forwarded().is_none(), "{path}");
        assert_eq!(stream.reply().headers.get("retry-after"), Some("10"));
    }
    assert_eq!(host.metrics().counter("mcp_auth.denied.not_configured"), 4);
    assert!(host.misuses().is_empty(), "{:?}", host.misuses());
}

#[test]
fn a_bad_configuration_is_named_in_the_log() {
    let mut config = config();
    config["issuers"][0]["jwks"]["refresh"] = json!("0s");
    assert!(started(&config).logged("issuers[0].jwks.refresh: a duration of zero"));
}

#[test]
fn ids_that_can_be_searched_are_warned_of_at_start() {
    let warned = |given: &Value| started(given).logged("user_id_hash_digits: whoever may choose");
    let mut config = config();
    assert!(warned(&config));
    config["user_id_hash_digits"] = json!(16);
    assert!(!warned(&config));
    config["user_id_hash_digits"] = json!(8);
    config["issuers"][0]["username_claims"] = json!(["sub"]);
    assert!(!warned(&config), "the provider chooses it");
}

#[test]
fn no_configuration_at_all_denies_everything() {
    for document in ["", "{", "[]", "null", "\u{0}"] {
        let host = start(TestHost::new(mcp_auth_filter::register).plugin_configuration(document));
        assert_eq!(host.get("/healthz").send().reply().status, 503, "{document:?}");
        assert!(host.logged("configuration refused"), "{document:?}");
    }
}

#[test]
fn a_bad_configuration_makes_no_calls() {
    let host = started(&json!({"issuers": []}));
    host.advance(std::time::Duration::from_secs(60));
    assert!(host.all_calls().is_empty());
}

#[test]
fn a_host_without_the_function_leaves_it_to_wasm() {
    let host = started(&config());
    assert!(host.logged(IN_WASM) && !host.logged(BY_THE_HOST));
}

#[test]
fn a_host_that_accepts_everything_is_not_trusted() {
    let host =
        start(host(&config()).foreign_function("verify_signature", |_| Ok(Some(answer(true)))));
    assert!(host.logged(IN_WASM));
    let key = SigningKey::for_algorithm("RS256");
    host.answer(&host.take_call(), Response::ok(jwks([&key])));
    let forged = SigningKey::for_algorithm("RS512").sign_under(&json!({"alg": "RS256"}), &claims());
    assert_denied(&send(&host, &forged), 401, "bad_signature");
}

#[test]
fn a_host_that_refuses_everything_is_not_trusted() {
    let host =
        start(host(&config()).foreign_function("verify_signature", |_| Ok(Some(answer(false)))));
    assert!(host.logged(IN_WASM));
    let key = SigningKey::for_algorithm("RS256");
    host.answer(&host.take_call(), Response::ok(jwks([&key])));
    assert!(send(&host, &key.sign(&claims())).forwarded().is_some());
}

#[test]
fn a_host_that_answers_nonsense_is_not_trusted() {
    for nonsense in [None, Some(vec![]), Some(vec![0x12, 1, b'x']), Some(vec![8])] {
        let host =
            host(&config()).foreign_function("verify_signature", move |_| Ok(nonsense.clone()));
        assert!(start(host).logged(IN_WASM));
    }
}

#[test]
fn a_host_that_verifies_rightly_is_used() {
    let host = start(host(&config()).foreign_function("verify_signature", verify_signature));
    assert!(host.logged(BY_THE_HOST) && !host.logged(IN_WASM));
}

#[test]
fn the_host_and_wasm_agree_on_every_algorithm() {
    let algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "EdDSA"];
    let keys = algorithms.map(SigningKey::for_algorithm);
    let by_the_host = start(host(&config()).foreign_function("verify_signature", verify_signature));
    for host in [by_the_host, started(&config())] {
        host.answer(&host.take_call(), Response::ok(jwks(&keys)));
        for (algorithm, key) in algorithms.iter().zip(&keys) {
            let token = key.sign(&claims());
            assert!(send(&host, &token).forwarded().is_some(), "{algorithm}");
            let (_, signature) = token.rsplit_once('.').expect("a token has a signature");
            let mut of_another = claims();
            of_another["preferred_username"] = json!("mallory");
            let message = key.sign(&of_another);
            let (message, _) = message.rsplit_once('.').expect("a token has a signature");
            assert_denied(&send(&host, &format!("{message}.{signature}")), 401, "bad_signature");
        }
    }
}

#[test]
fn a_cached_token_costs_the_host_no_signature_check() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let counted = move |arguments: &[u8]| {
        counter.fetch_add(1, Ordering::Relaxed);
        verify_signature(arguments)
    };
    let host = start(host(&config()).foreign_function("verify_signature", counted));
    let key = SigningKey::for_algorithm("ES256");
    host.answer(&host.take_call(), Response::ok(jwks([&key])));
    let self_test = calls.load(Ordering::Relaxed);
    let token = key.sign(&claims());
    for _ in 0..5 {
        assert!(send(&host, &token).forwarded().is_some());
    }
    assert_eq!(calls.load(Ordering::Relaxed) - self_test, 1);
    assert_eq!(host.all_calls().len(), 1, "and no fetch but the first");
}

#[test]
fn es384_is_verified_where_the_host_can() {
    let mut config = config();
    config["issuers"][0]["algorithms"] = json!(["ES384"]);
    let host = start(host(&config).foreign_function("verify_signature", verify_signature));
    host.answer(&host.take_call(), Response::ok(json!({"keys": [es384().jwk]}).to_string()));
    assert!(send(&host, &es384().sign(&claims())).forwarded().is_some());
    let mut forged = es384().sign(&claims());
    forged.replace_range(forged.len() - 8..forged.len() - 4, "AAAA");
    assert_denied(&send(&host, &forged), 401, "bad_signature");
}

#[test]
fn es384_without_such_a_host_is_refused_at_the_start() {
    for algorithm in ["ES384", "ES512"] {
        let mut config = config();
        config["issuers"][0]["algorithms"] = json!(["RS256", algorithm]);
        let host = started(&config);
        assert!(host.logged(&format!("issuers[0].algorithms: {algorithm} needs a host")));
        assert_eq!(host.get("/healthz").send().reply().status, 503);
    }
}

struct Es384 {
    key: p384::ecdsa::SigningKey,
    jwk: Value,
}

fn es384() -> Es384 {
    let key = p384::ecdsa::SigningKey::from_slice(&[7; 48]).expect("it is a scalar");
    let point = key.verifying_key().to_encoded_point(false);
    let [x, y] = [point.x(), point.y()].map(|c| encode(c.expect("not at infinity")));
    Es384 { key, jwk: json!({"kty": "EC", "crv": "P-384", "x": x, "y": y}) }
}

impl Es384 {
    fn sign(&self, claims: &Value) -> String {
        let parts = [json!({"alg": "ES384"}), claims.clone()];
        let [header, claims] = parts.map(|part| encode(part.to_string().as_bytes()));
        let message = format!("{header}.{claims}");
        let signature: p384::ecdsa::Signature = self.key.sign(message.as_bytes());
        format!("{message}.{}", encode(&signature.to_bytes()))
    }
}
