//! Which published keys exist for us.

use auth_core::{
    fetch::Report,
    jwk::{Material, Unusable, VerificationKey},
};
use rsa::pkcs8::EncodePublicKey as _;
use serde_json::{Value, json};

use crate::support::{
    Bench, claims, config,
    signing::{SigningKey, encode, jwks},
};

#[test]
fn keys_for_other_purposes_do_not_exist() {
    for (members, why) in [
        (json!({"use": "enc"}), Unusable::Purpose),
        (json!({"use": ""}), Unusable::Purpose),
        (json!({"use": 1}), Unusable::Member("use")),
        (json!({"key_ops": ["sign"]}), Unusable::Purpose),
        (json!({"key_ops": []}), Unusable::Purpose),
        (json!({"key_ops": "verify"}), Unusable::Member("key_ops")),
        (json!({"alg": "RS256"}), Unusable::Purpose),
        (json!({"alg": "none"}), Unusable::Purpose),
        (json!({"alg": "ECDH-ES"}), Unusable::Purpose),
        (json!({"alg": 1}), Unusable::Member("alg")),
        (json!({"kid": 1}), Unusable::Member("kid")),
        (json!({"kid": "k".repeat(513)}), Unusable::Member("kid")),
        (json!({"kty": 1}), Unusable::Member("kty")),
        (json!({"kty": "okp"}), Unusable::Kind),
        (json!({"crv": "X25519"}), Unusable::Kind),
    ] {
        assert_eq!(refused(&ed25519(&members)), why, "{members}");
    }
}

#[test]
fn purposes_that_allow_verifying_are_accepted() {
    for members in [
        json!({"use": "sig"}),
        json!({"key_ops": ["sign", "verify"]}),
        json!({"alg": "EdDSA"}),
        json!({"x5c": ["whatever"], "unknown": {}}),
    ] {
        assert!(parse(&ed25519(&members)).is_ok(), "{members}");
    }
}

#[test]
fn keys_are_handed_on_as_other_libraries_write_them() {
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let key = SigningKey::for_algorithm(algorithm);
        let parsed = parse(&key.jwk()).expect("it is usable");
        let written = match parsed.material() {
            Material::Rsa(key) => key.to_public_key_der(),
            Material::P256(key) => key.to_public_key_der(),
            Material::Ed25519(key) => key.to_public_key_der(),
            Material::P384 | Material::P521 => unreachable!("only a host verifies with these"),
        };
        assert_eq!(parsed.spki(), written.expect("it can be written").as_bytes(), "{algorithm}");
    }
}

#[test]
fn private_keys_are_not_used_by_anybody() {
    for private in ["d", "k", "p", "q"] {
        assert_eq!(refused(&ed25519(&json!({ private: "AAAA" }))), Unusable::Private);
    }
}

#[test]
fn shared_secrets_do_not_exist() {
    assert_eq!(refused(&json!({"kty": "oct"})), Unusable::Kind);
}

#[test]
fn rsa_keys_have_2048_to_8192_bits() {
    let rsa = |bits: usize| {
        let mut n = vec![0xff; bits / 8];
        n[0] = 0x80;
        json!({"kty": "RSA", "n": encode(&n), "e": "AQAB"})
    };
    for bits in [512, 1024, 2040, 8200, 16384] {
        assert_eq!(refused(&rsa(bits)), Unusable::RsaSize, "{bits}");
    }
    for bits in [2048, 3072, 8192] {
        assert!(parse(&rsa(bits)).is_ok(), "{bits}");
    }
}

#[test]
fn zeros_in_front_do_not_lengthen_an_rsa_key() {
    let n = [vec![0; 128], vec![0xff; 128]].concat();
    assert_eq!(refused(&json!({"kty": "RSA", "n": encode(&n), "e": "AQAB"})), Unusable::RsaSize);
}

#[test]
fn an_rsa_exponent_of_one_does_not_sign() {
    let n = encode(&[0xff; 256]);
    for e in [&[][..], &[0], &[1], &[2]] {
        assert_eq!(refused(&json!({"kty": "RSA", "n": n, "e": encode(e)})), Unusable::RsaSize);
    }
}

#[test]
fn points_off_their_curve_do_not_exist() {
    let mut jwk = SigningKey::for_algorithm("ES256").jwk();
    jwk["y"] = jwk["x"].clone();
    assert_eq!(refused(&jwk), Unusable::Point);
    jwk["y"] = json!(encode(&[1; 31]));
    assert_eq!(refused(&jwk), Unusable::Point);
}

#[test]
fn ed25519_points_of_small_order_do_not_exist() {
    let identity = [vec![1], vec![0; 31]].concat();
    let zero = vec![0; 32];
    for point in [identity, zero] {
        assert_eq!(refused(&ed25519(&json!({"x": encode(&point)}))), Unusable::Point);
    }
}

#[test]
fn members_that_cannot_be_decoded_are_named() {
    for x in [json!("+/+/"), json!("AA=="), json!(1), Value::Null] {
        assert_eq!(refused(&ed25519(&json!({ "x": x }))), Unusable::Member("x"), "{x}");
    }
}

#[test]
fn an_odd_key_costs_only_itself() {
    let good = SigningKey::new("good");
    let odd = [
        json!(null),
        json!("key"),
        json!({}),
        json!({"kty": "oct", "k": "AAAA"}),
        json!({"kty": "RSA", "n": "AQ", "e": "AQAB"}),
        json!({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}),
        ed25519(&json!({"use": "enc"})),
    ];
    for odd in odd {
        let set = json!({"keys": [odd, good.jwk()]}).to_string();
        let mut bench = Bench::new(&config());
        assert!(matches!(bench.answer(&set).report, Report::Keys { usable: 1, .. }), "{odd}");
        assert_eq!(bench.verdict(&good.sign(&claims())), "allowed", "{odd}");
    }
}

#[test]
fn a_key_with_a_member_twice_costs_only_itself() {
    let good = SigningKey::new("good");
    let set = format!(r#"{{"keys":[{{"kty":"OKP","kty":"OKP"}},{}]}}"#, good.jwk());
    assert!(matches!(Bench::new(&config()).answer(&set).report, Report::Keys { usable: 1, .. }));
}

#[test]
fn a_kid_matches_only_keys_that_carry_it() {
    let (named, nameless) = (SigningKey::new("a"), SigningKey::nameless("a"));
    let mut bench = Bench::with_keys(&config(), [&nameless]);
    assert_eq!(bench.verdict(&named.sign(&claims())), "waits", "though the key is the same");
}

#[test]
fn a_token_without_kid_is_tried_with_every_key_that_fits() {
    let (rsa, other, own) =
        (SigningKey::for_algorithm("RS256"), SigningKey::new("b"), SigningKey::new("a"));
    let mut bench = Bench::with_keys(&config(), [&rsa, &other, &own]);
    assert_eq!(bench.verdict(&SigningKey::nameless("a").sign(&claims())), "allowed");
    assert_eq!(bench.checks(), 2, "RSA does not fit EdDSA");
}

#[test]
fn a_token_without_kid_is_tried_with_four_keys_at_most() {
    let keys = ["a", "b", "c", "d", "e"].map(SigningKey::new);
    let mut bench = Bench::with_keys(&config(), &keys);
    assert_eq!(bench.verdict(&SigningKey::nameless("d").sign(&claims())), "allowed");
    let before = bench.checks();
    assert_eq!(bench.verdict(&SigningKey::nameless("e").sign(&claims())), "bad_signature");
    assert_eq!(bench.checks() - before, 4);
}

#[test]
fn keys_that_share_a_kid_are_both_tried() {
    let (first, second) = (SigningKey::new("a"), SigningKey::new("b"));
    let mut same_kid = second.jwk();
    same_kid["kid"] = json!("a");
    let mut bench = Bench::new(&config());
    bench.answer(&json!({"keys": [first.jwk(), same_kid]}).to_string());
    let token = second.sign_under(&json!({"alg": "EdDSA", "kid": "a"}), &claims());
    assert_eq!(bench.verdict(&token), "allowed");
}

#[test]
fn keys_past_the_hundredth_are_not_looked_at() {
    let keys: Vec<_> = (0..101).map(|n| SigningKey::nameless(&n.to_string())).collect();
    let report = Bench::new(&config()).answer(&jwks(&keys)).report;
    assert!(matches!(report, Report::Keys { usable: 100, .. }), "{report:?}");
}

/// A good Ed25519 key with these members added or replaced.
fn ed25519(members: &Value) -> Value {
    let mut jwk = SigningKey::new("a").jwk();
    for (name, value) in members.as_object().expect("members are an object") {
        jwk[name] = value.clone();
    }
    jwk
}

fn parse(jwk: &Value) -> Result<VerificationKey, Unusable> {
    VerificationKey::parse(jwk.as_object().expect("it is an object"))
}

fn refused(jwk: &Value) -> Unusable {
    parse(jwk).expect_err("it is not used")
}
