//! A key set, key by key: what the filter can use, and why not the rest.

use auth_core::{
    algorithm::Algorithm,
    jwk::{self, Entry, Unusable, VerificationKey},
};

use super::finding::Finding;

/// What there is to say of a key set, and the keys in it that can be used.
pub fn check(subject: &str, document: &[u8]) -> (Vec<Finding>, Vec<VerificationKey>) {
    let check = |kid: Option<&str>| match kid {
        Some(kid) => format!("{subject}: key {kid}"),
        None => format!("{subject}: key without kid"),
    };
    let entries = match jwk::read_set(document) {
        Ok(entries) => entries,
        Err(why) => {
            let advice = "the address must answer with a JWK set (RFC 7517)";
            return (
                vec![Finding::fail(format!("{subject}: keys"), why.to_string(), advice)],
                vec![],
            );
        }
    };
    let (mut findings, mut usable) = (Vec::new(), Vec::new());
    for Entry { kid, key } in entries {
        let check = check(kid.as_deref());
        findings.push(match key {
            Ok(key) => {
                let finding = of_key(check, &key);
                usable.push(key);
                finding
            }
            // Keys to encrypt with are nothing unusual.
            Err(why @ Unusable::Purpose) => Finding::ok(check, format!("left out: {why}")),
            Err(why) => Finding::warn(
                check,
                format!("left out: {why}"),
                "tokens signed with it are refused; the provider has to publish another key",
            ),
        });
    }
    if usable.is_empty() {
        let advice = "let the provider sign with RS256, PS256, ES256 or EdDSA, by an RSA key of at \
                      least 2048 bits or one on P-256 or Ed25519";
        let found = "it holds no key that the filter can use, so every token is refused";
        findings.push(Finding::fail(format!("{subject}: keys"), found, advice));
    }
    (findings, usable)
}

fn of_key(check: String, key: &VerificationKey) -> Finding {
    let names = |algorithms: &[Algorithm]| {
        let fitting = algorithms.iter().filter(|it| key.fits(**it)).map(|it| it.name());
        fitting.collect::<Vec<_>>().join(", ")
    };
    let by_default = names(&Algorithm::DEFAULT);
    if !by_default.is_empty() {
        return Finding::ok(check, format!("usable, for {by_default}"));
    }
    let algorithms = names(&Algorithm::ALL);
    Finding::warn(
        check,
        format!("usable for {algorithms} where the host verifies (Envoy and Istio do)"),
        format!("name {algorithms} in `issuers[].algorithms` of the filter"),
    )
}
