//! The keys that MCP tokens are signed with: ES256 (RFC 7518 §3.4), derived from `JWT_SIGNING_KEY`,
//! so that every replica has the same without a word between them.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use jwt_compact::{
    Algorithm, AlgorithmExt, Claims, Header, UntrustedToken, alg::Es256, jwk::JsonWebKey,
};
use p256::ecdsa::{Signature, SigningKey};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{config::values::Key256, live::Live};

/// Keeps the derived key apart from whatever else may be derived from the same secret.
const INFO: &[u8] = b"mcp-auth es256 v1";

/// The first signs, all verify. `Debug` prints the key ids only.
#[derive(Clone)]
pub struct SigningKeys(Live<Vec<Pair>>);

struct Pair {
    key: SigningKey,
    kid: String,
}

impl SigningKeys {
    /// The keys of these secrets, of which there must be one.
    pub fn derive(secrets: &[Key256]) -> Option<Self> {
        let pairs: Vec<Pair> = secrets.iter().map(Pair::derive).collect();
        (!pairs.is_empty()).then(|| Self(Live::new(pairs)))
    }

    /// From now on the keys of these secrets count, if there are any.
    pub fn replace(&self, secrets: &[Key256]) {
        if !secrets.is_empty() {
            self.0.replace(secrets.iter().map(Pair::derive).collect());
        }
    }

    /// The key ids, that of the signing key first.
    pub fn ids(&self) -> Vec<String> {
        self.0.now().iter().map(|pair| pair.kid.clone()).collect()
    }

    /// A JWT of this type (`typ`, RFC 9068 §2.1) with these claims, signed with the first key.
    pub fn sign(&self, token_type: &str, claims: impl Serialize) -> String {
        let pairs = self.0.now();
        let pair = &pairs[0];
        let header = Header::empty().with_key_id(&*pair.kid).with_token_type(token_type);
        let signed = Es256.token(&header, &Claims::new(claims), &pair.key);
        signed.expect("claims become JSON")
    }

    /// The claims of a JWT of this type that one of the keys has signed, however old it is.
    pub fn verify<T: DeserializeOwned>(&self, token_type: &str, token: &str) -> Option<T> {
        let untrusted = UntrustedToken::new(token).ok()?;
        let header = untrusted.header();
        if untrusted.algorithm() != Es256.name() || header.token_type.as_deref() != Some(token_type)
        {
            return None;
        }
        let pairs = self.0.now();
        let pair = pairs.iter().find(|pair| header.key_id.as_ref() == Some(&pair.kid))?;
        let signature = Signature::from_slice(untrusted.signature_bytes()).ok()?;
        let (signed, _) = token.rsplit_once('.')?;
        if !Es256.verify_signature(&signature, pair.key.verifying_key(), signed.as_bytes()) {
            return None;
        }
        let (_, claims) = signed.split_once('.')?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }

    /// The public keys as a JSON Web Key Set (RFC 7517 §5).
    pub fn published(&self) -> Value {
        json!({"keys": self.0.now().iter().map(Pair::published).collect::<Vec<_>>()})
    }
}

/// The `kid` that the key of this secret is published with.
pub fn key_id(secret: &Key256) -> String {
    Pair::derive(secret).kid
}

impl Pair {
    /// HKDF-SHA256 (RFC 5869) without salt; 32 bytes, big-endian, are the scalar, and the next
    /// counter is taken if they are out of range. That happens once in 2³² keys.
    fn derive(secret: &Key256) -> Self {
        let derivation = Hkdf::<Sha256>::new(None, secret.expose());
        let scalar = |counter: u8| {
            let mut bytes = Zeroizing::new([0; 32]);
            let expanded = derivation.expand_multi_info(&[INFO, &[counter]], bytes.as_mut());
            expanded.expect("HKDF-SHA256 gives up to 8,160 bytes");
            SigningKey::from_slice(bytes.as_ref()).ok()
        };
        let key = (0..=u8::MAX).find_map(scalar).expect("256 scalars are not all out of range");
        let thumbprint = JsonWebKey::from(key.verifying_key()).thumbprint::<Sha256>();
        Self { key, kid: URL_SAFE_NO_PAD.encode(thumbprint) }
    }

    fn published(&self) -> Value {
        let key = JsonWebKey::from(self.key.verifying_key());
        let mut key = serde_json::to_value(key).expect("a JWK becomes JSON");
        for (member, value) in [("kid", self.kid.as_str()), ("alg", "ES256"), ("use", "sig")] {
            key[member] = json!(value);
        }
        key
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

#[cfg(test)]
mod tests {
    use auth_core::jwk::parse_set;

    use super::*;

    const TYPE: &str = "at+jwt";

    fn keys(bytes: &[u8]) -> SigningKeys {
        let secret = |byte: &u8| Key256::from_hex(&format!("{byte:02x}").repeat(32)).unwrap();
        SigningKeys::derive(&bytes.iter().map(secret).collect::<Vec<_>>()).unwrap()
    }

    /// Computed once by other code (Python's `hmac`, and the curve's arithmetic written out).
    #[test]
    fn the_key_is_derived_as_the_contract_says() {
        let secret: String = (0..32).map(|byte| format!("{byte:02x}")).collect();
        let keys = SigningKeys::derive(&[Key256::from_hex(&secret).unwrap()]).unwrap();
        assert_eq!(
            keys.published(),
            json!({"keys": [{
                "kty": "EC",
                "crv": "P-256",
                "x": "67zM64etCBhNfDg-2CL2INL6Wr1NjiGmB_uuUmnSDG4",
                "y": "MLvh2wUlWLHZAADvvOWZGyX00oI-kHPrCiUZxIYlbGw",
                "kid": "EKDhlenW4XpYVoZsXc-N8RSsnEiq3Kg3biuCm0jO0kY",
                "alg": "ES256",
                "use": "sig",
            }]})
        );
    }

    #[test]
    fn the_filter_can_use_what_is_published() {
        let published = keys(&[1, 2]).published().to_string();
        assert_eq!(parse_set(published.as_bytes()).unwrap().len(), 2);
    }

    #[test]
    fn the_first_key_signs_and_all_verify() {
        let old = keys(&[1]).sign(TYPE, json!({"n": 1}));
        let both = keys(&[2, 1]);
        assert_eq!(both.verify::<Value>(TYPE, &old), Some(json!({"n": 1})));
        let new = both.sign(TYPE, json!({"n": 2}));
        assert_eq!(keys(&[2]).verify::<Value>(TYPE, &new), Some(json!({"n": 2})));
        assert_eq!(keys(&[1]).verify::<Value>(TYPE, &new), None);
    }

    #[test]
    fn what_was_not_signed_so_is_not_verified() {
        let keys = keys(&[1]);
        let token = keys.sign(TYPE, json!({"admin": false}));
        let [header, claims, signature]: [&str; 3] =
            token.split('.').collect::<Vec<_>>().try_into().unwrap();
        let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let kid = keys.ids().swap_remove(0);
        let forged = encode(json!({"admin": true}));
        let none = encode(json!({"alg": "none", "typ": TYPE, "kid": kid}));
        let hmac = encode(json!({"alg": "HS256", "typ": TYPE, "kid": kid}));
        for text in [
            "",
            "..",
            "unknown",
            &format!("{header}.{forged}.{signature}"),
            &format!("{none}.{claims}."),
            &format!("{hmac}.{claims}.{signature}"),
            &format!("{header}.{claims}."),
            &keys.sign("JWT", json!({"admin": false})),
        ] {
            assert_eq!(keys.verify::<Value>(TYPE, text), None, "{text}");
        }
        assert!(keys.verify::<Value>(TYPE, &token).is_some());
    }

    #[test]
    fn no_key_is_printed() {
        let shown = format!("{:?}", keys(&[1]));
        assert_eq!(shown, format!("{:?}", keys(&[1]).ids()));
    }
}
