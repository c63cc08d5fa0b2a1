//! The kinds of keys that come in lists: how one is made, named, and how long what it made counts.

use std::time::Duration;

use base64::{
    Engine,
    engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
};
use rand::{RngCore, rngs::OsRng};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{
    config::values::Key256,
    oauth::{crypt, signing},
    secret::Secret,
};

/// Access tokens live an hour at most; the rest is for clocks that differ, and the filters' `leeway`.
const TOKENS_COUNT_FOR: Duration = Duration::from_secs(3600 + 300);
/// Forms that browsers hold are sealed with the storage key, and good for a quarter of an hour. All
/// else is found where it is stored.
const FORMS_COUNT_FOR: Duration = Duration::from_secs(3600);

/// A kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `JWT_SIGNING_KEY`
    Signing,
    /// `STORAGE_ENCRYPTION_KEY`
    Storage,
    /// `MCP_AUTH_TOKEN`
    Token,
}

/// Why a text is no key of its kind; does not quote it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAKey(String);

impl Kind {
    /// A new key: 256 bits from the operating system.
    pub fn generate(self) -> Secret {
        let mut bytes = Zeroizing::new([0; 32]);
        OsRng.fill_bytes(bytes.as_mut());
        Secret::new(match self {
            Self::Signing => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            Self::Storage => URL_SAFE.encode(bytes.as_ref()),
            Self::Token => URL_SAFE_NO_PAD.encode(bytes.as_ref()),
        })
    }

    /// What a key is called where it must not be shown. That of a signing key is its `kid`.
    ///
    /// # Errors
    /// [`NotAKey`]
    pub fn id(self, text: &str) -> Result<String, NotAKey> {
        match self {
            Self::Signing => Key256::from_hex(text).map(|key| signing::key_id(&key)),
            Self::Storage => Key256::from_fernet(text).map(|key| crypt::key_id(&key)),
            Self::Token => {
                let digest = Sha256::new_with_prefix("mcp-auth token id\0").chain_update(text);
                Ok(URL_SAFE_NO_PAD.encode(&digest.finalize()[..6]))
            }
        }
        .map_err(NotAKey)
    }

    /// How long what a retired key made counts at most, once nobody uses it any more; `None`: others
    /// decide that.
    pub const fn counts_for(self) -> Option<Duration> {
        match self {
            Self::Signing => Some(TOKENS_COUNT_FOR),
            Self::Storage => Some(FORMS_COUNT_FOR),
            Self::Token => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_that_the_service_takes_and_each_is_another() {
        for kind in [Kind::Signing, Kind::Storage, Kind::Token] {
            let (one, other) = (kind.generate(), kind.generate());
            assert_ne!(kind.id(one.expose()).unwrap(), kind.id(other.expose()).unwrap());
            assert!(!one.expose().contains(&kind.id(one.expose()).unwrap()));
            assert!(one.expose().len() >= 43);
        }
        assert_eq!(Kind::Signing.generate().expose().len(), 64);
        assert!(Kind::Signing.id("abc").is_err() && Kind::Storage.id("abc").is_err());
    }
}
