//! The core's own verifier against every vector. What Envoy's verifies is told by
//! `tests/blackbox/test_vectors.py`.

use auth_core::{
    algorithm::Algorithm,
    jwk::VerificationKey,
    signature::{Software, Verify as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use signature_vectors::{Case, Group, groups};

#[test]
fn software_accepts_what_is_right_and_nothing_else() {
    let (mut tried, mut wrong) = (0, Vec::new());
    for group in groups() {
        let algorithm: Algorithm = group.alg.parse().expect("it is a JWS algorithm");
        let key = key(&group);
        for case in &group.cases {
            let accepted =
                Software.verify(algorithm, &key, &decode(&case.message), &decode(&case.signature));
            tried += 1;
            if accepted != (case.valid && Software.supports(algorithm)) {
                wrong.push(name(&group, case));
            }
        }
    }
    assert!(tried > 3_000, "{tried} vectors are fewer than there were");
    assert!(wrong.is_empty(), "{} of {tried}: {wrong:#?}", wrong.len());
}

#[test]
fn a_signature_is_good_for_its_own_algorithm_alone() {
    for group in groups() {
        let own: Algorithm = group.alg.parse().expect("it is a JWS algorithm");
        let key = key(&group);
        let Some(case) = group.cases.iter().find(|case| case.valid) else { continue };
        for other in Algorithm::ALL.into_iter().filter(|other| *other != own) {
            let (message, signature) = (decode(&case.message), decode(&case.signature));
            assert!(!Software.verify(other, &key, &message, &signature), "{other}: {}", group.set);
        }
    }
}

fn key(group: &Group) -> VerificationKey {
    let jwk = group.jwk.as_object().expect("a JWK is an object");
    VerificationKey::parse(jwk).unwrap_or_else(|why| panic!("{}: {why}", group.set))
}

fn name(group: &Group, case: &Case) -> String {
    format!("{} {}, {}", group.set, case.id, case.comment)
}

fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).expect("the vectors are base64url")
}
