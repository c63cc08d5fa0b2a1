//! Envoy's foreign function `verify_signature`, as Envoy's documentation and sources have it: a
//! protobuf message of 1 hash, 2 key (SPKI DER), 3 signature, 4 text. RSA is PKCS#1 v1.5, ECDSA
//! signatures are DER. A wrong signature is an empty result.

use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use proxy_wasm::types::Status;
use rsa::{Pkcs1v15Sign, RsaPublicKey, pkcs8::DecodePublicKey as _};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// Verifies as Envoy does.
pub(crate) fn verify_signature(arguments: &[u8]) -> Result<Option<Vec<u8>>, Status> {
    let [hash, key, signature, text] = fields(arguments).ok_or(Status::BadArgument)?;
    let right = match hash {
        b"sha256" => verify(Hash::Sha256, key, signature, text),
        b"sha384" => verify(Hash::Sha384, key, signature, text),
        b"sha512" => verify(Hash::Sha512, key, signature, text),
        _ => None,
    };
    Ok(Some(answer(right.is_some())))
}

/// What the function returns.
pub(crate) fn answer(right: bool) -> Vec<u8> {
    if right { vec![0x08, 0x01] } else { Vec::new() }
}

#[derive(Clone, Copy)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

fn verify(hash: Hash, spki: &[u8], signature: &[u8], text: &[u8]) -> Option<()> {
    let (digest, scheme) = match hash {
        Hash::Sha256 => (Sha256::digest(text).to_vec(), Pkcs1v15Sign::new::<Sha256>()),
        Hash::Sha384 => (Sha384::digest(text).to_vec(), Pkcs1v15Sign::new::<Sha384>()),
        Hash::Sha512 => (Sha512::digest(text).to_vec(), Pkcs1v15Sign::new::<Sha512>()),
    };
    if let Ok(key) = RsaPublicKey::from_public_key_der(spki) {
        return key.verify(scheme, &digest, signature).ok();
    }
    // An uncompressed point ends the SPKI of an EC key.
    let point = |size: usize| spki.len().checked_sub(1 + 2 * size).map(|at| &spki[at..]);
    match hash {
        Hash::Sha256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(point(32)?)
            .ok()?
            .verify_prehash(&digest, &p256::ecdsa::Signature::from_der(signature).ok()?)
            .ok(),
        Hash::Sha384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(point(48)?)
            .ok()?
            .verify_prehash(&digest, &p384::ecdsa::Signature::from_der(signature).ok()?)
            .ok(),
        Hash::Sha512 => p521::ecdsa::VerifyingKey::from_sec1_bytes(point(66)?)
            .ok()?
            .verify_prehash(&digest, &p521::ecdsa::Signature::from_der(signature).ok()?)
            .ok(),
    }
}

/// Fields 1 to 4 of a protobuf message that has them in order.
fn fields(mut message: &[u8]) -> Option<[&[u8]; 4]> {
    let mut fields = [&[][..]; 4];
    for (number, field) in (1_u8..).zip(&mut fields) {
        let rest = message.strip_prefix(&[number << 3 | 2])?;
        let length_size = rest.iter().position(|byte| byte & 0x80 == 0)? + 1;
        let (length, rest) = rest.split_at(length_size);
        let length = length.iter().rev().fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7f));
        (*field, message) = rest.split_at_checked(length)?;
    }
    message.is_empty().then_some(fields)
}
