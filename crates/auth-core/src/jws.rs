//! The compact JWS of a JWT (RFC 7515 §7.1, RFC 7519), read strictly and believed in nothing.

use std::fmt;

use serde_json::{Map, Value};

use crate::{algorithm::Algorithm, b64, denial::Denial, json};

/// A token as it came, taken apart. Nothing in it is verified.
#[derive(Clone)]
pub struct UntrustedJwt<'t> {
    header: Header,
    claims: Map<String, Value>,
    signing_input: &'t str,
    signature: Vec<u8>,
}

/// The members of the JOSE header that are read. `jwk`, `jku`, `x5u` and `x5c` are not: a token
/// does not choose the key that verifies it.
#[derive(Clone, Debug)]
struct Header {
    algorithm: Algorithm,
    kid: Option<String>,
}

/// The header alone: the rest is a credential.
impl fmt::Debug for UntrustedJwt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntrustedJwt").field("header", &self.header).finish_non_exhaustive()
    }
}

impl<'t> UntrustedJwt<'t> {
    /// Takes a compact JWS apart.
    ///
    /// # Errors
    /// - [`Denial::MalformedToken`] if it is not three strict base64url parts of which the first two
    ///   are JSON objects without duplicate members, or if the header has `crit`, `b64` or `zip`,
    /// - [`Denial::AlgorithmNotAllowed`] if `alg` is one that no issuer may use,
    /// - [`Denial::WrongType`] if `typ` is that of something other than an access token.
    pub fn parse(token: &'t str) -> Result<Self, Denial> {
        let (signing_input, signature) = token.rsplit_once('.').ok_or(Denial::MalformedToken)?;
        let (header, payload) = signing_input.split_once('.').ok_or(Denial::MalformedToken)?;
        if payload.contains('.') {
            return Err(Denial::MalformedToken);
        }
        let header_members = object(header)?;
        let claims = object(payload)?;
        let signature = b64::decode(signature).ok_or(Denial::MalformedToken)?;
        let header = Header::read(&header_members)?;
        Ok(Self { header, claims, signing_input, signature })
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
    pub fn signing_input(&self) -> &'t str {
        self.signing_input
    }

    /// The signature.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// `iss`, which only tells whose keys to try.
    ///
    /// # Errors
    /// [`Denial::MalformedToken`] if it is there and no string, [`Denial::UnknownIssuer`] if it is
    /// not there.
    pub fn issuer(&self) -> Result<&str, Denial> {
        match self.claims.get("iss") {
            Some(Value::String(issuer)) => Ok(issuer),
            Some(_) => Err(Denial::MalformedToken),
            None => Err(Denial::UnknownIssuer),
        }
    }

    /// Gives the claims away once the signature is known to be right.
    pub(crate) fn into_claims(self) -> Map<String, Value> {
        self.claims
    }
}

impl Header {
    fn read(members: &Map<String, Value>) -> Result<Self, Denial> {
        if ["crit", "b64", "zip"].iter().any(|name| members.contains_key(*name)) {
            return Err(Denial::MalformedToken);
        }
        let text = |name| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(Denial::MalformedToken),
        };
        let (alg, kid, typ) = (text("alg")?, text("kid")?, text("typ")?);
        let algorithm = alg
            .ok_or(Denial::MalformedToken)?
            .parse()
            .map_err(|_not_accepted| Denial::AlgorithmNotAllowed)?;
        if !typ.is_none_or(is_access_token_type) {
            return Err(Denial::WrongType);
        }
        Ok(Self { algorithm, kid: kid.map(str::to_owned) })
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

fn object(part: &str) -> Result<Map<String, Value>, Denial> {
    let bytes = b64::decode(part).ok_or(Denial::MalformedToken)?;
    json::parse_object(&bytes).map_err(|_| Denial::MalformedToken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    #[test]
    fn a_compact_jws_is_taken_apart() {
        let token = token(r#"{"alg":"RS256","kid":"k1","typ":"JWT"}"#, r#"{"iss":"https://i/"}"#);
        let jwt = UntrustedJwt::parse(&token).unwrap();
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
            assert!(UntrustedJwt::parse(&token).is_ok(), "{typ}");
        }
        for typ in ["", "id+jwt", "logout+jwt", "dpop+jwt", "application/", "text/jwt", "JOSE"] {
            let token = token(&format!(r#"{{"alg":"RS256","typ":"{typ}"}}"#), "{}");
            assert_eq!(denial(&token), Denial::WrongType, "{typ}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in any::<String>()) {
            let _ = UntrustedJwt::parse(&text);
        }

        #[test]
        fn arbitrary_parts_never_panic(header in any::<String>(), payload in any::<Vec<u8>>()) {
            let _ = UntrustedJwt::parse(&format!("{}.{}.", header, b64::encode(&payload)));
        }
    }

    fn token(header: &str, payload: &str) -> String {
        format!("{}.{}.c2ln", b64::encode(header.as_bytes()), b64::encode(payload.as_bytes()))
    }

    fn denial(token: &str) -> Denial {
        UntrustedJwt::parse(token).expect_err("it is refused")
    }
}
