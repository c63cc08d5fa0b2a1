//! The session id: names one login at one issuer without revealing anything of the token.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::b64;

/// Unpadded base64url of half a SHA-256: 22 characters when computed here, 16 to 64 when read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(Box<str>);

impl SessionId {
    /// The id of the session that `distinguisher` (`sid`, else `jti`, else the whole token) names
    /// at the issuer `iss`.
    pub fn new(iss: &str, distinguisher: &str) -> Self {
        let hash = Sha256::new()
            .chain_update(iss)
            .chain_update([0])
            .chain_update(distinguisher)
            .finalize();
        Self(b64::encode(&hash[..16]).into())
    }

    /// Accepts 16 to 64 characters of base64url.
    pub fn parse(text: &str) -> Option<Self> {
        let alphabet = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let fits = (16..=64).contains(&text.len()) && text.bytes().all(alphabet);
        fits.then(|| Self(text.into()))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_depend_on_issuer_and_distinguisher_separately() {
        let id = SessionId::new("https://a/", "1");
        assert_eq!(id.as_str().len(), 22);
        assert_ne!(id, SessionId::new("https://a/1", ""));
        assert_eq!(SessionId::parse(id.as_str()), Some(id));
    }

    #[test]
    fn other_texts_are_no_session_ids() {
        for text in ["", "short", "has/slash/has/slash", &"x".repeat(65), "ümlautümlautümlaut"] {
            assert_eq!(SessionId::parse(text), None, "{text}");
        }
    }
}
