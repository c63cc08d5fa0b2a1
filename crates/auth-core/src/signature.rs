//! Signature verification (RFC 7515 §5.2 step 8): the seam between deciding and computing.
//!
//! [`Software`] verifies with jwt-compact's algorithms wherever this crate runs. An adapter whose
//! host is faster supplies its own [`Verify`].

use jwt_compact::{
    AlgorithmSignature,
    alg::{Ed25519, Es256, Rsa},
};

use crate::{
    algorithm::Algorithm,
    jwk::{Material, VerificationKey},
};

/// Something that checks signatures.
pub trait Verify {
    /// Whether `signature` is `key`'s signature over `message` by `algorithm`. False as well if the
    /// key does not fit the algorithm.
    fn verify(
        &self,
        algorithm: Algorithm,
        key: &VerificationKey,
        message: &[u8],
        signature: &[u8],
    ) -> bool;

    /// Whether it can verify `algorithm` at all.
    fn supports(&self, algorithm: Algorithm) -> bool;
}

/// Verifies by computation, without any host: everything but ES384 and ES512.
#[derive(Clone, Copy, Debug, Default)]
pub struct Software;

impl Verify for Software {
    fn verify(
        &self,
        algorithm: Algorithm,
        key: &VerificationKey,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        if !key.fits(algorithm) {
            return false;
        }
        match key.material() {
            Material::Rsa(key) => {
                rsa(algorithm).is_some_and(|rsa| check(&rsa, key.as_ref(), message, signature))
            }
            Material::P256(key) => check(&Es256, key.as_ref(), message, signature),
            Material::Ed25519(key) => check(&Ed25519, key.as_ref(), message, signature),
            Material::P384 | Material::P521 => false,
        }
    }

    fn supports(&self, algorithm: Algorithm) -> bool {
        !matches!(algorithm, Algorithm::Es384 | Algorithm::Es512)
    }
}

fn rsa(algorithm: Algorithm) -> Option<Rsa> {
    match algorithm {
        Algorithm::Rs256 => Some(Rsa::rs256()),
        Algorithm::Rs384 => Some(Rsa::rs384()),
        Algorithm::Rs512 => Some(Rsa::rs512()),
        Algorithm::Ps256 => Some(Rsa::ps256()),
        Algorithm::Ps384 => Some(Rsa::ps384()),
        Algorithm::Ps512 => Some(Rsa::ps512()),
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512 | Algorithm::EdDsa => None,
    }
}

fn check<A: jwt_compact::Algorithm>(
    algorithm: &A,
    key: &A::VerifyingKey,
    message: &[u8],
    signature: &[u8],
) -> bool {
    if A::Signature::LENGTH.is_some_and(|length| length.get() != signature.len()) {
        return false;
    }
    A::Signature::try_from_slice(signature)
        .is_ok_and(|signature| algorithm.verify_signature(&signature, key, message))
}
