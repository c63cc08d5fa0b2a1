//! Signature verification (RFC 7515 §5.2 step 8): the seam between deciding and computing.
//!
//! [`Software`] verifies with jwt-compact's algorithms wherever this crate runs. An adapter whose
//! host is faster supplies its own [`Verify`].

use jwt_compact::{
    AlgorithmSignature,
    alg::{Ed25519, Es256, Rsa},
};

use serde_json::Value;

use crate::{
    algorithm::Algorithm,
    b64, json,
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

/// A signature that is known to be right: the self-test of a [`Verify`] that is not ours.
#[derive(Debug)]
pub struct KnownAnswer {
    algorithm: Algorithm,
    key: VerificationKey,
    signature: Vec<u8>,
}

/// One signature of each RS* and ES* algorithm.
pub fn known_answers() -> Vec<KnownAnswer> {
    let written = json::parse(include_bytes!("known-answers.json"));
    let written = written.expect("the built-in answers are JSON");
    let written = written.as_array().expect("they are a list");
    written.iter().map(|answer| KnownAnswer::read(answer).expect("each of them is whole")).collect()
}

impl KnownAnswer {
    const MESSAGE: &[u8] = b"mcp-auth self-test";

    fn read(written: &Value) -> Option<Self> {
        Some(Self {
            algorithm: written["alg"].as_str()?.parse().ok()?,
            key: VerificationKey::parse(written["jwk"].as_object()?).ok()?,
            signature: b64::decode(written["signature"].as_str()?)?,
        })
    }

    /// Whether `verifier` accepts the signature and refuses it over another message, with a byte
    /// changed, and empty.
    pub fn holds_for(&self, verifier: &dyn Verify) -> bool {
        let verify = |message: &[u8], signature: &[u8]| {
            verifier.verify(self.algorithm, &self.key, message, signature)
        };
        let mut changed = self.signature.clone();
        changed.iter_mut().take(1).for_each(|byte| *byte ^= 1);
        verify(Self::MESSAGE, &self.signature)
            && !verify(b"another message", &self.signature)
            && !verify(Self::MESSAGE, &changed)
            && !verify(Self::MESSAGE, &[])
    }

    /// What it is an answer for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_hold_for_what_can_be_computed() {
        let answers = known_answers();
        assert_eq!(answers.len(), 6);
        for answer in answers {
            assert_eq!(
                answer.holds_for(&Software),
                Software.supports(answer.algorithm()),
                "{}",
                answer.algorithm()
            );
        }
    }

    #[test]
    fn a_verifier_that_accepts_everything_fails_the_self_test() {
        struct Gullible;
        impl Verify for Gullible {
            fn verify(&self, _: Algorithm, _: &VerificationKey, _: &[u8], _: &[u8]) -> bool {
                true
            }

            fn supports(&self, _: Algorithm) -> bool {
                true
            }
        }
        assert!(known_answers().iter().all(|answer| !answer.holds_for(&Gullible)));
    }
}
