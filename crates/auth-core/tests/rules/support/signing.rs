//! Keys that sign test tokens. The filter's tests share this file; what a token says is up to each.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::Signer as _;
use rand::{SeedableRng as _, rngs::StdRng};
use rsa::{
    RsaPrivateKey,
    signature::{RandomizedSigner as _, SignatureEncoding as _},
    traits::PublicKeyParts as _,
};
use serde_json::{Value, json};
use sha2::{Sha256, Sha384, Sha512};

/// Making an RSA key takes a while, so the tests of a process share one.
static RSA: LazyLock<RsaPrivateKey> = LazyLock::new(|| rsa_key(1));
/// The key of somebody else.
static STRANGERS_RSA: LazyLock<RsaPrivateKey> = LazyLock::new(|| rsa_key(2));

/// A key pair with its key id, used with one algorithm.
pub(crate) struct SigningKey {
    kid: Option<&'static str>,
    algorithm: &'static str,
    material: Material,
}

enum Material {
    Rsa(&'static LazyLock<RsaPrivateKey>),
    P256(p256::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

impl SigningKey {
    /// An Ed25519 key of its own for each `kid`: the one to use where the algorithm does not matter.
    pub(crate) fn new(kid: &'static str) -> Self {
        Self { kid: Some(kid), ..Self::nameless(kid) }
    }

    /// As [`Self::new`], without a `kid` in the key and in its tokens.
    pub(crate) fn nameless(seed: &str) -> Self {
        let material = Material::Ed25519(ed25519_dalek::SigningKey::from_bytes(&bytes(seed)));
        Self { kid: None, algorithm: "EdDSA", material }
    }

    /// The key for one of the algorithms that can be verified without a host.
    pub(crate) fn for_algorithm(algorithm: &'static str) -> Self {
        let material = match algorithm {
            "EdDSA" => Material::Ed25519(ed25519_dalek::SigningKey::from_bytes(&bytes(algorithm))),
            "ES256" => Material::P256(
                p256::ecdsa::SigningKey::from_slice(&bytes(algorithm)).expect("it is a scalar"),
            ),
            _ => Material::Rsa(&RSA),
        };
        Self { kid: Some(algorithm), algorithm, material }
    }

    /// What [`Self::for_algorithm`] gives, by name, but another key.
    pub(crate) fn of_a_stranger(algorithm: &'static str) -> Self {
        let seed = bytes(&format!("stranger {algorithm}"));
        let material = match algorithm {
            "EdDSA" => Material::Ed25519(ed25519_dalek::SigningKey::from_bytes(&seed)),
            "ES256" => {
                Material::P256(p256::ecdsa::SigningKey::from_slice(&seed).expect("it is a scalar"))
            }
            _ => Material::Rsa(&STRANGERS_RSA),
        };
        Self { kid: Some(algorithm), algorithm, material }
    }

    /// The public key.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = match &self.material {
            Material::Rsa(key) => json!({
                "kty": "RSA",
                "n": encode(&key.n().to_bytes_be()),
                "e": encode(&key.e().to_bytes_be()),
            }),
            Material::P256(key) => {
                let point = key.verifying_key().to_encoded_point(false);
                let [x, y] = [point.x(), point.y()].map(|c| encode(c.expect("not at infinity")));
                json!({"kty": "EC", "crv": "P-256", "x": x, "y": y})
            }
            Material::Ed25519(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(key.verifying_key().as_bytes())})
            }
        };
        if let Some(kid) = self.kid {
            jwk["kid"] = json!(kid);
        }
        jwk
    }

    /// A token with these claims.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let mut header = json!({"alg": self.algorithm, "typ": "JWT"});
        if let Some(kid) = self.kid {
            header["kid"] = json!(kid);
        }
        self.sign_under(&header, claims)
    }

    /// A token with this header and these claims.
    pub(crate) fn sign_under(&self, header: &Value, claims: &Value) -> String {
        let [header, claims] = [header, claims].map(|part| encode(part.to_string().as_bytes()));
        let message = format!("{header}.{claims}");
        format!("{message}.{}", encode(&self.signature(message.as_bytes())))
    }

    /// The signature of any bytes.
    pub(crate) fn signature(&self, message: &[u8]) -> Vec<u8> {
        match &self.material {
            Material::Ed25519(key) => key.sign(message).to_vec(),
            Material::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_vec()
            }
            Material::Rsa(key) => rsa_signature(self.algorithm, key, message),
        }
    }
}

fn rsa_signature(algorithm: &str, key: &RsaPrivateKey, message: &[u8]) -> Vec<u8> {
    use rsa::{pkcs1v15, pss};
    let rng = &mut StdRng::seed_from_u64(2);
    let key = key.clone();
    match algorithm {
        "RS256" => pkcs1v15::SigningKey::<Sha256>::new(key).sign(message).to_vec(),
        "RS384" => pkcs1v15::SigningKey::<Sha384>::new(key).sign(message).to_vec(),
        "RS512" => pkcs1v15::SigningKey::<Sha512>::new(key).sign(message).to_vec(),
        "PS256" => pss::SigningKey::<Sha256>::new(key).sign_with_rng(rng, message).to_vec(),
        "PS384" => pss::SigningKey::<Sha384>::new(key).sign_with_rng(rng, message).to_vec(),
        "PS512" => pss::SigningKey::<Sha512>::new(key).sign_with_rng(rng, message).to_vec(),
        other => unreachable!("no test signs with {other}"),
    }
}

fn rsa_key(seed: u64) -> RsaPrivateKey {
    RsaPrivateKey::new(&mut StdRng::seed_from_u64(seed), 2048).expect("2048 bits make a key")
}

/// A JWK set of these keys.
pub(crate) fn jwks<'k>(keys: impl IntoIterator<Item = &'k SigningKey>) -> String {
    let keys: Vec<Value> = keys.into_iter().map(SigningKey::jwk).collect();
    json!({ "keys": keys }).to_string()
}

/// Unpadded base64url.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// 32 bytes that differ for each `seed`.
fn bytes(seed: &str) -> [u8; 32] {
    use sha2::Digest as _;
    Sha256::digest(seed).into()
}
