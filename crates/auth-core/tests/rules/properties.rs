//! What holds for any input: nothing unverified reaches a resource, inbound identity headers never
//! survive, nothing panics.

use std::sync::LazyLock;

use auth_core::{
    config::Config, decision::Decision, identity_header::IdentityHeader, request_head::RequestHead,
};
use proptest::prelude::{any, prop, proptest};
use serde_json::json;

use crate::support::{
    Bench, bearing, claims, config, config_with,
    signing::{SigningKey, encode},
};

static TOKEN: LazyLock<String> = LazyLock::new(|| SigningKey::new("a").sign(&claims()));

proptest! {
    #[test]
    fn arbitrary_tokens_are_never_forwarded(token in any::<String>()) {
        assert_ne!(ready().verdict(&token), "allowed");
    }

    #[test]
    fn arbitrary_headers_and_claims_under_our_kid_are_never_forwarded(
        claims in any::<Vec<u8>>(),
        signature in any::<Vec<u8>>(),
    ) {
        let header = encode(br#"{"alg":"EdDSA","kid":"a"}"#);
        let token = format!("{header}.{}.{}", encode(&claims), encode(&signature));
        assert_ne!(ready().verdict(&token), "allowed");
    }

    #[test]
    fn a_token_with_a_byte_changed_is_never_forwarded(
        at in any::<prop::sample::Index>(),
        by in "[A-Za-z0-9_.=-]",
    ) {
        let mut token = TOKEN.clone();
        let at = at.index(token.len());
        token.replace_range(at..=at, &by);
        let verdict = ready().verdict(&token);
        assert!(token == *TOKEN || verdict != "allowed", "{token}");
    }

    #[test]
    fn a_token_cut_or_lengthened_is_never_forwarded(
        at in any::<prop::sample::Index>(),
        more in "[A-Za-z0-9_.-]{1,5}",
    ) {
        let mut bench = ready();
        assert_eq!(bench.verdict(&TOKEN), "allowed");
        assert_ne!(bench.verdict(&TOKEN[..at.index(TOKEN.len())]), "allowed");
        assert_ne!(bench.verdict(&format!("{}{more}", *TOKEN)), "allowed");
    }

    #[test]
    fn a_signature_of_another_key_is_never_forwarded(seed in "[a-z]{1,8}", user in any::<String>()) {
        let mut claims = claims();
        claims["preferred_username"] = json!(user);
        let header = json!({"alg": "EdDSA", "kid": "a"});
        let token = SigningKey::nameless(&format!("not a, but {seed}")).sign_under(&header, &claims);
        assert_eq!(ready().verdict(&token), "bad_signature");
    }

    #[test]
    fn inbound_identity_headers_never_survive(
        public in any::<bool>(),
        forged in prop::collection::vec(("x[-_](user|client|session)[-_](id|name|email|scopes)", "[ -~]{0,9}"), 0..8),
    ) {
        let mut fields = bearing(if public { "/public" } else { "/mcp" }, &TOKEN);
        let names = forged.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes()));
        fields = RequestHead::new(fields_of(&fields).into_iter().chain(names).collect());
        let before = fields_of(&fields);
        let edits = ready().edits(fields);
        let survives = |name: &str| {
            !edits.remove.iter().any(|gone| gone == name)
                && !edits.set.iter().any(|(set, _)| **set == *name)
        };
        for (name, _) in before.iter().filter(|(name, _)| is_identity(name)) {
            assert!(!survives(name), "{name} in {edits:?}");
        }
        assert_eq!(edits.set.is_empty(), public);
    }

    #[test]
    fn arbitrary_heads_never_panic_and_never_reach_the_resource(
        fields in prop::collection::vec((":?[a-zA-Z_-]{0,14}", any::<Vec<u8>>()), 0..12),
        path in "/(mcp|public)?[ -~]{0,8}",
        authorization in any::<Vec<u8>>(),
    ) {
        let mut fields = fields;
        fields.push((":path".to_owned(), path.into_bytes()));
        fields.push(("authorization".to_owned(), authorization));
        if let Some(outcome) = ready().send(RequestHead::new(fields)) {
            assert!(outcome.user_id.is_none());
            if let Decision::Forward(edits) = outcome.decision {
                assert!(edits.set.is_empty());
            }
        }
    }

    #[test]
    fn arbitrary_configurations_never_panic(document in any::<Vec<u8>>()) {
        assert!(Config::parse(&document).is_err());
    }

    #[test]
    fn arbitrary_key_sets_never_panic(document in any::<Vec<u8>>(), member in any::<String>()) {
        let mut bench = Bench::new(&config());
        bench.answer(&String::from_utf8_lossy(&document));
        let mut jwk = SigningKey::for_algorithm("ES256").jwk();
        for name in ["x", "y", "crv", "kty"] {
            jwk[name] = json!(member);
            bench.answer(&json!({"keys": [jwk]}).to_string());
        }
        assert_ne!(bench.verdict(&TOKEN), "allowed");
    }
}

fn ready() -> Bench {
    let config = config_with(|c| c["public"] = json!(["/public"]));
    Bench::with_keys(&config, [&SigningKey::new("a")])
}

fn fields_of(head: &RequestHead) -> Vec<(String, Vec<u8>)> {
    let value = |name: &str| head.values(name).next().expect("it is there").to_vec();
    head.names().map(|name| (name.to_owned(), value(name))).collect()
}

fn is_identity(name: &str) -> bool {
    ["x-user-id", "x-user-name", "x-user-email", "x-user-scopes", "x-client-id", "x-session-id"]
        .iter()
        .any(|own| IdentityHeader::parse(own, "user_id").expect("it is free").is_imitated_by(name))
}
