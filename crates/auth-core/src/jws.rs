//! The compact JWS of a JWT (RFC 7515 §7.1, RFC 7519), read strictly and believed in nothing.

use std::{borrow::Cow, fmt};

use crate::{
    algorithm::Algorithm,
    b64,
    denial::Denial,
    json::{self, Json, Members},
};

/// The three parts of a compact JWS (RFC 7515 §3.1), decoded and not looked at.
pub struct CompactJws<'t> {
    header: Vec<u8>,
    payload: Vec<u8>,
    signing_input: &'t str,
    signature: Vec<u8>,
}

/// A token as it came, taken apart. Nothing in it is verified.
pub struct UntrustedJwt<'d> {
    jws: &'d CompactJws<'d>,
    header: Header<'d>,
    claims: Members<'d>,
}

/// The members of the JOSE header that are read. `jwk`, `jku`, `x5u` and `x5c` are not: a token
/// does not choose the key that verifies it.
#[derive(Debug)]
struct Header<'d> {
    algorithm: Algorithm,
    kid: Option<Cow<'d, str>>,
}

/// The header alone: the rest is a credential.
impl fmt::Debug for UntrustedJwt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntrustedJwt").field("header", &self.header).finish_non_exhaustive()
    }
}

impl<'t> CompactJws<'t> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`Denial::MalformedToken`] if it is not three strict base64url parts.
    pub fn decode(token: &'t str) -> Result<Self, Denial> {
        let (signing_input, signature) = token.rsplit_once('.').ok_or(Denial::MalformedToken)?;
        let (header, payload) = signing_input.split_once('.').ok_or(Denial::MalformedToken)?;
        let part = |text| b64::decode(text).ok_or(Denial::MalformedToken);
        Ok(Self {
            header: part(header)?,
            payload: part(payload)?,
            signing_input,
            signature: part(signature)?,
        })
    }
}

impl<'d> UntrustedJwt<'d> {
    /// Reads what came of [`CompactJws::decode`].
    ///
    /// # Errors
    /// Its error, or that of [`Self::read`].
    pub fn of(jws: &'d Result<CompactJws<'_>, Denial>) -> Result<Self, Denial> {
        jws.as_ref().map_err(|denial| *denial).and_then(Self::read)
    }

    /// Reads what was taken apart.
    ///
    /// # Errors
    /// - [`Denial::MalformedToken`] if header and payload are not JSON objects without duplicate
    ///   members, or if the header has `crit`, `b64` or `zip`,
    /// - [`Denial::AlgorithmNotAllowed`] if `alg` is one that no issuer may use,
    /// - [`Denial::WrongType`] if `typ` is that of something other than an access token.
    pub fn read(jws: &'d CompactJws<'_>) -> Result<Self, Denial> {
        let object = |part| json::read_object(part).map_err(|_| Denial::MalformedToken);
        let (header, claims) = (object(&jws.header)?, object(&jws.payload)?);
        Ok(Self { jws, header: Header::read(&header)?, claims })
    }

    /// The algorithm that the header names.
    pub fn algorithm(&self) -> Algorithm {
        self.header.algorithm
    }

    /// The key id that the header names.
    pub fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// What the signature is over.
    pub fn signing_input(&self) -> &str {
        self.jws.signing_input
    }

    /// The signature.
    pub fn signature(&self) -> &[u8] {
        &self.jws.signature
    }

    /// `iss`, which only tells whose keys to try.
    ///
    /// # Errors
    /// [`Denial::MalformedToken`] if it is there and no string, [`Denial::UnknownIssuer`] if it is
    /// not there.
    pub fn issuer(&self) -> Result<&str, Denial> {
        match self.claims.get("iss") {
            Some(Json::Text(issuer)) => Ok(issuer),
            Some(_) => Err(Denial::MalformedToken),
            None => Err(Denial::UnknownIssuer),
        }
    }

    /// Gives the claims away once the signature is known to be right.
    pub(crate) fn into_claims(self) -> Members<'d> {
        self.claims
    }
}

impl<'d> Header<'d> {
    fn read(members: &Members<'d>) -> Result<Self, Denial> {
        if ["crit", "b64", "zip"].iter().any(|name| members.get(name).is_some()) {
            return Err(Denial::MalformedToken);
        }
        let text = |name| match members.get(name) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(_) => Err(Denial::MalformedToken),
        };
        let (alg, kid, typ) = (text("alg")?, text("kid")?, text("typ")?);
        let algorithm = alg
            .ok_or(Denial::MalformedToken)?
            .parse()
            .map_err(|_not_accepted| Denial::AlgorithmNotAllowed)?;
        if !typ.is_none_or(|typ| is_access_token_type(typ)) {
            return Err(Denial::WrongType);
        }
        Ok(Self { algorithm, kid: kid.cloned() })
    }
}

/// `JWT` or `at+jwt` (RFC 9068 §2.1), case-insensitive as media types are, with or without
/// `application/` (RFC 7515 §4.1.9).
fn is_access_token_type(typ: &str) -> bool {
    let prefix = "application/";
    let subtype = match typ.get(..prefix.len()) {
        Some(start) if start.eq_ignore_ascii_case(prefix) => &typ[prefix.len()..],
        _ => typ,
    };
    subtype.eq_ignore_ascii_case("JWT") || subtype.eq_ignore_ascii_case("at+jwt")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    #[test]
    fn a_compact_jws_is_taken_apart() {
        let token = token(r#"{"alg":"RS256","kid":"k1","typ":"JWT"}"#, r#"{"iss":"https://i/"}"#);
        let jws = CompactJws::decode(&token).unwrap();
        let jwt = UntrustedJwt::read(&jws).unwrap();
        assert_eq!(
            (jwt.algorithm(), jwt.kid(), jwt.issuer()),
            (Algorithm::Rs256, Some("k1"), Ok("https://i/"))
        );
        assert_eq!(format!("{}.c2ln", jwt.signing_input()), token);
    }

    #[test]
    fn anything_but_three_parts_is_malformed() {
        for text in ["", ".", "..", "e30", "e30.e30", "e30.e30.c2ln.c2ln", "e30.e30.c2ln.a.b"] {
            assert_eq!(denial(text), Denial::MalformedToken, "{text}");
        }
    }

    #[test]
    fn base64url_is_strict() {
        let header = b64::encode(br#"{"alg":"RS256"}"#);
        for (h, p, s) in [
            (format!("{header}="), "e30".to_owned(), "c2ln".to_owned()),
            (header.clone(), "e30=".to_owned(), "c2ln".to_owned()),
            (header.clone(), "e30".to_owned(), "c2l+".to_owned()),
            (header.clone(), "e3 0".to_owned(), "c2ln".to_owned()),
            (header.clone(), "e31".to_owned(), "c2ln".to_owned()),
        ] {
            assert_eq!(denial(&format!("{h}.{p}.{s}")), Denial::MalformedToken, "{h}.{p}.{s}");
        }
    }

    #[test]
    fn duplicate_members_are_malformed() {
        assert_eq!(denial(&token(r#"{"alg":"RS256","alg":"none"}"#, "{}")), Denial::MalformedToken);
        assert_eq!(
            denial(&token(r#"{"alg":"RS256"}"#, r#"{"iss":"a","iss":"b"}"#)),
            Denial::MalformedToken
        );
    }

    #[test]
    fn headers_that_change_the_meaning_are_malformed() {
        for extra in [r#""crit":["exp"]"#, r#""crit":[]"#, r#""b64":false"#, r#""zip":"DEF""#] {
            let token = token(&format!(r#"{{"alg":"RS256",{extra}}}"#), "{}");
            assert_eq!(denial(&token), Denial::MalformedToken, "{extra}");
        }
    }

    #[test]
    fn unsigned_and_shared_secret_tokens_are_not_allowed() {
        for alg in ["none", "None", "NONE", "HS256", "HS512", "ES256K", ""] {
            let token = token(&format!(r#"{{"alg":"{alg}"}}"#), "{}");
            assert_eq!(denial(&token), Denial::AlgorithmNotAllowed, "{alg}");
        }
        for header in ["{}", r#"{"alg":1}"#, r#"{"alg":null}"#, r#"{"alg":["RS256"]}"#] {
            assert_eq!(denial(&token(header, "{}")), Denial::MalformedToken, "{header}");
        }
    }

    #[test]
    fn only_access_token_types_are_accepted() {
        for typ in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/JWT"] {
            let token = token(&format!(r#"{{"alg":"RS256","typ":"{typ}"}}"#), "{}");
            let jws = CompactJws::decode(&token).unwrap();
            assert!(UntrustedJwt::read(&jws).is_ok(), "{typ}");
        }
        for typ in ["", "id+jwt", "logout+jwt", "dpop+jwt", "application/", "text/jwt", "JOSE"] {
            let token = token(&format!(r#"{{"alg":"RS256","typ":"{typ}"}}"#), "{}");
            assert_eq!(denial(&token), Denial::WrongType, "{typ}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in any::<String>()) {
            if let Ok(jws) = CompactJws::decode(&text) {
                let _ = UntrustedJwt::read(&jws);
            }
        }

        #[test]
        fn arbitrary_parts_never_panic(header in any::<String>(), payload in any::<Vec<u8>>()) {
            let header = b64::encode(header.as_bytes());
            let token = format!("{header}.{}.", b64::encode(&payload));
            let _ = UntrustedJwt::read(&CompactJws::decode(&token).unwrap());
        }
    }

    fn token(header: &str, payload: &str) -> String {
        format!("{}.{}.c2ln", b64::encode(header.as_bytes()), b64::encode(payload.as_bytes()))
    }

    fn denial(token: &str) -> Denial {
        UntrustedJwt::of(&CompactJws::decode(token)).expect_err("it is refused")
    }
}
