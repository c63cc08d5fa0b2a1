//! The ID token (OpenID Connect Core §3.1.3.7): what makes it believable.

use std::time::{Duration, UNIX_EPOCH};

use auth_core::time::UnixTime;
use openidconnect::{
    ClaimsVerificationError, ClientId, IdTokenVerifier, JsonWebKeySet, Nonce,
    SignatureVerificationError,
    core::{CoreIdToken, CoreIdTokenClaims, CoreJsonWebKey, CoreJwsSigningAlgorithm},
};

use super::discovery::Known;
use crate::oauth::opaque::Opaque;

/// No shared secrets among them, and not `none`: only the provider can have signed.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];
/// How far the provider's clock may be from ours.
const LEEWAY: Duration = Duration::from_secs(60);

/// What an ID token must be for.
pub(super) struct Expected<'e> {
    /// Our client there.
    pub(super) client_id: &'e str,
    /// What the login was begun with; a refresh has none.
    pub(super) nonce: Option<&'e Opaque>,
    /// The time.
    pub(super) now: UnixTime,
}

/// Why an ID token is not believed.
#[derive(Debug, thiserror::Error)]
pub enum Unbelievable {
    /// Keys that are known do not verify it; others may.
    #[error("its signature: {0}")]
    Signature(SignatureVerificationError),
    /// What it says is not what it must say.
    #[error("{0}")]
    Claims(ClaimsVerificationError),
    /// It was made for another client (§3.1.3.7, 4 and 5).
    #[error("its azp is not our client, or is missing beside several audiences")]
    AuthorizedParty,
}

/// The claims of an ID token that this provider made for us, for this login, and not too long ago.
pub(super) fn verify<'t>(
    token: &'t CoreIdToken,
    known: &Known,
    expected: &Expected<'_>,
) -> Result<&'t CoreIdTokenClaims, Unbelievable> {
    let mut why = Unbelievable::Signature(SignatureVerificationError::NoMatchingKey);
    // Each key by itself: providers publish several without ids, or with one id for two keys.
    for key in &known.keys {
        match verify_by(key, token, known, expected) {
            Ok(claims) => return check_authorized_party(claims, expected.client_id),
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey,
            )) => {}
            Err(ClaimsVerificationError::SignatureVerification(cause)) => {
                why = Unbelievable::Signature(cause);
            }
            Err(other) => return Err(Unbelievable::Claims(other)),
        }
    }
    Err(why)
}

fn verify_by<'t>(
    key: &CoreJsonWebKey,
    token: &'t CoreIdToken,
    known: &Known,
    expected: &Expected<'_>,
) -> Result<&'t CoreIdTokenClaims, ClaimsVerificationError> {
    let keys = JsonWebKeySet::new(vec![key.clone()]);
    let client_id = ClientId::new(expected.client_id.to_owned());
    let begin_of_leeway = UNIX_EPOCH + Duration::from_millis(expected.now.millis()) - LEEWAY;
    let verifier = IdTokenVerifier::new_public_client(client_id, known.issuer.clone(), keys)
        .set_allowed_algs(ALGORITHMS)
        .set_other_audience_verifier_fn(|_| true)
        .set_time_fn(move || begin_of_leeway.into());
    match expected.nonce {
        Some(nonce) => token.claims(&verifier, &Nonce::new(nonce.expose().to_owned())),
        None => token.claims(&verifier, |_: Option<&Nonce>| Ok(())),
    }
}

fn check_authorized_party<'t>(
    claims: &'t CoreIdTokenClaims,
    client_id: &str,
) -> Result<&'t CoreIdTokenClaims, Unbelievable> {
    let several = claims.audiences().len() > 1;
    match claims.authorized_party() {
        Some(party) if party.as_str() == client_id => Ok(claims),
        None if !several => Ok(claims),
        Some(_) | None => Err(Unbelievable::AuthorizedParty),
    }
}
