//! Typed values in the store, encrypted, each bound to its own place: a ciphertext that is moved
//! to another key does not open there.

use std::{sync::Arc, time::Duration};

use auth_core::time::UnixTime;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use super::crypt::StorageKeys;
use crate::store::{Change, Condition, Key, Scan, Store, StoreFailure, Update};

/// How often a change is tried that meets the same value in another seal.
const ATTEMPTS: u32 = 5;
/// The name of what is not kept; no kept value has it.
const CARRIED: &str = "(carried)";

/// Keeps what the authorization server remembers.
#[derive(Clone)]
pub struct Vault {
    store: Arc<dyn Store>,
    keys: StorageKeys,
}

/// A value as it was read; a [`Batch`] can ask that it be unchanged.
#[derive(Clone, Debug)]
pub struct Read<T> {
    /// What it says.
    pub value: T,
    raw: Vec<u8>,
}

/// Changes of one group that happen together or not at all.
#[must_use]
pub struct Batch<'v> {
    vault: &'v Vault,
    update: Update,
}

/// What came of sealing a value anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resealed {
    /// It is sealed with the first key now.
    Renewed,
    /// It was already, or somebody has put another value meanwhile.
    Current,
    /// Nothing is there any more.
    Gone,
    /// No key opens it.
    Unreadable,
}

/// Why a value is not there.
#[derive(Debug, thiserror::Error)]
pub enum VaultFailure {
    /// The store. A write may or may not have happened.
    #[error(transparent)]
    Store(#[from] StoreFailure),
    /// No key opens it, or it belongs elsewhere.
    #[error(
        "a stored value of the group {0} cannot be opened: is a STORAGE_ENCRYPTION_KEY missing?"
    )]
    Sealed(String),
}

impl Vault {
    /// Over this store, with these keys.
    pub fn new(store: Arc<dyn Store>, keys: StorageKeys) -> Self {
        Self { store, keys }
    }

    /// What it encrypts with.
    pub fn keys(&self) -> &StorageKeys {
        &self.keys
    }

    /// The store's time, which every replica agrees on.
    ///
    /// # Errors
    /// [`VaultFailure::Store`]
    pub async fn now(&self) -> Result<UnixTime, VaultFailure> {
        Ok(self.store.now().await?)
    }

    /// A value that has not expired.
    ///
    /// # Errors
    /// [`VaultFailure`]
    pub async fn get<T: DeserializeOwned>(
        &self,
        key: &Key,
    ) -> Result<Option<Read<T>>, VaultFailure> {
        let Some(raw) = self.store.get(key).await? else { return Ok(None) };
        Ok(Some(Read { value: self.open(key, &raw)?, raw }))
    }

    /// The same, gone afterwards: of two takers one gets it.
    ///
    /// # Errors
    /// [`VaultFailure`]
    pub async fn take<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, VaultFailure> {
        let Some(raw) = self.store.take(key).await? else { return Ok(None) };
        self.open(key, &raw).map(Some)
    }

    /// Puts a value, whatever was there.
    ///
    /// # Errors
    /// [`VaultFailure`]
    pub async fn put<T: Serialize>(
        &self,
        key: &Key,
        value: &T,
        time_to_live: Duration,
    ) -> Result<(), VaultFailure> {
        self.batch(&key.group).put(&key.name, value, time_to_live).commit().await.map(drop)
    }

    /// A value for others to carry: they cannot read, change or make one, and it is good for
    /// nothing but `purpose`. It is not kept here.
    pub fn seal_for<T: Serialize>(&self, purpose: &str, value: &T) -> String {
        let sealed = self.seal(purpose, CARRIED, value);
        String::from_utf8(sealed).expect("Fernet tokens are base64url")
    }

    /// The value, if it was sealed here for this purpose.
    pub fn open_for<T: DeserializeOwned>(&self, purpose: &str, sealed: &str) -> Option<T> {
        let place = Key { group: purpose.to_owned(), name: CARRIED.to_owned() };
        self.open(&place, sealed.as_bytes()).ok()
    }

    /// Keys of values, as [`Store::scan`] gives them.
    ///
    /// # Errors
    /// [`VaultFailure::Store`]
    pub async fn scan(&self, after: Option<&str>, limit: usize) -> Result<Scan, VaultFailure> {
        Ok(self.store.scan(after, limit).await?)
    }

    /// Seals a value with the first key, if another one did. It lives as long as before.
    ///
    /// # Errors
    /// [`VaultFailure::Store`]
    pub async fn reseal(&self, key: &Key) -> Result<Resealed, VaultFailure> {
        let Some(raw) = self.store.get(key).await? else { return Ok(Resealed::Gone) };
        if self.keys.is_by_first(&raw) {
            return Ok(Resealed::Current);
        }
        let Some(plain) = self.keys.open(&raw) else { return Ok(Resealed::Unreadable) };
        let update = Update {
            group: key.group.clone(),
            conditions: vec![Condition::Equals(key.name.clone(), raw)],
            changes: vec![Change::Replace(key.name.clone(), self.keys.seal(&plain))],
        };
        match self.store.update(update).await? {
            true => Ok(Resealed::Renewed),
            false => Ok(Resealed::Current),
        }
    }

    /// Whether a condition failed only because the value was sealed anew meanwhile, and holds in its
    /// new form then.
    async fn resealed(&self, update: &mut Update) -> Result<bool, VaultFailure> {
        let mut is_other_seal = false;
        for condition in &mut update.conditions {
            let Condition::Equals(name, expected) = condition else { continue };
            let key = Key { group: update.group.clone(), name: name.clone() };
            let Some(there) = self.store.get(&key).await? else { return Ok(false) };
            if there == *expected {
                continue;
            }
            match (self.keys.open(&there), self.keys.open(expected)) {
                (Some(one), Some(other)) if one == other => *expected = there,
                _ => return Ok(false),
            }
            is_other_seal = true;
        }
        Ok(is_other_seal)
    }

    /// Begins changes of one group.
    pub fn batch(&self, group: &str) -> Batch<'_> {
        let update =
            Update { group: group.to_owned(), conditions: Vec::new(), changes: Vec::new() };
        Batch { vault: self, update }
    }

    fn open<T: DeserializeOwned>(&self, key: &Key, raw: &[u8]) -> Result<T, VaultFailure> {
        let sealed = || VaultFailure::Sealed(key.group.clone());
        let plain = self.keys.open(raw).ok_or_else(sealed)?;
        let kept: Kept<T> = serde_json::from_slice(&plain).map_err(|_| sealed())?;
        if kept.group != key.group || kept.name != key.name {
            return Err(sealed());
        }
        Ok(kept.value)
    }

    fn seal<T: Serialize>(&self, group: &str, name: &str, value: &T) -> Vec<u8> {
        let kept = Kept { group: group.to_owned(), name: name.to_owned(), value };
        let plain = serde_json::to_vec(&kept).expect("records become JSON");
        self.keys.seal(&Zeroizing::new(plain))
    }
}

impl Batch<'_> {
    /// Only if nothing is there under `name`.
    pub fn if_absent(mut self, name: &str) -> Self {
        self.update.conditions.push(Condition::Absent(name.to_owned()));
        self
    }

    /// Only if the value is still as it was read.
    pub fn if_unchanged<T>(mut self, name: &str, read: &Read<T>) -> Self {
        self.update.conditions.push(Condition::Equals(name.to_owned(), read.raw.clone()));
        self
    }

    /// Puts a value.
    pub fn put<T: Serialize>(mut self, name: &str, value: &T, time_to_live: Duration) -> Self {
        let sealed = self.vault.seal(&self.update.group, name, value);
        self.update.changes.push(Change::Put(name.to_owned(), sealed, time_to_live));
        self
    }

    /// Removes a value, if it is there.
    pub fn remove(mut self, name: &str) -> Self {
        self.update.changes.push(Change::Remove(name.to_owned()));
        self
    }

    /// Makes the changes if all conditions hold; tells whether they did.
    ///
    /// # Errors
    /// [`VaultFailure::Store`]: they may then have been made or not.
    pub async fn commit(mut self) -> Result<bool, VaultFailure> {
        for _ in 0..ATTEMPTS {
            if self.vault.store.update(self.update.clone()).await? {
                return Ok(true);
            }
            if !self.vault.resealed(&mut self.update).await? {
                return Ok(false);
            }
        }
        Ok(false)
    }
}

/// What is encrypted: the value, and the place it was put at.
#[derive(Serialize, Deserialize)]
struct Kept<T> {
    group: String,
    name: String,
    value: T,
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE};

    use super::*;
    use crate::{clock::Clock, config::values::Key256, store::embedded::EmbeddedStore};

    fn key(group: &str) -> Key {
        Key { group: group.to_owned(), name: "n".to_owned() }
    }

    fn vault(folder: &std::path::Path) -> Vault {
        let store = EmbeddedStore::open(folder, Clock::system()).unwrap();
        let key = Key256::from_fernet(&URL_SAFE.encode([7; 32])).unwrap();
        Vault::new(Arc::new(store), StorageKeys::new(&[key]).unwrap())
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn values_read_back_and_the_store_sees_none_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(folder.path());
        vault.put(&key("g"), &"alice@example.com", LONG).await.unwrap();
        let raw = vault.store.get(&key("g")).await.unwrap().unwrap();
        assert!(!String::from_utf8(raw).unwrap().contains("alice"));
        assert_eq!(
            vault.get::<String>(&key("g")).await.unwrap().unwrap().value,
            "alice@example.com"
        );
        assert_eq!(vault.take::<String>(&key("g")).await.unwrap().unwrap(), "alice@example.com");
        assert!(vault.get::<String>(&key("g")).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_value_moved_to_another_place_does_not_open() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(folder.path());
        vault.put(&key("mallory"), &"admin", LONG).await.unwrap();
        let raw = vault.store.get(&key("mallory")).await.unwrap().unwrap();
        let changes = vec![Change::Put("n".to_owned(), raw, LONG)];
        let moved = Update { group: "alice".to_owned(), conditions: vec![], changes };
        vault.store.update(moved).await.unwrap();
        assert!(matches!(vault.get::<String>(&key("alice")).await, Err(VaultFailure::Sealed(_))));
    }

    #[tokio::test]
    async fn what_others_carry_is_good_for_its_purpose_only() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(folder.path());
        let sealed = vault.seal_for("consent", &"alice");
        assert!(!sealed.contains("alice"));
        assert_eq!(vault.open_for::<String>("consent", &sealed).unwrap(), "alice");
        assert!(vault.open_for::<String>("login", &sealed).is_none());
        assert!(vault.open_for::<String>("consent", &sealed[1..]).is_none());
        assert!(vault.open_for::<String>("consent", "\"alice\"").is_none());
    }

    #[tokio::test]
    async fn of_two_changes_to_what_was_read_one_happens() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(folder.path());
        vault.put(&key("g"), &1, LONG).await.unwrap();
        let read = vault.get::<u32>(&key("g")).await.unwrap().unwrap();
        let change =
            |to: u32| vault.batch("g").if_unchanged("n", &read).put("n", &to, LONG).commit();
        assert!(change(2).await.unwrap());
        assert!(!change(3).await.unwrap());
        assert_eq!(vault.get::<u32>(&key("g")).await.unwrap().unwrap().value, 2);
    }
}
