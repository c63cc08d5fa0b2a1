//! Values that must not be guessed or logged: opaque handles and client secrets.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{RngCore as _, rngs::OsRng};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

/// An unguessable handle: an authorization code, a refresh token, a session or login id.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Opaque(String);

impl Opaque {
    /// 256 random bits, base64url.
    pub(crate) fn random() -> Self {
        let mut bytes = [0; 32];
        OsRng.fill_bytes(&mut bytes);
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// What a client presented, not yet known to be one of ours.
    pub(crate) fn presented(value: &str) -> Self {
        Self(value.to_owned())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The secret of a confidential client.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct ClientSecret(String);

impl ClientSecret {
    pub(crate) fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Compares in a time that does not tell how much of the guess was right.
    pub(crate) fn matches(&self, presented: &str) -> bool {
        self.0.as_bytes().ct_eq(presented.as_bytes()).into()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_long_distinct_and_redacted() {
        let (a, b) = (Opaque::random(), Opaque::random());
        assert_ne!(a, b);
        assert_eq!(a.expose().len(), 43);
        assert_eq!(format!("{a:?} {:?}", ClientSecret::new("s3")), "[redacted] [redacted]");
    }

    #[test]
    fn a_secret_matches_only_itself_whole() {
        let secret = ClientSecret::new("dev-secret");
        assert!(secret.matches("dev-secret"));
        assert!(!secret.matches("dev-secre"));
        assert!(!secret.matches("dev-secret "));
    }
}
