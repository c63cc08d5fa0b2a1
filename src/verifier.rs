//! Who checks signatures: the host's `verify_signature` function where it is there and passes a
//! self-test, and WebAssembly for everything else. This is the one place that picks.
//!
//! The host's function (Envoy and Istio have it) takes a protobuf message: 1 the hash function, 2 the
//! key as SPKI DER, 3 the signature, 4 the text. It knows RSA PKCS#1 v1.5 and ECDSA with DER
//! signatures. It checks neither key sizes nor that the algorithm fits the key: `auth_core::jwk` has
//! done so.

use auth_core::{
    algorithm::Algorithm,
    der,
    jwk::VerificationKey,
    signature::{Software, Verify, known_answers},
};
use log::{info, warn};
use proxy_wasm::hostcalls;

/// Picks the host where it can be trusted to verify.
pub(crate) fn pick() -> Box<dyn Verify> {
    if known_answers().iter().all(|answer| answer.holds_for(&Host)) {
        info!("signatures of RS* and ES* are verified by the host");
        return Box::new(Host);
    }
    warn!("the host does not verify signatures as it should: they are verified in WebAssembly");
    Box::new(Software)
}

/// Verifies by the host what the host can verify, by computation what it cannot.
struct Host;

impl Verify for Host {
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
        use Algorithm as A;
        match algorithm {
            A::Rs256 => call("sha256", key.spki(), signature, message),
            A::Rs384 => call("sha384", key.spki(), signature, message),
            A::Rs512 => call("sha512", key.spki(), signature, message),
            A::Es256 => ecdsa("sha256", 32, key.spki(), signature, message),
            A::Es384 => ecdsa("sha384", 48, key.spki(), signature, message),
            A::Es512 => ecdsa("sha512", 66, key.spki(), signature, message),
            A::Ps256 | A::Ps384 | A::Ps512 | A::EdDsa => {
                Software.verify(algorithm, key, message, signature)
            }
        }
    }

    fn supports(&self, _: Algorithm) -> bool {
        true
    }
}

/// The host wants ECDSA's two numbers as DER (RFC 3279 §2.2.3); JWS has them side by side
/// (RFC 7518 §3.4).
fn ecdsa(hash: &str, size: usize, spki: &[u8], signature: &[u8], message: &[u8]) -> bool {
    if signature.len() != 2 * size {
        return false;
    }
    let (r, s) = signature.split_at(size);
    let pair = der::sequence(&[&der::unsigned(r), &der::unsigned(s)]);
    call(hash, spki, &pair, message)
}

fn call(hash: &str, spki: &[u8], signature: &[u8], message: &[u8]) -> bool {
    let arguments = protobuf(&[hash.as_bytes(), spki, signature, message]);
    match hostcalls::call_foreign_function("verify_signature", Some(&arguments)) {
        // Field 1, a bool, is left out when false; field 2 is an error's text.
        Ok(Some(result)) => result.starts_with(&[0x08, 0x01]),
        Ok(None) | Err(_) => false,
    }
}

/// A protobuf message whose fields 1, 2, … are these bytes.
fn protobuf(fields: &[&[u8]]) -> Vec<u8> {
    let mut message = Vec::with_capacity(fields.iter().map(|field| field.len() + 6).sum());
    for (number, field) in (1_u8..).zip(fields) {
        message.push(number << 3 | 2);
        let mut length = field.len();
        while length >= 0x80 {
            message.push(length as u8 | 0x80);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend_from_slice(field);
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_varints() {
        assert_eq!(protobuf(&[b"a"]), [0x0a, 1, b'a']);
        let long = protobuf(&[b"", &[7; 300]]);
        assert_eq!(long[..5], [0x0a, 0, 0x12, 0xac, 0x02]);
        assert_eq!(long.len(), 5 + 300);
    }
}
