//! Proof Key for Code Exchange, method S256 only: RFC 7636.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// The `code_challenge` of an authorization request: the digest its verifier must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Challenge([u8; 32]);

/// Why a challenge is not accepted.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum BadChallenge {
    #[error("code_challenge is required: this provider accepts no request without PKCE")]
    Missing,
    #[error("code_challenge_method must be S256")]
    NotS256,
    #[error("code_challenge must be the base64url form of a SHA-256 digest, 43 characters")]
    Malformed,
}

impl Challenge {
    /// Reads `code_challenge` and `code_challenge_method`. An absent method means `plain`
    /// (RFC 7636 section 4.3) and is therefore refused.
    ///
    /// # Errors
    /// Where the challenge is absent, of another method, or no digest.
    pub(crate) fn parse(
        challenge: Option<&str>,
        method: Option<&str>,
    ) -> Result<Self, BadChallenge> {
        let challenge = challenge.ok_or(BadChallenge::Missing)?;
        if method != Some("S256") {
            return Err(BadChallenge::NotS256);
        }
        let digest = URL_SAFE_NO_PAD.decode(challenge).map_err(|_| BadChallenge::Malformed)?;
        Ok(Self(digest.try_into().map_err(|_| BadChallenge::Malformed)?))
    }

    /// Whether `verifier` is well-formed (RFC 7636 section 4.1) and has this digest.
    pub(crate) fn is_met_by(&self, verifier: &str) -> bool {
        let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        (43..=128).contains(&verifier.len())
            && verifier.bytes().all(unreserved)
            && self.0 == *Sha256::digest(verifier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_the_rfc_is_met() {
        let challenge = Challenge::parse(Some(CHALLENGE), Some("S256")).unwrap();
        assert!(challenge.is_met_by(VERIFIER));
        assert!(!challenge.is_met_by(&VERIFIER.replace('d', "e")));
        assert!(!challenge.is_met_by(""));
    }

    #[test]
    fn plain_absent_and_malformed_challenges_are_refused() {
        use BadChallenge::{Malformed, Missing, NotS256};
        assert_eq!(Challenge::parse(None, Some("S256")), Err(Missing));
        assert_eq!(Challenge::parse(Some(CHALLENGE), Some("plain")), Err(NotS256));
        assert_eq!(Challenge::parse(Some(CHALLENGE), None), Err(NotS256));
        assert_eq!(Challenge::parse(Some("short"), Some("S256")), Err(Malformed));
    }

    #[test]
    fn a_verifier_of_wrong_length_or_alphabet_is_refused_even_with_its_digest() {
        for verifier in ["short".to_owned(), "a".repeat(129), "ä".repeat(30)] {
            let challenge = Challenge(Sha256::digest(&verifier).into());
            assert!(!challenge.is_met_by(&verifier), "{verifier}");
        }
    }
}
