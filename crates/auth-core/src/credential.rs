//! The credential of a request: the `Authorization` header's Bearer token (RFC 6750 §2.1). Nowhere
//! else is a token accepted.

use crate::denial::Denial;

/// Longest token that is looked at, in bytes.
pub const LONGEST_TOKEN: usize = 16 * 1024;

const BEARER: &str = "Bearer";

/// A Bearer token that may be looked at: bounded. That it is text is for [`Credential::text`], that it
/// is one token and not several for [`check_one`], which is asked where a token cannot be taken apart:
/// a token that is known was both.
#[derive(Clone, Copy)]
pub struct Credential<'h>(&'h [u8]);

impl<'h> Credential<'h> {
    /// Finds the one credential among the values of `Authorization`.
    ///
    /// # Errors
    /// - [`Denial::MissingToken`] without a value or with another scheme alone,
    /// - [`Denial::MalformedRequest`] if there are several values, or the token is missing or is over
    ///   [`LONGEST_TOKEN`],
    /// - [`Denial::MalformedToken`] if there is no Bearer token in the value and it is no text.
    pub fn find(values: impl IntoIterator<Item = &'h [u8]>) -> Result<Self, Denial> {
        let mut values = values.into_iter();
        let value = match (values.next(), values.next()) {
            (None, _) => return Err(Denial::MissingToken),
            (Some(value), None) => value,
            (Some(_), Some(_)) => return Err(Denial::MalformedRequest),
        };
        bearer(value).map(Self).ok_or_else(|| why_not(value))
    }

    /// The token's bytes.
    pub fn bytes(self) -> &'h [u8] {
        self.0
    }

    /// The token's text.
    ///
    /// # Errors
    /// [`Denial::MalformedToken`] if it is none.
    pub fn text(self) -> Result<&'h str, Denial> {
        std::str::from_utf8(self.0).map_err(|_| Denial::MalformedToken)
    }
}

/// The token of `Bearer`, some spaces, the token, some spaces.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(BEARER.len())?;
    if !scheme.eq_ignore_ascii_case(BEARER.as_bytes()) || !rest.starts_with(b" ") {
        return None;
    }
    let no_space = |byte: &u8| *byte != b' ';
    let (first, last) = (rest.iter().position(no_space)?, rest.iter().rposition(no_space)?);
    Some(&rest[first..=last]).filter(|token| token.len() <= LONGEST_TOKEN)
}

/// Why there is no Bearer token in a value.
fn why_not(value: &[u8]) -> Denial {
    let Ok(value) = std::str::from_utf8(value) else { return Denial::MalformedToken };
    let (scheme, rest) = value.split_at(value.find([' ', '\t', ',']).unwrap_or(value.len()));
    match scheme.eq_ignore_ascii_case(BEARER) || names_second_scheme(rest) {
        true => Denial::MalformedRequest,
        false => Denial::MissingToken,
    }
}

/// Checks that nothing in a token could end it for another reader.
///
/// # Errors
/// [`Denial::MalformedRequest`] if white space, a control character or a comma is in it.
pub(crate) fn check_one(token: &str) -> Result<(), Denial> {
    let ends = |c: char| c.is_whitespace() || c.is_control() || c == ',';
    if token.contains(ends) { Err(Denial::MalformedRequest) } else { Ok(()) }
}

/// Whether a second credential follows a comma, as hosts join several `Authorization` headers:
/// something that begins with a scheme's name and not with `parameter=`.
fn names_second_scheme(rest: &str) -> bool {
    rest.split(',').skip(1).any(|part| {
        let word = part.trim_start().split([' ', '\t']).next().unwrap_or_default();
        !word.is_empty() && !word.contains('=')
    })
}

/// Whether the query (without `?`) has a parameter `access_token`, however its name is encoded.
pub fn query_has_token(query: &str) -> bool {
    !query.is_empty()
        && query.split('&').any(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            decoded(name).eq(b"access_token".iter().copied())
        })
}

fn decoded(name: &str) -> impl Iterator<Item = u8> + '_ {
    let mut rest = name.as_bytes();
    std::iter::from_fn(move || {
        let escape = match rest {
            [b'%', high, low, ..] => {
                let digits = [*high, *low];
                std::str::from_utf8(&digits).ok().and_then(|d| u8::from_str_radix(d, 16).ok())
            }
            _ => None,
        };
        match (escape, rest) {
            (Some(byte), [_, _, _, tail @ ..]) => {
                rest = tail;
                Some(byte)
            }
            (_, [byte, tail @ ..]) => {
                rest = tail;
                Some(*byte)
            }
            (_, []) => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_found() {
        for value in ["Bearer abc.def", "bearer abc.def", "BEARER   abc.def", "Bearer abc.def "] {
            assert_eq!(find(&[value]), Ok("abc.def"), "{value}");
        }
    }

    #[test]
    fn no_credential_or_another_scheme_is_a_missing_token() {
        assert_eq!(find(&[]), Err(Denial::MissingToken));
        for value in ["Basic dTpw", "", "Bearerabc", "DPoP abc", "Digest a=\"b\", c=\"d\""] {
            assert_eq!(find(&[value]), Err(Denial::MissingToken), "{value}");
        }
    }

    #[test]
    fn ambiguous_credentials_are_malformed() {
        for values in [
            &["Bearer a", "Bearer b"][..],
            &["Bearer a", "Basic b"],
            &["Bearer a, Bearer b"],
            &["Bearer a,Bearer b"],
            &["Basic a, Bearer b"],
            &["Basic a, Basic b"],
            &["Basic a,bearer b"],
            &["Bearer a,"],
            &["Bearer"],
            &["Bearer "],
            &["Bearer,"],
            &["Bearer\ta"],
            &["Bearer a b"],
            &["Bearer a\tb"],
            &["Bearer \ta"],
        ] {
            assert_eq!(find(values), Err(Denial::MalformedRequest), "{values:?}");
        }
    }

    #[test]
    fn tokens_are_bounded() {
        let longest = "a".repeat(LONGEST_TOKEN);
        assert_eq!(find(&[&format!("Bearer {longest}")]), Ok(&*longest));
        assert_eq!(find(&[&format!("Bearer {longest}a")]), Err(Denial::MalformedRequest));
    }

    #[test]
    fn bytes_that_are_no_text_are_no_token() {
        for value in [&b"Bearer \xff"[..], b"\xff", b"Bearer\xff a", b"Basic \xff, Bearer a"] {
            let text = Credential::find([value]).and_then(Credential::text);
            assert_eq!(text, Err(Denial::MalformedToken));
        }
    }

    #[test]
    fn a_token_in_the_query_is_seen_however_it_is_encoded() {
        for query in ["access_token=x", "a=b&access_token", "%61ccess%5Ftoken=x", "access_token"] {
            assert!(query_has_token(query), "{query}");
        }
        for query in ["", "a=access_token", "access_tokens=x", "Access_Token=x", "%zz", "%6"] {
            assert!(!query_has_token(query), "{query}");
        }
    }

    fn find<'a>(values: &[&'a str]) -> Result<&'a str, Denial> {
        let token = Credential::find(values.iter().map(|value| value.as_bytes()))?.text()?;
        check_one(token).map(|()| token)
    }
}
