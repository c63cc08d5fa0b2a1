//! What `mcp-auth` remembers, and the one trait both stores implement.
//!
//! A store keeps, finds and expires; it decides nothing. Rules are applied by reading a value,
//! deciding, and swapping it for the next only if nobody else did in between. `suite` holds both
//! implementations to the same behaviour.

pub mod embedded;
pub mod record;
pub mod redis;
#[cfg(test)]
pub(crate) mod suite;

use std::time::Duration;

use async_trait::async_trait;
use auth_core::{revocation::Revocation, session_id::SessionId, time::UnixTime};

use record::{Position, Record};

/// Added to `as_of` (µs) in the middle of the pages: a reader who is on his way through them is not
/// sent back for what expires meanwhile.
const PAGING_GRACE: u64 = 60_000_000;

/// How much one sweep removes of each kind at most, so that it never holds up writers for long.
pub(crate) const SWEPT_AT_ONCE: usize = 1000;

/// The store did not do what it was asked to. A write may or may not have happened.
#[derive(Debug, thiserror::Error)]
pub enum StoreFailure {
    /// The server cannot be reached, or did not answer in time.
    #[error("the store is not reachable: {0}")]
    Unreachable(String),
    /// It answered something else than it should have.
    #[error("the store is not usable: {0}")]
    Broken(String),
}

/// What every store method answers with.
pub type Answer<T> = Result<T, StoreFailure>;

/// Keeps sessions, the revocation feed, and encrypted values of the OAuth part.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Whether it can be reached and written.
    async fn ping(&self) -> Answer<()>;

    /// The store's time, which every replica agrees on.
    async fn now(&self) -> Answer<UnixTime>;

    /// What is recorded of a session that has not expired.
    async fn session(&self, id: &SessionId) -> Answer<Option<Record>>;

    /// The same, ready to be swapped, and the store's time.
    async fn session_to_swap(&self, id: &SessionId) -> Answer<(UnixTime, Option<Stored>)>;

    /// Replaces records that are still as they were read; each by itself. Tells which were.
    async fn swap_sessions(&self, swaps: Vec<Swap>) -> Answer<Vec<bool>>;

    /// Sessions newest first, from just after `after`, at most `limit`.
    async fn list_sessions(
        &self,
        holder: Option<&Holder>,
        after: Option<&Position>,
        limit: usize,
    ) -> Answer<Vec<Stored>>;

    /// Puts an entry at the end of the feed. One of the same session, user or client moves there,
    /// and then never expires sooner nor refuses less than it would have.
    async fn publish(&self, entry: &Revocation) -> Answer<()>;

    /// Entries from just after `after`, at most `limit`, in the order of their publication.
    async fn read_feed(&self, after: Option<&FeedCursor>, limit: usize) -> Answer<FeedRead>;

    /// The second up to which the holder's tokens are revoked.
    async fn issued_before(&self, holder: &Holder) -> Answer<Option<UnixTime>>;

    /// A value that has not expired.
    async fn get(&self, key: &Key) -> Answer<Option<Vec<u8>>>;

    /// A value that has not expired, which is gone afterwards: of two takers one gets it.
    async fn take(&self, key: &Key) -> Answer<Option<Vec<u8>>>;

    /// Makes all changes of one group if all its conditions hold, else none. Tells which.
    async fn update(&self, update: Update) -> Answer<bool>;

    /// Keys of values, from where `after` stands on, some `limit` of them. A value that is there from the
    /// first call to the last is named at least once.
    async fn scan(&self, after: Option<&str>, limit: usize) -> Answer<Scan>;

    /// Removes what has expired, where that does not happen by itself. Tells how much it was.
    async fn sweep(&self) -> Answer<usize>;
}

/// A record as it was read, with its exact bytes.
#[derive(Clone, Debug)]
pub struct Stored {
    /// What they say.
    pub record: Record,
    /// The bytes that a swap compares.
    pub raw: Vec<u8>,
}

/// One record to be replaced.
#[derive(Clone, Debug)]
pub struct Swap {
    /// What must be there; `None`: nothing.
    pub expected: Option<Stored>,
    /// What shall be there.
    pub new: Record,
}

/// Whose sessions are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Those of a user.
    User(String),
    /// Those of a client.
    Client(String),
}

/// How far a reader has come in the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedCursor {
    /// The feed's name for itself; a lost store comes back with another.
    pub generation: String,
    /// The sequence number of the last entry read.
    pub sequence: u64,
    /// The feed's latest number when that was.
    pub as_of: u64,
}

/// What a reader of the feed finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedRead {
    /// The next entries.
    Page {
        /// In order of publication.
        entries: Vec<Revocation>,
        /// Where they end.
        cursor: FeedCursor,
        /// Whether others are ready.
        more: bool,
    },
    /// An entry not yet read was dropped, or the cursor is of another store: begin anew.
    Gone,
}

/// Where a value lies. Keys of one group can be changed together, in a Redis Cluster too.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// What belongs together, such as one login.
    pub group: String,
    /// Which of its values is meant.
    pub name: String,
}

/// Some of the keys that there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// The keys.
    pub keys: Vec<Key>,
    /// Where it goes on; `None`: this was the end.
    pub next: Option<String>,
}

/// What must hold for an [`Update`] to happen.
#[derive(Clone, Debug)]
pub enum Condition {
    /// Nothing is there under this name.
    Absent(String),
    /// Exactly this is there.
    Equals(String, Vec<u8>),
}

/// One change of an [`Update`].
#[derive(Clone, Debug)]
pub enum Change {
    /// Put a value, which is gone after the time to live.
    Put(String, Vec<u8>, Duration),
    /// Put another value in the place of one that is there, which lives no longer by it.
    Replace(String, Vec<u8>),
    /// Remove a value, if it is there.
    Remove(String),
}

/// Changes to values of one group that happen together or not at all: set-if-absent,
/// compare-and-swap and every mixture of them.
#[derive(Clone, Debug)]
pub struct Update {
    /// The group of all names below.
    pub group: String,
    /// What must hold.
    pub conditions: Vec<Condition>,
    /// What then happens.
    pub changes: Vec<Change>,
}
