//! Verified claims (RFC 7519 §4): the claims of a token whose signature is right.

use std::rc::Rc;

use crate::{
    config::{Issuer, IssuerIndex},
    denial::Denial,
    json::{Json, Members},
    jwk::VerificationKey,
    jws::UntrustedJwt,
    key_ring::KeyRing,
    session_id::SessionId,
    signature::Verify,
};

/// Dates past this are not dates: 2⁵³ seconds.
const LATEST_DATE: u64 = 1 << 53;

/// The claims of a token, made only by checking its signature.
#[derive(Debug)]
pub struct VerifiedClaims<'t> {
    issuer: IssuerIndex,
    claims: Members<'t>,
    session_id: SessionId,
}

/// Why claims could not be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unverified {
    /// The issuer has no key for this token; another fetch might bring one.
    NoKey,
    /// The token is no good.
    Denied(Denial),
}

impl<'t> VerifiedClaims<'t> {
    /// Checks the signature of `jwt` with the keys of its issuer. Returns the key that fits, too.
    pub(crate) fn verify<'k>(
        token: &str,
        jwt: UntrustedJwt<'t>,
        (index, issuer): (IssuerIndex, &Issuer),
        keys: &'k KeyRing,
        verifier: &dyn Verify,
    ) -> Result<(Self, &'k Rc<VerificationKey>), Unverified> {
        let algorithm = jwt.algorithm();
        if !issuer.algorithms.contains(&algorithm) {
            return Err(Unverified::Denied(Denial::AlgorithmNotAllowed));
        }
        let message = jwt.signing_input().as_bytes();
        let mut candidates = keys.candidates(jwt.kid(), algorithm).peekable();
        let key = match candidates.peek() {
            None => return Err(Unverified::NoKey),
            Some(_) => candidates
                .find(|key| verifier.verify(algorithm, key, message, jwt.signature()))
                .ok_or(Unverified::Denied(Denial::BadSignature))?,
        };
        drop(candidates);
        let claims = jwt.into_claims();
        let session_id = session_id(&claims, &issuer.issuer, token).map_err(Unverified::Denied)?;
        Ok((Self { issuer: index, claims, session_id }, key))
    }

    /// Whose claims these are.
    pub fn issuer(&self) -> IssuerIndex {
        self.issuer
    }

    /// The session that the token belongs to.
    pub fn session_id(&self) -> &SessionId {
        &self.session_id
    }

    /// A claim as it stands.
    pub fn get(&self, name: &str) -> Option<&Json<'t>> {
        self.claims.get(name)
    }

    /// A claim that is a string where it is there.
    ///
    /// # Errors
    /// [`Denial::MalformedToken`] if it has another type.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Denial> {
        text(&self.claims, name)
    }

    /// A date (`NumericDate`, RFC 7519 §2) in whole seconds, rounded down.
    ///
    /// # Errors
    /// [`Denial::MalformedToken`] if it is no number, negative or beyond 2⁵³.
    pub fn date(&self, name: &str) -> Result<Option<u64>, Denial> {
        let number = match self.claims.get(name) {
            None => return Ok(None),
            Some(Json::Number(number)) => number,
            Some(_) => return Err(Denial::MalformedToken),
        };
        match (number.as_u64(), number.as_f64()) {
            (Some(date), _) if date <= LATEST_DATE => Ok(Some(date)),
            (None, Some(date)) if (0.0..=LATEST_DATE as f64).contains(&date) => {
                Ok(Some(date as u64))
            }
            _ => Err(Denial::MalformedToken),
        }
    }

    /// A claim that is a string or an array of strings, as a list; empty if it is absent.
    ///
    /// # Errors
    /// [`Denial::MalformedToken`] if it has another type.
    pub fn list(&self, name: &str) -> Result<Vec<&str>, Denial> {
        match self.claims.get(name) {
            None => Ok(Vec::new()),
            Some(Json::Text(text)) => Ok(vec![text]),
            Some(Json::List(items)) => {
                items.iter().map(|item| item.as_str().ok_or(Denial::MalformedToken)).collect()
            }
            Some(_) => Err(Denial::MalformedToken),
        }
    }
}

/// `sid` names the session, else `jti`, else the token itself.
fn session_id(claims: &Members<'_>, issuer: &str, token: &str) -> Result<SessionId, Denial> {
    let distinguisher = match text(claims, "sid")?.filter(|sid| !sid.is_empty()) {
        Some(sid) => sid,
        None => text(claims, "jti")?.filter(|jti| !jti.is_empty()).unwrap_or(token),
    };
    Ok(SessionId::new(issuer, distinguisher))
}

fn text<'c>(claims: &'c Members<'_>, name: &str) -> Result<Option<&'c str>, Denial> {
    match claims.get(name) {
        None => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text)),
        Some(_) => Err(Denial::MalformedToken),
    }
}
