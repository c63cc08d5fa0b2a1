//! Encryption at rest: Fernet with `STORAGE_ENCRYPTION_KEY`, or with the key the embedded store
//! makes for itself.

use std::{fmt, fs, io, os::unix::fs::PermissionsExt, path::Path};

use base64::{
    Engine,
    engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
};
use fernet::{Fernet, MultiFernet};
use rand::RngCore;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{config::values::Key256, live::Live, private_file};

/// The key file of the embedded store.
pub const KEY_FILE: &str = "storage.key";

/// The first key encrypts, all decrypt. `Debug` prints no key.
#[derive(Clone)]
pub struct StorageKeys(Live<Ring>);

struct Ring {
    all: MultiFernet,
    first: Fernet,
    ids: Vec<String>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum NoKey {
    /// The file system.
    #[error("{0}")]
    File(#[from] io::Error),
    /// The file holds something else.
    #[error("it holds no Fernet key")]
    NotAKey,
    /// Others may read it.
    #[error("others may read it: chmod 600 it, and replace the key if they have")]
    Exposed,
}

impl StorageKeys {
    /// At least one key.
    pub fn new(keys: &[Key256]) -> Option<Self> {
        Ring::of(keys).map(|ring| Self(Live::new(ring)))
    }

    /// From now on these count, if there are any.
    pub fn replace(&self, keys: &[Key256]) {
        if let Some(ring) = Ring::of(keys) {
            self.0.replace(ring);
        }
    }

    /// Names for the keys that tell nothing of them, that of the encrypting key first.
    pub fn ids(&self) -> Vec<String> {
        self.0.now().ids.clone()
    }

    /// Whether the first key made the ciphertext.
    pub fn is_by_first(&self, sealed: &[u8]) -> bool {
        let opened = std::str::from_utf8(sealed).ok().map(|text| self.0.now().first.decrypt(text));
        opened.is_some_and(|opened| opened.map(Zeroizing::new).is_ok())
    }

    /// The key in `folder`, made at the first call.
    ///
    /// # Errors
    /// [`NoKey`]; a key that is there is never replaced.
    pub fn of_folder(folder: &Path) -> Result<Self, NoKey> {
        let path = folder.join(KEY_FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => Zeroizing::new(text),
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => generate(&path)?,
            Err(other) => return Err(other.into()),
        };
        if fs::metadata(&path)?.permissions().mode() & 0o077 != 0 {
            return Err(NoKey::Exposed);
        }
        let key = Key256::from_fernet(text.trim()).map_err(|_| NoKey::NotAKey)?;
        Self::new(&[key]).ok_or(NoKey::NotAKey)
    }

    /// The ciphertext.
    pub fn seal(&self, plain: &[u8]) -> Vec<u8> {
        self.0.now().all.encrypt(plain).into_bytes()
    }

    /// The plaintext, if one of the keys made the ciphertext. Nothing unencrypted passes.
    pub fn open(&self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let text = std::str::from_utf8(sealed).ok()?;
        self.0.now().all.decrypt(text).ok().map(Zeroizing::new)
    }
}

impl Ring {
    fn of(keys: &[Key256]) -> Option<Self> {
        let fernet = |key: &Key256| {
            let text = Zeroizing::new(URL_SAFE.encode(key.expose()));
            Fernet::new(&text).expect("32 bytes are a Fernet key")
        };
        Some(Self {
            first: fernet(keys.first()?),
            all: MultiFernet::new(keys.iter().map(fernet).collect()),
            ids: keys.iter().map(key_id).collect(),
        })
    }
}

/// A name for a storage key: it can be compared and shown, and tells nothing of the key.
pub fn key_id(key: &Key256) -> String {
    let digest = Sha256::new_with_prefix("mcp-auth storage key id\0").chain_update(key.expose());
    URL_SAFE_NO_PAD.encode(&digest.finalize()[..12])
}

impl fmt::Debug for StorageKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

fn generate(path: &Path) -> Result<Zeroizing<String>, io::Error> {
    let mut bytes = Zeroizing::new([0; 32]);
    rand::rngs::OsRng.fill_bytes(bytes.as_mut());
    let text = Zeroizing::new(URL_SAFE.encode(bytes.as_ref()));
    private_file::replace(path, &text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> StorageKeys {
        let key = |byte: &u8| Key256::from_fernet(&URL_SAFE.encode([*byte; 32])).unwrap();
        StorageKeys::new(&bytes.iter().map(key).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn what_an_older_key_sealed_is_still_opened() {
        let sealed = keys(&[1]).seal(b"text");
        assert_eq!(keys(&[2, 1]).open(&sealed).unwrap().as_slice(), b"text");
        assert!(keys(&[2]).open(&sealed).is_none());
    }

    #[test]
    fn plaintext_and_changed_ciphertext_are_refused() {
        let keys = keys(&[1]);
        assert!(keys.open(b"{\"user\":\"alice\"}").is_none());
        let mut sealed = keys.seal(b"text");
        let middle = sealed.len() / 2;
        sealed[middle] = if sealed[middle] == b'A' { b'B' } else { b'A' };
        assert!(keys.open(&sealed).is_none());
    }

    #[test]
    fn the_key_of_a_folder_is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let sealed = StorageKeys::of_folder(folder.path()).unwrap().seal(b"text");
        let again = StorageKeys::of_folder(folder.path()).unwrap();
        assert_eq!(again.open(&sealed).unwrap().as_slice(), b"text");
        let file = folder.path().join(KEY_FILE);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(StorageKeys::of_folder(folder.path()), Err(NoKey::Exposed)));
    }
}
