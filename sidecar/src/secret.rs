//! Text that must not be shown: it can be used, and compared in constant time, but not printed.

use std::fmt;

use axum::http::{HeaderMap, header};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A secret. `Debug` prints `[redacted]`, and its memory is wiped when it is dropped.
///
/// ```
/// use mcp_auth::secret::Secret;
/// let token = Secret::new("open sesame");
/// assert_eq!(format!("{token:?}"), "[redacted]");
/// assert!(token.matches(b"open sesame") && !token.matches(b"open"));
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text in.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for whoever must send it on.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `offered` is the secret; the time it takes does not depend on where they differ.
    pub fn matches(&self, offered: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(offered).into()
    }

    /// Whether a request carries the secret as its one bearer token (RFC 6750 §2.1).
    pub fn is_borne_by(&self, headers: &HeaderMap) -> bool {
        let mut offered = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(offered), None) = (offered.next(), offered.next()) else { return false };
        offered.as_bytes().split_at_checked(7).is_some_and(|(scheme, credential)| {
            scheme.eq_ignore_ascii_case(b"bearer ") && self.matches(credential)
        })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
