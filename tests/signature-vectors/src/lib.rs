//! Outsiders' signature vectors in the terms of JOSE: a JWK, an algorithm, a message, a signature. They
//! are Wycheproof's, and the examples of RFC 7515, 7520 and 8037.
//!
//! What a JWS cannot say is left out: other hashes, masks and salts (RFC 7518 §3.3, §3.5), other
//! curves, and ECDSA signatures in DER, since those of a JWS are two numbers side by side (§3.4). The
//! vectors that put these two numbers in every wrong form are here.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wycheproof::{ecdsa, eddsa, rsa_pkcs1_verify as pkcs1, rsa_pss_verify as pss};

/// The cases of a group; each kind of group has a type of its own with the same fields.
macro_rules! cases {
    ($group:expr) => {
        $group
            .tests
            .iter()
            .map(|test| Case {
                id: test.tc_id,
                comment: test.comment.clone(),
                message: encode(&test.msg),
                signature: encode(&test.sig),
                valid: test.result == wycheproof::TestResult::Valid,
            })
            .collect::<Vec<_>>()
    };
}

/// A key with the signatures to try under it.
#[derive(Debug, Serialize)]
pub struct Group {
    /// Wycheproof's name of the set, or the section of the RFC.
    pub set: String,
    /// The JWS algorithm.
    pub alg: String,
    /// The public key.
    pub jwk: Value,
    /// What is tried.
    pub cases: Vec<Case>,
}

/// A signature over a message, and whether it is right.
#[derive(Debug, Serialize)]
pub struct Case {
    /// Wycheproof's number of it, within its set.
    pub id: usize,
    /// What is special about it.
    pub comment: String,
    /// The message, base64url.
    pub message: String,
    /// The signature, base64url.
    pub signature: String,
    /// Whether it has to be accepted. Signatures that Wycheproof calls acceptable (those of an RSA
    /// padding without the NULL that PKCS#1 asks for) have to be refused: one message, one signature.
    pub valid: bool,
}

/// Every vector that a JWS can carry.
pub fn groups() -> Vec<Group> {
    [rsa_pkcs1(), rsa_pss(), ecdsa_p1363(), ed25519(), rfc_examples()]
        .into_iter()
        .flatten()
        .collect()
}

fn rsa_pkcs1() -> Vec<Group> {
    use pkcs1::TestName as N;
    let sets = [
        ("rsa_signature_2048_sha256", "RS256", N::Rsa2048Sha256),
        ("rsa_signature_3072_sha256", "RS256", N::Rsa3072Sha256),
        ("rsa_signature_4096_sha256", "RS256", N::Rsa4096Sha256),
        ("rsa_signature_8192_sha256", "RS256", N::Rsa8192Sha256),
        ("rsa_signature_2048_sha384", "RS384", N::Rsa2048Sha384),
        ("rsa_signature_3072_sha384", "RS384", N::Rsa3072Sha384),
        ("rsa_signature_4096_sha384", "RS384", N::Rsa4096Sha384),
        ("rsa_signature_2048_sha512", "RS512", N::Rsa2048Sha512),
        ("rsa_signature_3072_sha512", "RS512", N::Rsa3072Sha512),
        ("rsa_signature_4096_sha512", "RS512", N::Rsa4096Sha512),
    ];
    let read = |(set, alg, name): (&'static str, &'static str, N)| {
        let groups = pkcs1::TestSet::load(name).expect("the crate's data is readable").test_groups;
        groups.into_iter().map(move |group| Group {
            set: set.to_owned(),
            alg: alg.to_owned(),
            jwk: rsa_key(&group.key.n, &group.key.e),
            cases: cases!(group),
        })
    };
    sets.into_iter().flat_map(read).collect()
}

fn rsa_pss() -> Vec<Group> {
    use pss::TestName as N;
    let sets = [
        ("rsa_pss_2048_sha256_mgf1_32", "PS256", N::RsaPss2048Sha256Mgf1SaltLen32),
        ("rsa_pss_3072_sha256_mgf1_32", "PS256", N::RsaPss3072Sha256Mgf1SaltLen32),
        ("rsa_pss_4096_sha256_mgf1_32", "PS256", N::RsaPss4096Sha256Mgf1SaltLen32),
        ("rsa_pss_2048_sha384_mgf1_48", "PS384", N::RsaPss2048Sha384Mgf1SaltLen48),
        ("rsa_pss_4096_sha384_mgf1_48", "PS384", N::RsaPss4096Sha384Mgf1SaltLen48),
        ("rsa_pss_4096_sha512_mgf1_64", "PS512", N::RsaPss4096Sha512Mgf1SaltLen64),
        // Salts of another length than the hash's: right for PSS, wrong for a JWS.
        ("rsa_pss_2048_sha256_mgf1_0", "PS256", N::RsaPss2048Sha256Mgf1SaltLen0),
        ("rsa_pss_4096_sha512_mgf1_32", "PS512", N::RsaPss4096Sha512Mgf1SaltLen32),
    ];
    let read = |(set, alg, name): (&'static str, &'static str, N)| {
        let groups = pss::TestSet::load(name).expect("the crate's data is readable").test_groups;
        groups.into_iter().map(move |group| {
            let of_the_hash = match alg {
                "PS256" => 32,
                "PS384" => 48,
                _ => 64,
            };
            let mut cases = cases!(group);
            if group.salt_size != of_the_hash {
                // Wrong for Wycheproof, whose parameters it changes, it is what a JWS must have.
                let right = format!("s_len changed to {of_the_hash}");
                cases.iter_mut().for_each(|case| case.valid = case.comment == right);
            }
            let jwk = rsa_key(&group.key.n, &group.key.e);
            Group { set: set.to_owned(), alg: alg.to_owned(), jwk, cases }
        })
    };
    sets.into_iter().flat_map(read).collect()
}

fn ecdsa_p1363() -> Vec<Group> {
    use ecdsa::TestName as N;
    let sets = [
        ("ecdsa_secp256r1_sha256_p1363", "ES256", "P-256", N::EcdsaSecp256r1Sha256P1363),
        ("ecdsa_secp384r1_sha384_p1363", "ES384", "P-384", N::EcdsaSecp384r1Sha384P1363),
        ("ecdsa_secp521r1_sha512_p1363", "ES512", "P-521", N::EcdsaSecp521r1Sha512P1363),
    ];
    let read = |(set, alg, crv, name): (&'static str, &'static str, &'static str, N)| {
        let groups = ecdsa::TestSet::load(name).expect("the crate's data is readable").test_groups;
        groups.into_iter().map(move |group| {
            // The uncompressed point: 4, x, y.
            let (x, y) = group.key.key[1..].split_at(group.key.key.len() / 2);
            let jwk = json!({"kty": "EC", "crv": crv, "x": encode(x), "y": encode(y)});
            Group { set: set.to_owned(), alg: alg.to_owned(), jwk, cases: cases!(group) }
        })
    };
    sets.into_iter().flat_map(read).collect()
}

fn ed25519() -> Vec<Group> {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).expect("the crate's data is readable");
    let read = |group: eddsa::TestGroup| Group {
        set: "ed25519".to_owned(),
        alg: "EdDSA".to_owned(),
        jwk: json!({"kty": "OKP", "crv": "Ed25519", "x": encode(&group.key.pk)}),
        cases: cases!(group),
    };
    set.test_groups.into_iter().map(read).collect()
}

fn rfc_examples() -> Vec<Group> {
    #[derive(Deserialize)]
    struct Example {
        section: String,
        jwk: Value,
        jws: String,
    }

    let examples: Vec<Example> =
        serde_json::from_str(include_str!("rfc-examples.json")).expect("they are readable");
    let read = |Example { section, jwk, jws }| {
        let (message, signature) = jws.rsplit_once('.').expect("a compact JWS has dots");
        let header = message.split('.').next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let header: Value = serde_json::from_slice(&header.expect("it is base64url"))
            .expect("a JWS begins with its header");
        let alg = header["alg"].as_str().expect("it names its algorithm").to_owned();
        let case = Case {
            id: 1,
            comment: "example".to_owned(),
            message: encode(message.as_bytes()),
            signature: signature.to_owned(),
            valid: true,
        };
        Group { set: section, alg, jwk, cases: vec![case] }
    };
    examples.into_iter().map(read).collect()
}

fn rsa_key(n: &[u8], e: &[u8]) -> Value {
    json!({"kty": "RSA", "n": encode(n), "e": encode(e)})
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
