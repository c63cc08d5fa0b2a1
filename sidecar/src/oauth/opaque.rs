//! Random values that are their own proof: codes, refresh tokens, states, nonces, client ids.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::RngCore;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// A value that nobody guesses, or what somebody offers as one. `Debug` prints `[redacted]`; the
/// store sees no more of it than [`Opaque::digest`].
///
/// ```
/// use mcp_auth::oauth::opaque::Opaque;
/// let code = Opaque::random();
/// assert_eq!(code.expose().len(), 43);
/// assert_eq!(code.digest(), Opaque::offered(code.expose()).digest());
/// assert_ne!(code.digest(), Opaque::random().digest());
/// assert_eq!(format!("{code:?}"), "[redacted]");
/// ```
#[derive(Clone)]
pub struct Opaque(Zeroizing<String>);

impl Opaque {
    /// 256 bits from the system's generator.
    pub fn random() -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rand::rngs::OsRng.fill_bytes(bytes.as_mut());
        Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_ref())))
    }

    /// What somebody sent.
    pub fn offered(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The value, for whoever must send it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// SHA-256 in base64url: names the value where it must not be readable. Looking a digest up
    /// needs no constant time, because nobody can choose its bytes.
    pub fn digest(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.0.as_bytes()))
    }
}

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
