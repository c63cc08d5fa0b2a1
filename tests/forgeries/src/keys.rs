//! Keys: those that an issuer publishes and that must not verify tokens, and those of another issuer.

use rand::{SeedableRng as _, rngs::StdRng};
use rsa::{
    RsaPrivateKey, pkcs1v15,
    signature::{SignatureEncoding as _, Signer as _},
    traits::PublicKeyParts as _,
};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{
    ALGORITHMS, Forgery, ISSUER, STRICT_ISSUER, forgery, honest_claims, honest_header,
    signing::{SigningKey, encode},
    with,
};

/// What `{ISSUER}jwks.json` holds: the good keys, and others that have to be passed over.
pub(crate) fn of_the_issuer() -> Value {
    let good = ALGORITHMS.map(|algorithm| SigningKey::for_algorithm(algorithm).jwk());
    let bad = odd().into_iter().map(|odd| odd.jwk);
    json!({"keys": bad.chain(good).collect::<Vec<_>>()})
}

/// What `{STRICT_ISSUER}jwks.json` holds.
pub(crate) fn of_the_strict_issuer() -> Value {
    json!({"keys": [strict_key().jwk()]})
}

pub(crate) fn all() -> Vec<Forgery> {
    let odd = odd().into_iter().map(|Odd { name, token, reason, .. }| forgery(name, token, reason));
    odd.chain(of_another_issuer()).chain(not_its_own_limits()).collect()
}

/// A key that has to be passed over, and a token that it signed.
struct Odd {
    name: String,
    jwk: Value,
    token: String,
    reason: &'static str,
}

fn odd() -> Vec<Odd> {
    let ec = SigningKey::of_a_stranger("ES256");
    let ed = SigningKey::of_a_stranger("EdDSA");
    let rsa = SigningKey::of_a_stranger("RS256");
    let changes = [
        ("for encryption", &ec, "ES256", json!({"use": "enc"})),
        ("for an unknown use", &ec, "ES256", json!({"use": "SIG"})),
        ("for signing alone", &ec, "ES256", json!({"key_ops": ["sign"]})),
        ("for no operation", &ec, "ES256", json!({"key_ops": []})),
        ("for deriving", &ec, "ES256", json!({"key_ops": ["deriveKey"]})),
        ("with operations as a text", &ec, "ES256", json!({"key_ops": "verify"})),
        ("of another algorithm", &rsa, "RS256", json!({"alg": "PS384"})),
        ("of an encryption algorithm", &rsa, "RS256", json!({"alg": "RSA-OAEP"})),
        ("of a shared-secret algorithm", &rsa, "RS256", json!({"alg": "HS256"})),
        ("with its private part", &ec, "ES256", json!({"d": "AQAB"})),
        ("with a private exponent", &rsa, "RS256", json!({"d": "AQAB"})),
        ("with its primes", &rsa, "RS256", json!({"p": "AQAB", "q": "AQAB"})),
        ("on the wrong curve", &ec, "ES256", json!({"crv": "P-384"})),
        ("on secp256k1", &ec, "ES256", json!({"crv": "secp256k1"})),
        ("beside its curve", &ec, "ES256", json!({"y": encode(&[7; 32])})),
        ("at infinity", &ec, "ES256", json!({"x": encode(&[0; 32]), "y": encode(&[0; 32])})),
        ("with short coordinates", &ec, "ES256", json!({"x": "AQ"})),
        ("without a coordinate", &ec, "ES256", json!({"y": null})),
        ("of a type that it is not", &ec, "ES256", json!({"kty": "OKP"})),
        ("of no type", &ec, "ES256", json!({"kty": null})),
        ("of a shared-secret type", &rsa, "RS256", json!({"kty": "oct", "k": "AQAB"})),
        ("on X25519", &ed, "EdDSA", json!({"crv": "X25519"})),
        ("on Ed448", &ed, "EdDSA", json!({"crv": "Ed448"})),
        ("of small order", &ed, "EdDSA", json!({"x": encode(&[0; 32])})),
        (
            "of the identity",
            &ed,
            "EdDSA",
            json!({"x": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}),
        ),
        ("with the exponent 1", &rsa, "RS256", json!({"e": "AQ"})),
        ("with an even exponent", &rsa, "RS256", json!({"e": "Ag"})),
        ("with the exponent 0", &rsa, "RS256", json!({"e": "AA"})),
        ("with padding in its modulus", &rsa, "RS256", json!({"n": "AQAB=="})),
        ("with a modulus of 0", &rsa, "RS256", json!({"n": "AA"})),
        ("with a number as kid", &ec, "ES256", json!({"kid": 1})),
    ];
    let mut odd: Vec<Odd> = changes
        .into_iter()
        .enumerate()
        .map(|(nth, (name, key, algorithm, change))| {
            let kid = format!("odd-{nth}");
            let header = with(honest_header(algorithm), json!({"kid": kid}));
            let jwk = with(key.jwk(), json!({"kid": kid}));
            Odd {
                name: format!("a key {name}"),
                jwk: with(jwk, change),
                token: key.sign_under(&header, &honest_claims()),
                reason: "unknown_key",
            }
        })
        .collect();
    odd.extend([1024, 1536, 2047].map(weak));
    odd
}

/// An RSA key that is too short.
fn weak(bits: usize) -> Odd {
    let key =
        RsaPrivateKey::new(&mut StdRng::seed_from_u64(bits as u64), bits).expect("bits make a key");
    let kid = format!("rsa-{bits}");
    let header = with(honest_header("RS256"), json!({"kid": kid}));
    let [header, payload] =
        [header, honest_claims()].map(|part| encode(part.to_string().as_bytes()));
    let (n, e) = (encode(&key.n().to_bytes_be()), encode(&key.e().to_bytes_be()));
    let input = format!("{header}.{payload}");
    let signature = pkcs1v15::SigningKey::<Sha256>::new(key).sign(input.as_bytes());
    Odd {
        name: format!("an RSA key of {bits} bits"),
        jwk: json!({"kty": "RSA", "kid": kid, "n": n, "e": e}),
        token: format!("{input}.{}", encode(&signature.to_vec())),
        reason: "unknown_key",
    }
}

fn strict_key() -> SigningKey {
    SigningKey::of_a_stranger("ES256")
}

/// One issuer's key under another's name (RFC 8725 §3.8).
fn of_another_issuer() -> Vec<Forgery> {
    let claims = with(honest_claims(), json!({"iss": STRICT_ISSUER, "iat": null}));
    let theirs = SigningKey::for_algorithm("ES256").sign(&claims);
    let ours = strict_key().sign(&with(honest_claims(), json!({"iss": ISSUER})));
    let unnamed = with(honest_header("ES256"), json!({"kid": null}));
    vec![
        forgery("the issuer's key under the strict issuer's name", theirs, "bad_signature"),
        forgery("the strict issuer's key under the issuer's name", ours, "bad_signature"),
        forgery(
            "the strict issuer's key under the issuer's name, no kid",
            strict_key().sign_under(&unnamed, &honest_claims()),
            "bad_signature",
        ),
    ]
}

/// What the strict issuer's own tokens may not be.
fn not_its_own_limits() -> Vec<Forgery> {
    let claims = |members: Value| {
        let brief = json!({"iss": STRICT_ISSUER, "iat": 3_999_990_000_u64});
        with(with(honest_claims(), brief), members)
    };
    let signed = |claims: Value| strict_key().sign(&claims);
    let eddsa = SigningKey::for_algorithm("EdDSA").sign(&claims(json!({})));
    vec![
        forgery("an algorithm of the other issuer", eddsa, "algorithm_not_allowed"),
        forgery("issued ahead of its time", signed(claims(json!({}))), "not_yet_valid"),
        forgery(
            "a life of seventy years",
            signed(claims(json!({"iat": 1_700_000_000}))),
            "lifetime_too_long",
        ),
        forgery(
            "a life of unknown length",
            signed(claims(json!({"iat": null}))),
            "lifetime_too_long",
        ),
    ]
}
