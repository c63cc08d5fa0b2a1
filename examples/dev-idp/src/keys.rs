//! Signing keys: made, used, published (RFC 7517) and replaced. Nothing is written to disk.

use std::{collections::VecDeque, sync::Arc};

use clap::ValueEnum;
use jwt_compact::{
    Algorithm as _, AlgorithmExt as _, AlgorithmSignature as _, Claims, Header, UntrustedToken,
    alg::{Es256, Rsa, RsaSignature},
    jwk::JsonWebKey,
};
use p256::ecdsa;
use rand::rngs::OsRng;
use rsa::RsaPrivateKey;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::Sha256;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// Replaced keys that stay published at most.
const MAX_PREVIOUS: usize = 4;

/// What tokens are signed with: RFC 7518 section 3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
pub(crate) enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2,048 bits
    #[value(name = "RS256")]
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on P-256 with SHA-256
    #[value(name = "ES256")]
    #[serde(rename = "ES256")]
    Es256,
}

/// One key of each algorithm, made and replaced together.
#[derive(Clone)]
pub(crate) struct KeyPair {
    rsa: Arc<RsaPrivateKey>,
    rsa_kid: String,
    ec: ecdsa::SigningKey,
    ec_kid: String,
}

impl KeyPair {
    /// Makes new keys; RSA takes some tenths of a second, so not on an async thread.
    pub(crate) fn generate() -> Self {
        let rsa = RsaPrivateKey::new(&mut OsRng, 2048).expect("2,048 bits are a valid RSA size");
        let ec = ecdsa::SigningKey::random(&mut OsRng);
        let rsa_kid = thumbprint(&JsonWebKey::from(&rsa.to_public_key()));
        let ec_kid = thumbprint(&JsonWebKey::from(ec.verifying_key()));
        Self { rsa: Arc::new(rsa), rsa_kid, ec, ec_kid }
    }

    pub(crate) fn kid(&self, algorithm: Algorithm) -> &str {
        match algorithm {
            Algorithm::Rs256 => &self.rsa_kid,
            Algorithm::Es256 => &self.ec_kid,
        }
    }

    /// A compact JWS (RFC 7515) of `claims` under exactly `header`, to which `alg` is added.
    pub(crate) fn sign(
        &self,
        algorithm: Algorithm,
        header: Map<String, Value>,
        claims: Map<String, Value>,
    ) -> String {
        let (header, claims) = (Header::new(header), Claims::new(claims));
        let signed = match algorithm {
            Algorithm::Rs256 => Rsa::rs256().token(&header, &claims, &self.rsa),
            Algorithm::Es256 => Es256.token(&header, &claims, &self.ec),
        };
        signed.expect("maps with string keys are serialisable as JSON")
    }

    /// Whether one of these keys made the signature of `token`.
    fn signed(&self, token: &str, kid: &str) -> bool {
        let Some((message, signature)) = token.rsplit_once('.') else { return false };
        let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
        if kid == self.rsa_kid {
            let key = self.rsa.to_public_key();
            RsaSignature::try_from_slice(&signature)
                .is_ok_and(|s| Rsa::rs256().verify_signature(&s, &key, message.as_bytes()))
        } else if kid == self.ec_kid {
            ecdsa::Signature::from_slice(&signature).is_ok_and(|s| {
                Es256.verify_signature(&s, self.ec.verifying_key(), message.as_bytes())
            })
        } else {
            false
        }
    }

    fn jwks(&self) -> [Value; 2] {
        let rsa = self.rsa.to_public_key();
        let ec = self.ec.verifying_key();
        [
            published(&JsonWebKey::from(&rsa), &self.rsa_kid, "RS256"),
            published(&JsonWebKey::from(ec), &self.ec_kid, "ES256"),
        ]
    }
}

/// The keys that are published: the first pair signs, the others only verify.
pub(crate) struct KeyRing {
    current: KeyPair,
    previous: VecDeque<KeyPair>,
}

impl KeyRing {
    pub(crate) fn new(current: KeyPair) -> Self {
        Self { current, previous: VecDeque::new() }
    }

    pub(crate) fn current(&self) -> &KeyPair {
        &self.current
    }

    /// Signs with `next` from now on. The replaced keys stay published where `keep_old` says so,
    /// the last four of them; else all that came before are dropped.
    pub(crate) fn rotate(&mut self, next: KeyPair, keep_old: bool) {
        let replaced = std::mem::replace(&mut self.current, next);
        if !keep_old {
            self.previous.clear();
            return;
        }
        self.previous.push_front(replaced);
        self.previous.truncate(MAX_PREVIOUS);
    }

    /// The claims of a token that a published key has signed; neither time nor audience is
    /// looked at.
    pub(crate) fn verify(&self, token: &str) -> Option<Map<String, Value>> {
        let kid = UntrustedToken::new(token).ok()?.header().key_id.clone()?;
        if !self.all().any(|pair| pair.signed(token, &kid)) {
            return None;
        }
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        serde_json::from_slice(&payload).ok()
    }

    /// The key set document: RFC 7517 section 5.
    pub(crate) fn jwks(&self) -> Value {
        json!({ "keys": self.all().flat_map(KeyPair::jwks).collect::<Vec<_>>() })
    }

    /// The same key set among keys that no verifier may use, choke on, or take for the right one.
    pub(crate) fn odd_jwks(&self) -> Value {
        let real = self.current.jwks();
        let mut keys = odd_keys(&real[0]);
        keys.extend(self.all().flat_map(KeyPair::jwks));
        json!({ "keys": keys, "odd": true })
    }

    fn all(&self) -> impl Iterator<Item = &KeyPair> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

fn odd_keys(rsa: &Value) -> Vec<Value> {
    let with = |name: &str, value: Value| {
        let mut key = rsa.clone();
        key[name] = value;
        key
    };
    vec![
        Value::Null,
        json!({}),
        json!({ "kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "use": "sig", "kid": rsa["kid"] }),
        json!({ "kty": "FUTURE", "kid": "unknown-type" }),
        json!({ "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA", "kid": "short-point" }),
        json!({ "kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA", "kid": "off-curve" }),
        json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "weak", "alg": "RS256" }),
        json!({ "kty": "RSA", "n": "not base64!", "e": "AQAB", "kid": "garbled" }),
        with("use", json!("enc")),
        with("key_ops", json!(["encrypt"])),
        with("kid", json!(42)),
    ]
}

fn published(jwk: &JsonWebKey<'_>, kid: &str, alg: &str) -> Value {
    let mut key = serde_json::to_value(jwk).expect("a public key is serialisable as JSON");
    key["kid"] = json!(kid);
    key["use"] = json!("sig");
    key["alg"] = json!(alg);
    key
}

/// RFC 7638, so that a key's id says which key it is.
fn thumbprint(jwk: &JsonWebKey<'_>) -> String {
    URL_SAFE_NO_PAD.encode(jwk.thumbprint::<Sha256>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{other_key_pair, test_key_pair};

    #[test]
    fn each_algorithm_signs_what_the_ring_verifies() {
        let ring = KeyRing::new(test_key_pair());
        for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
            let token = signed(ring.current(), algorithm);
            assert_eq!(ring.verify(&token).unwrap()["sub"], "x");
            let tampered = token.replacen("eyJzdWIi", "eyJzdWJi", 1);
            assert_ne!(tampered, token);
            assert_eq!(ring.verify(&tampered), None);
        }
    }

    #[test]
    fn rotation_drops_old_keys_unless_told_to_keep_them() {
        let mut ring = KeyRing::new(test_key_pair());
        let token = signed(ring.current(), Algorithm::Rs256);
        ring.rotate(other_key_pair(), true);
        assert!(ring.verify(&token).is_some());
        assert_eq!(ring.jwks()["keys"].as_array().unwrap().len(), 4);
        ring.rotate(other_key_pair(), false);
        assert!(ring.verify(&token).is_none());
        assert_eq!(ring.jwks()["keys"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn kept_keys_are_bounded() {
        let mut ring = KeyRing::new(test_key_pair());
        for _ in 0..10 {
            ring.rotate(other_key_pair(), true);
        }
        assert_eq!(ring.jwks()["keys"].as_array().unwrap().len(), 2 * (1 + MAX_PREVIOUS));
    }

    #[test]
    fn no_private_member_is_ever_published() {
        let ring = KeyRing::new(test_key_pair());
        for document in [ring.jwks(), ring.odd_jwks()] {
            for key in document["keys"].as_array().unwrap() {
                for private in ["d", "p", "q", "dp", "dq", "qi"] {
                    assert_eq!(key.get(private), None);
                }
            }
        }
    }

    fn signed(pair: &KeyPair, algorithm: Algorithm) -> String {
        let header = json!({ "kid": pair.kid(algorithm) }).as_object().unwrap().clone();
        pair.sign(algorithm, header, json!({ "sub": "x" }).as_object().unwrap().clone())
    }
}
