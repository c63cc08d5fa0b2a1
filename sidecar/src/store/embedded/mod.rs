//! The store that needs no server: one redb file, every acknowledged write on the disk.
//!
//! Time comes from the process's clock. What has expired is invisible at once and removed by
//! [`Store::sweep`]. The tables are in `sessions`, `feed` and `values`; `writer` makes the commits.

mod feed;
mod sessions;
mod values;
mod writer;

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use auth_core::{revocation::Revocation, session_id::SessionId, time::UnixTime};
use redb::{Database, DatabaseError, ReadTransaction, ReadableDatabase};

use self::writer::Writer;
use super::{
    Answer, FeedCursor, FeedRead, Holder, Key, SWEPT_AT_ONCE, Scan, Store, StoreFailure, Stored,
    Swap, Update,
    record::{Position, Record},
};
use crate::clock::Clock;

/// A store in a folder of its own.
pub struct EmbeddedStore {
    database: Arc<Database>,
    writer: Writer,
    clock: Clock,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenFailure {
    /// The folder cannot be made.
    #[error("cannot make the folder: {0}")]
    Folder(#[from] std::io::Error),
    /// Another process has it open.
    #[error("another process uses it")]
    InUse,
    /// The file in it cannot be opened.
    #[error("{0}")]
    File(redb::Error),
}

impl EmbeddedStore {
    /// Opens the store in `folder`, or makes one there.
    ///
    /// # Errors
    /// [`OpenFailure`] if the folder or the file in it cannot be used.
    pub fn open(folder: &Path, clock: Clock) -> Result<Self, OpenFailure> {
        make_private_folder(folder)?;
        let file = folder.join("store.redb");
        make_private_file(&file)?;
        let database = Database::create(&file).map_err(|failure| match failure {
            DatabaseError::DatabaseAlreadyOpen => OpenFailure::InUse,
            other => OpenFailure::File(other.into()),
        })?;
        make_tables(&database).map_err(OpenFailure::File)?;
        let database = Arc::new(database);
        let writer = Writer::start(Arc::clone(&database))?;
        Ok(Self { database, writer, clock })
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error> + Send + 'static,
    ) -> Answer<T> {
        let database = Arc::clone(&self.database);
        tokio::task::spawn_blocking(move || read(&database.begin_read()?))
            .await
            .map_err(|stopped| StoreFailure::Broken(stopped.to_string()))?
            .map_err(|failure| StoreFailure::Broken(failure.to_string()))
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn ping(&self) -> Answer<()> {
        self.writer.write(|_| Ok(())).await
    }

    async fn now(&self) -> Answer<UnixTime> {
        Ok(self.clock.now())
    }

    async fn session(&self, id: &SessionId) -> Answer<Option<Record>> {
        Ok(self.session_to_swap(id).await?.1.map(|stored| stored.record))
    }

    async fn session_to_swap(&self, id: &SessionId) -> Answer<(UnixTime, Option<Stored>)> {
        let (id, now) = (id.clone(), self.clock.now());
        let found = self.read(move |txn| sessions::find(txn, &id)).await?;
        Ok((now, found.filter(|stored| stored.record.expires_at() > now)))
    }

    async fn swap_sessions(&self, swaps: Vec<Swap>) -> Answer<Vec<bool>> {
        let now = self.clock.now();
        self.writer
            .write(move |txn| swaps.iter().map(|swap| sessions::swap(txn, swap, now)).collect())
            .await
    }

    async fn list_sessions(
        &self,
        holder: Option<&Holder>,
        after: Option<&Position>,
        limit: usize,
    ) -> Answer<Vec<Stored>> {
        let (holder, after, now) = (holder.cloned(), after.cloned(), self.clock.now());
        self.read(move |txn| sessions::list(txn, holder.as_ref(), after.as_ref(), limit, now)).await
    }

    async fn publish(&self, entry: &Revocation) -> Answer<()> {
        let (entry, now) = (entry.clone(), self.clock.now());
        self.writer.write(move |txn| feed::publish(txn, entry, now)).await
    }

    async fn read_feed(&self, after: Option<&FeedCursor>, limit: usize) -> Answer<FeedRead> {
        let (after, now) = (after.cloned(), self.clock.now());
        if self.read(move |txn| feed::is_stale(txn, now)).await? {
            self.writer.write(move |txn| feed::drop_expired(txn, now, usize::MAX)).await?;
        }
        self.read(move |txn| feed::read(txn, after.as_ref(), limit)).await
    }

    async fn issued_before(&self, holder: &Holder) -> Answer<Option<UnixTime>> {
        let (holder, now) = (holder.clone(), self.clock.now());
        self.read(move |txn| feed::issued_before(txn, &holder, now)).await
    }

    async fn get(&self, key: &Key) -> Answer<Option<Vec<u8>>> {
        let (key, now) = (key.clone(), self.clock.now());
        self.read(move |txn| values::get(txn, &key, now)).await
    }

    async fn take(&self, key: &Key) -> Answer<Option<Vec<u8>>> {
        let (key, now) = (key.clone(), self.clock.now());
        self.writer.write(move |txn| values::take(txn, &key, now)).await
    }

    async fn update(&self, update: Update) -> Answer<bool> {
        let now = self.clock.now();
        self.writer.write(move |txn| values::update(txn, &update, now)).await
    }

    async fn scan(&self, after: Option<&str>, limit: usize) -> Answer<Scan> {
        let after = after.map(str::to_owned);
        self.read(move |txn| values::scan(txn, after.as_deref(), limit)).await
    }

    async fn sweep(&self) -> Answer<usize> {
        let now = self.clock.now();
        self.writer
            .write(move |txn| {
                Ok(sessions::drop_expired(txn, now, SWEPT_AT_ONCE)?
                    + feed::drop_expired(txn, now, SWEPT_AT_ONCE)?
                    + values::drop_expired(txn, now, SWEPT_AT_ONCE)?)
            })
            .await
    }
}

/// Readers cannot open a table that no writer has made.
fn make_tables(database: &Database) -> Result<(), redb::Error> {
    let txn = database.begin_write()?;
    sessions::make_tables(&txn)?;
    feed::make_tables(&txn)?;
    values::make_tables(&txn)?;
    txn.commit()?;
    Ok(())
}

fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// The folder may have been there, for others to look into.
fn make_private_file(file: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(file)?;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::suite;

    #[test]
    fn nobody_else_can_read_the_file_whatever_the_folder_is() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let file = folder.path().join("store.redb");
        for _ in 0..2 {
            drop(EmbeddedStore::open(folder.path(), Clock::system()).unwrap());
            assert_eq!(mode(&file), 0o600);
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        }
    }

    fn store() -> (EmbeddedStore, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (EmbeddedStore::open(folder.path(), Clock::system()).unwrap(), folder)
    }

    suite::for_store!(store());

    #[tokio::test]
    async fn a_store_opened_again_has_what_it_had() {
        let folder = tempfile::tempdir().unwrap();
        let entry = suite::user_entry("alice", 1, u64::from(u32::MAX));
        let before = {
            let store = EmbeddedStore::open(folder.path(), Clock::system()).unwrap();
            store.publish(&entry).await.unwrap();
            store.read_feed(None, 10).await.unwrap()
        };
        let store = EmbeddedStore::open(folder.path(), Clock::system()).unwrap();
        assert_eq!(store.read_feed(None, 10).await.unwrap(), before);
    }

    #[tokio::test]
    async fn a_folder_in_use_is_refused() {
        let (_store, folder) = store();
        let second = EmbeddedStore::open(folder.path(), Clock::system());
        assert!(matches!(second, Err(OpenFailure::InUse)));
    }
}
