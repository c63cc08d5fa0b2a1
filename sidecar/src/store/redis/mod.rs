//! The store for several replicas: Redis or Valkey (6.2 or later), alone, behind Sentinels or as
//! a Cluster.
//!
//! Time is the server's. Whatever changes together lies in one slot and changes in one Lua
//! script: a session with all index entries that name it, the feed, the values of one group.
//! `keys` says how that is done, `lua/` has the scripts.

mod address;
mod connection;
mod feed;
mod inspect;
mod keys;
mod scan;
mod sessions;
mod values;

#[cfg(test)]
pub(crate) mod testing;

use async_trait::async_trait;
use auth_core::{revocation::Revocation, session_id::SessionId, time::UnixTime};

pub use self::{
    address::{AddressRefused, CaRefused, RedisAddress},
    inspect::Facts,
};
use self::{connection::Connection, feed::Feed, sessions::Sessions, values::Values};
use super::{
    Answer, FeedCursor, FeedRead, Holder, Key, Scan, Store, StoreFailure, Stored, Swap, Update,
    record::{Position, Record},
};

/// A store in Redis. It is connected when first asked something.
pub struct RedisStore {
    sessions: Sessions,
    feed: Feed,
    values: Values,
}

impl RedisStore {
    /// A store at this address.
    pub fn new(address: RedisAddress) -> Self {
        let connection = Connection::new(address);
        Self {
            sessions: Sessions::new(connection.clone()),
            feed: Feed::new(connection.clone()),
            values: Values::new(connection),
        }
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn ping(&self) -> Answer<()> {
        // Reading the feed writes (its name, if nothing else), so a server that has become
        // read-only does not count as reachable.
        self.feed.read(None, 1).await.map(drop)
    }

    async fn now(&self) -> Answer<UnixTime> {
        self.feed.now().await
    }

    async fn session(&self, id: &SessionId) -> Answer<Option<Record>> {
        self.sessions.find(id).await
    }

    async fn session_to_swap(&self, id: &SessionId) -> Answer<(UnixTime, Option<Stored>)> {
        self.sessions.find_to_swap(id).await
    }

    async fn swap_sessions(&self, swaps: Vec<Swap>) -> Answer<Vec<bool>> {
        self.sessions.swap(&swaps).await
    }

    async fn list_sessions(
        &self,
        holder: Option<&Holder>,
        after: Option<&Position>,
        limit: usize,
    ) -> Answer<Vec<Stored>> {
        self.sessions.list(holder, after, limit).await
    }

    async fn publish(&self, entry: &Revocation) -> Answer<()> {
        self.feed.publish(entry).await
    }

    async fn read_feed(&self, after: Option<&FeedCursor>, limit: usize) -> Answer<FeedRead> {
        self.feed.read(after, limit).await
    }

    async fn issued_before(&self, holder: &Holder) -> Answer<Option<UnixTime>> {
        self.feed.issued_before(holder).await
    }

    async fn get(&self, key: &Key) -> Answer<Option<Vec<u8>>> {
        self.values.get(key).await
    }

    async fn take(&self, key: &Key) -> Answer<Option<Vec<u8>>> {
        self.values.take(key).await
    }

    async fn update(&self, update: Update) -> Answer<bool> {
        self.values.update(&update).await
    }

    async fn scan(&self, after: Option<&str>, limit: usize) -> Answer<Scan> {
        self.values.scan(after, limit).await
    }

    async fn sweep(&self) -> Answer<usize> {
        let now = self.now().await?;
        // Reading the feed drops what has expired; sessions and values expire by themselves, and
        // only the indexes of the sessions are left to clean.
        self.feed.read(None, 1).await?;
        self.sessions.forget_expired(now).await
    }
}

fn unreadable(what: &str) -> StoreFailure {
    StoreFailure::Broken(format!("{what} in Redis is unreadable"))
}

#[cfg(test)]
mod tests {
    use redis::cmd;

    use super::*;
    use crate::store::suite;

    suite::for_store!((testing::store().await, ()));

    /// What Redis keeps, and that all of it goes away by itself.
    #[tokio::test]
    async fn every_key_has_a_time_to_live_and_a_version() {
        let url = testing::fresh_database();
        let store = RedisStore::new(RedisAddress::parse(&url).unwrap());
        suite::fill(&store).await;
        let client = redis::Client::open(url).unwrap();
        let mut link = client.get_multiplexed_async_connection().await.unwrap();
        let keys: Vec<String> = cmd("KEYS").arg("*").query_async(&mut link).await.unwrap();
        assert!(keys.len() >= 8, "{keys:?}");
        for key in keys {
            let ttl: i64 = cmd("TTL").arg(&key).query_async(&mut link).await.unwrap();
            assert!(ttl > 0, "{key} lives for ever");
            assert!(key.starts_with("mcp-auth:v1:{"), "{key}");
        }
    }
}
