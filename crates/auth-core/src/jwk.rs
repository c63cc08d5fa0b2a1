//! JSON Web Keys (RFC 7517) as verification keys: what a key may verify is decided here, once,
//! when it is read. A key that this module does not understand or does not trust does not exist.

use ed25519_dalek::VerifyingKey as Ed25519Key;
use p256::ecdsa::VerifyingKey as P256Key;
use rsa::{BigUint, RsaPublicKey, traits::PublicKeyParts};
use serde_json::{Map, Value, value::RawValue};

use crate::{algorithm::Algorithm, b64, der, json};

/// Keys read from one set at most; more are not looked at.
const MOST_KEYS: usize = 100;
/// Longest `kid` that is kept.
const LONGEST_KID: usize = 512;
/// RFC 7518 §3.3 asks for 2048 bits or more; past 8192 a verification costs too much.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// `AlgorithmIdentifier`s as DER: a sequence of an object identifier and parameters.
mod key_type {
    /// `rsaEncryption` with NULL (RFC 3279 §2.3.1).
    pub(super) const RSA: &[u8] =
        &[0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 5, 0];
    /// `id-ecPublicKey` with `secp256r1` (RFC 5480 §2.1.1).
    pub(super) const P256: &[u8] = &[
        0x30, 19, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 6, 8, 0x2a, 0x86, 0x48, 0xce,
        0x3d, 0x03, 0x01, 0x07,
    ];
    /// `id-ecPublicKey` with `secp384r1`.
    pub(super) const P384: &[u8] = &[
        0x30, 16, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 6, 5, 0x2b, 0x81, 0x04, 0x00,
        0x22,
    ];
    /// `id-ecPublicKey` with `secp521r1`.
    pub(super) const P521: &[u8] = &[
        0x30, 16, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 6, 5, 0x2b, 0x81, 0x04, 0x00,
        0x23,
    ];
    /// `id-Ed25519` (RFC 8410 §3).
    pub(super) const ED25519: &[u8] = &[0x30, 5, 6, 3, 0x2b, 0x65, 0x70];
}

/// A public key that may verify signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerificationKey {
    kid: Option<String>,
    alg: Option<Algorithm>,
    material: Material,
    spki: Vec<u8>,
}

/// The key itself, by type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Material {
    /// RSA, 2048 to 8192 bits.
    Rsa(Box<RsaPublicKey>),
    /// A point on P-256.
    P256(Box<P256Key>),
    /// A P-384 key; only the host can verify with it, from [`VerificationKey::spki`].
    P384,
    /// A P-521 key; only the host can verify with it, from [`VerificationKey::spki`].
    P521,
    /// Ed25519.
    Ed25519(Box<Ed25519Key>),
}

/// Why a JWK is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Not an object, a member twice, or a member of the wrong type.
    #[error("it is not a well-formed JWK")]
    Malformed,
    /// A required member is missing or cannot be decoded.
    #[error("its member `{0}` is missing or malformed")]
    Member(&'static str),
    /// `kty` or `crv` names something that signs no token here.
    #[error("its key type or curve is not supported")]
    Kind,
    /// `use`, `key_ops` or `alg` keep it from verifying tokens.
    #[error("its `use`, `key_ops` or `alg` does not let it verify signatures")]
    Purpose,
    /// RSA under 2048 or over 8192 bits, or an exponent that is not sensible.
    #[error("its RSA modulus or exponent is outside the accepted range (2048 to 8192 bits)")]
    RsaSize,
    /// Not a point of its curve, or one of small order.
    #[error("it is no valid point of its curve")]
    Point,
    /// The private part is published with it.
    #[error("it contains its private part, so anybody may sign with it")]
    Private,
}

/// Why a document is not a key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAKeySet {
    /// Not JSON with an array `keys`.
    #[error("it is not a JWK set")]
    Malformed,
    /// None of its keys can be used.
    #[error("it holds no usable key")]
    Empty,
}

/// An entry of a JWK set.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key id that it carries, also if it is not usable.
    pub kid: Option<String>,
    /// The key, or why there is none.
    pub key: Result<VerificationKey, Unusable>,
}

/// Reads a JWK set (RFC 7517 §5) for its keys.
///
/// # Errors
/// [`NotAKeySet`] if there is no array of keys or not one usable key in it.
pub fn parse_set(document: &[u8]) -> Result<Vec<VerificationKey>, NotAKeySet> {
    let entries = read_set(document)?.into_iter();
    let keys: Vec<_> = entries.filter_map(|entry| entry.key.ok()).collect();
    if keys.is_empty() { Err(NotAKeySet::Empty) } else { Ok(keys) }
}

/// Reads a JWK set, the keys that cannot be used included. Each key is read on its own, so that an
/// odd one costs only itself.
///
/// # Errors
/// [`NotAKeySet::Malformed`] if there is no array of keys.
pub fn read_set(document: &[u8]) -> Result<Vec<Entry>, NotAKeySet> {
    let keys = json::raw::items(document, "keys").ok_or(NotAKeySet::Malformed)?;
    let entry = |raw: &RawValue| match json::parse_object(raw.get().as_bytes()) {
        Err(_) => Entry { kid: None, key: Err(Unusable::Malformed) },
        Ok(jwk) => {
            let kid = jwk.get("kid").and_then(Value::as_str).map(str::to_owned);
            Entry { kid, key: VerificationKey::parse(&jwk) }
        }
    };
    Ok(keys.into_iter().take(MOST_KEYS).map(entry).collect())
}

impl VerificationKey {
    /// Reads one JWK.
    ///
    /// # Errors
    /// [`Unusable`] says why the key does not exist for us.
    pub fn parse(jwk: &Map<String, Value>) -> Result<Self, Unusable> {
        if ["d", "k", "p", "q"].iter().any(|private| jwk.contains_key(*private)) {
            return Err(Unusable::Private);
        }
        let kid = text(jwk, "kid")?;
        if kid.is_some_and(|kid| kid.len() > LONGEST_KID) {
            return Err(Unusable::Member("kid"));
        }
        let alg = purpose(jwk)?;
        let (material, spki) = match text(jwk, "kty")? {
            Some("RSA") => rsa(jwk)?,
            Some("EC") => ec(jwk)?,
            Some("OKP") => okp(jwk)?,
            Some(_) => return Err(Unusable::Kind),
            None => return Err(Unusable::Member("kty")),
        };
        let key = Self { kid: kid.map(str::to_owned), alg, material, spki };
        match alg {
            Some(alg) if !key.fits(alg) => Err(Unusable::Purpose),
            _ => Ok(key),
        }
    }

    /// The key id it carries.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether it may verify signatures of `algorithm`: the type of key decides, and its own `alg`.
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        use Algorithm as A;
        let by_type = match self.material {
            Material::Rsa(_) => {
                matches!(algorithm, A::Rs256 | A::Rs384 | A::Rs512 | A::Ps256 | A::Ps384 | A::Ps512)
            }
            Material::P256(_) => algorithm == A::Es256,
            Material::P384 => algorithm == A::Es384,
            Material::P521 => algorithm == A::Es512,
            Material::Ed25519(_) => algorithm == A::EdDsa,
        };
        by_type && self.alg.is_none_or(|own| own == algorithm)
    }

    /// The key itself.
    pub fn material(&self) -> &Material {
        &self.material
    }

    /// The key as X.509 `SubjectPublicKeyInfo`, DER (RFC 5280 §4.1.2.7).
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }
}

/// A member that must be a string where it is there.
fn text<'a>(jwk: &'a Map<String, Value>, name: &'static str) -> Result<Option<&'a str>, Unusable> {
    match jwk.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Unusable::Member(name)),
    }
}

fn bytes(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, Unusable> {
    text(jwk, name)?.and_then(b64::decode).ok_or(Unusable::Member(name))
}

/// `use`, `key_ops` and `alg`, which may only narrow what a key is for (RFC 7517 §4.2–4.4).
fn purpose(jwk: &Map<String, Value>) -> Result<Option<Algorithm>, Unusable> {
    if text(jwk, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err(Unusable::Purpose);
    }
    match jwk.get("key_ops") {
        None => {}
        Some(Value::Array(ops)) if ops.iter().any(|op| op == "verify") => {}
        Some(Value::Array(_)) => return Err(Unusable::Purpose),
        Some(_) => return Err(Unusable::Member("key_ops")),
    }
    text(jwk, "alg")?.map(str::parse).transpose().map_err(|_| Unusable::Purpose)
}

fn rsa(jwk: &Map<String, Value>) -> Result<(Material, Vec<u8>), Unusable> {
    let (modulus, exponent) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
    let (n, e) = (BigUint::from_bytes_be(&modulus), BigUint::from_bytes_be(&exponent));
    let key = RsaPublicKey::new_with_max_size(n, e, *RSA_BITS.end())
        .ok()
        .filter(|key| RSA_BITS.contains(&key.n().bits()) && key.e() >= &BigUint::from(3_u32))
        .ok_or(Unusable::RsaSize)?;
    let numbers = der::sequence(&[&der::unsigned(&modulus), &der::unsigned(&exponent)]);
    Ok((Material::Rsa(Box::new(key)), spki(key_type::RSA, &numbers)))
}

fn ec(jwk: &Map<String, Value>) -> Result<(Material, Vec<u8>), Unusable> {
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    let (key_type, size) = match text(jwk, "crv")? {
        Some("P-256") => (key_type::P256, 32),
        Some("P-384") => (key_type::P384, 48),
        Some("P-521") => (key_type::P521, 66),
        Some(_) => return Err(Unusable::Kind),
        None => return Err(Unusable::Member("crv")),
    };
    if x.len() != size || y.len() != size {
        return Err(Unusable::Point);
    }
    let point = [&[4], &x[..], &y[..]].concat();
    let material = match size {
        32 => {
            Material::P256(Box::new(P256Key::from_sec1_bytes(&point).map_err(|_| Unusable::Point)?))
        }
        48 => Material::P384,
        _ => Material::P521,
    };
    Ok((material, spki(key_type, &point)))
}

fn okp(jwk: &Map<String, Value>) -> Result<(Material, Vec<u8>), Unusable> {
    match text(jwk, "crv")? {
        Some("Ed25519") => {}
        Some(_) => return Err(Unusable::Kind),
        None => return Err(Unusable::Member("crv")),
    }
    let x = bytes(jwk, "x")?;
    let key = Ed25519Key::try_from(x.as_slice()).map_err(|_| Unusable::Point)?;
    if key.is_weak() {
        return Err(Unusable::Point);
    }
    Ok((Material::Ed25519(Box::new(key)), spki(key_type::ED25519, &x)))
}

/// `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7): the type, then the key as a string of whole bytes.
fn spki(key_type: &[u8], key: &[u8]) -> Vec<u8> {
    const BIT_STRING: u8 = 0x03;
    const UNUSED_BITS: &[u8] = &[0];
    der::sequence(&[key_type, &der::element(BIT_STRING, &[UNUSED_BITS, key])])
}
