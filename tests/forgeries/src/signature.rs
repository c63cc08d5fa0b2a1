//! Signatures: none, somebody else's, another token's, and those of the right key in a wrong form.

use p256::ecdsa::Signature;
use serde_json::{Value, json};

use crate::{
    ALGORITHMS, Forgery, forgery, honest, honest_claims, honest_header, parts,
    signing::{SigningKey, encode},
    with,
};

pub(crate) fn all() -> Vec<Forgery> {
    ALGORITHMS.into_iter().flat_map(of_algorithm).chain(ecdsa()).chain(eddsa()).collect()
}

fn of_algorithm(algorithm: &'static str) -> Vec<Forgery> {
    let good = honest(algorithm);
    let (input, signature) = good.rsplit_once('.').expect("it has dots");
    let [header, payload, _] = parts(&good);
    let bytes = SigningKey::for_algorithm(algorithm).signature(input.as_bytes());
    let stranger = SigningKey::of_a_stranger(algorithm);
    let flipped = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        bytes
    };
    let claims = |members: Value| encode(with(honest_claims(), members).to_string().as_bytes());
    let other_header =
        encode(with(honest_header(algorithm), json!({"kid": null})).to_string().as_bytes());
    let resigned = |bytes: &[u8]| format!("{input}.{}", encode(bytes));
    let forged = [
        ("no signature", format!("{input}.")),
        ("a stranger's signature", stranger.sign(&honest_claims())),
        ("the first bit flipped", resigned(&flipped(0))),
        ("a bit in the middle flipped", resigned(&flipped(bytes.len() / 2))),
        ("the last bit flipped", resigned(&flipped(bytes.len() - 1))),
        ("a byte short", resigned(&bytes[..bytes.len() - 1])),
        ("the first byte gone", resigned(&bytes[1..])),
        ("a zero before", resigned(&[&[0], &bytes[..]].concat())),
        ("a zero behind", resigned(&[&bytes[..], &[0]].concat())),
        ("the signature twice", resigned(&[&bytes[..], &bytes[..]].concat())),
        ("zeros", resigned(&vec![0; bytes.len()])),
        ("ones", resigned(&vec![0xff; bytes.len()])),
        ("one byte", resigned(&[1])),
        ("backwards", resigned(&bytes.iter().rev().copied().collect::<Vec<_>>())),
        (
            "more scopes",
            format!("{header}.{}.{signature}", claims(json!({"scope": "mcp:read mcp:write"}))),
        ),
        ("another user", format!("{header}.{}.{signature}", claims(json!({"sub": "admin"})))),
        (
            "a longer life",
            format!("{header}.{}.{signature}", claims(json!({"exp": 4_100_000_000_u64}))),
        ),
        ("no kid any more", format!("{other_header}.{payload}.{signature}")),
        (
            "a signature of the payload alone",
            resigned(&SigningKey::for_algorithm(algorithm).signature(payload.as_bytes())),
        ),
        (
            "a signature of the header alone",
            resigned(&SigningKey::for_algorithm(algorithm).signature(header.as_bytes())),
        ),
    ];
    forged
        .map(|(name, token)| forgery(format!("{algorithm}: {name}"), token, "bad_signature"))
        .into()
}

/// The two numbers of an ECDSA signature in every other form (RFC 7518 §3.4), among them those that
/// pass for any message where a verifier does not check their range.
fn ecdsa() -> Vec<Forgery> {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let good = honest("ES256");
    let (input, _) = good.rsplit_once('.').expect("it has dots");
    let bytes = SigningKey::for_algorithm("ES256").signature(input.as_bytes());
    let (r, s) = bytes.split_at(32);
    let der = Signature::from_slice(&bytes).expect("it is a signature").to_der();
    let (zero, mut one) = ([0; 32], [0; 32]);
    one[31] = 1;
    let pairs = [
        ("r and s swapped", [s, r].concat()),
        ("r is 0", [&zero, s].concat()),
        ("s is 0", [r, &zero].concat()),
        ("both are 0", [zero, zero].concat()),
        ("both are 1", [one, one].concat()),
        ("r is the order", [&ORDER, s].concat()),
        ("s is the order", [r, &ORDER].concat()),
        ("both are the order", [ORDER, ORDER].concat()),
        ("r is 1, s is 0", [one, zero].concat()),
        ("r is the order, s is 1", [ORDER, one].concat()),
        ("DER", der.as_bytes().to_vec()),
        ("numbers with a zero before each", [&[0], r, &[0], s].concat()),
        ("numbers of 48 bytes each", [&[0; 16], r, &[0; 16], s].concat()),
        ("r alone", r.to_vec()),
    ];
    let named = |(name, bytes): (&str, Vec<u8>)| {
        forgery(format!("ES256: {name}"), format!("{input}.{}", encode(&bytes)), "bad_signature")
    };
    pairs.into_iter().map(named).collect()
}

/// An Ed25519 signature with its number past the group's order (RFC 8032 §8.4), and points of small
/// order.
fn eddsa() -> Vec<Forgery> {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let good = honest("EdDSA");
    let (input, _) = good.rsplit_once('.').expect("it has dots");
    let bytes = SigningKey::for_algorithm("EdDSA").signature(input.as_bytes());
    let (point, number) = bytes.split_at(32);
    let mut carry = 0_u16;
    let sum = number.iter().zip(ORDER).map(|(a, b)| {
        carry += u16::from(*a) + u16::from(b);
        let byte = (carry & 0xff) as u8;
        carry >>= 8;
        byte
    });
    let beyond: Vec<u8> = sum.collect();
    let mut identity = [0; 32];
    identity[0] = 1;
    let pairs = [
        ("the number plus the order", [point, &beyond[..]].concat()),
        ("the identity and zero", [identity, [0; 32]].concat()),
        ("a point of order two and zero", {
            let mut point = [0xff; 32];
            (point[0], point[31]) = (0xec, 0x7f);
            [point, [0; 32]].concat()
        }),
        ("number and point swapped", [number, point].concat()),
    ];
    let named = |(name, bytes): (&str, Vec<u8>)| {
        forgery(format!("EdDSA: {name}"), format!("{input}.{}", encode(&bytes)), "bad_signature")
    };
    pairs.into_iter().map(named).collect()
}
