//! The revocation feed in Redis. `lua/feed.lua` says how it works.

use std::sync::LazyLock;

use auth_core::{revocation::Revocation, session_id::SessionId, time::UnixTime};
use redis::cmd;

use super::{
    connection::{Again, Connection, Link, Script},
    keys, unreadable,
};
use crate::store::{Answer, FeedCursor, FeedRead, Holder, PAGING_GRACE};

pub(super) struct Feed {
    connection: Connection,
    keys: [String; 5],
}

struct Scripts {
    publish: Script,
    read: Script,
    now: Script,
}

static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| Scripts {
    publish: Script::new(concat!(
        include_str!("lua/keep.lua"),
        include_str!("lua/feed.lua"),
        include_str!("lua/publish.lua")
    )),
    read: Script::new(concat!(
        include_str!("lua/keep.lua"),
        include_str!("lua/feed.lua"),
        include_str!("lua/read_feed.lua")
    )),
    now: Script::new("return redis.call('TIME')"),
});

impl Feed {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, keys: keys::feed() }
    }

    pub(super) async fn now(&self) -> Answer<UnixTime> {
        let now = |link| SCRIPTS.now.run::<(u64, u64)>(link, &self.keys[..1], &[]);
        let (secs, micros) = self.connection.run(Again::Yes, now).await?;
        Ok(UnixTime::from_millis(secs * 1000 + micros / 1000))
    }

    pub(super) async fn publish(&self, entry: &Revocation) -> Answer<()> {
        let (subject, issued_before) = match entry {
            Revocation::Session { session_id, .. } => (format!("session:{session_id}"), None),
            Revocation::User { user_id, issued_before, .. } => {
                (format!("user:{user_id}"), Some(issued_before))
            }
            Revocation::Client { client_id, issued_before, .. } => {
                (format!("client:{client_id}"), Some(issued_before))
            }
        };
        let end = entry.expires_at().secs().to_string();
        let issued = issued_before.map(|time| time.secs().to_string()).unwrap_or_default();
        let args = [subject, end, issued, fresh_name()].map(String::into_bytes);
        let publish = |link| SCRIPTS.publish.run::<u8>(link, &self.keys, &args);
        self.connection.run(Again::Yes, publish).await.map(drop)
    }

    pub(super) async fn read(&self, after: Option<&FeedCursor>, limit: usize) -> Answer<FeedRead> {
        let number = |number: Option<u64>| number.map(|it| it.to_string()).unwrap_or_default();
        let args = [
            after.map(|after| after.generation.clone()).unwrap_or_default(),
            number(after.map(|after| after.sequence)),
            number(after.map(|after| after.as_of)),
            limit.to_string(),
            fresh_name(),
            PAGING_GRACE.to_string(),
        ]
        .map(String::into_bytes);
        let read = |link| SCRIPTS.read.run::<Vec<String>>(link, &self.keys, &args);
        let answer = self.connection.run(Again::Yes, read).await?;
        let [generation, sequence, as_of, more, entries @ ..] = answer.as_slice() else {
            return Ok(FeedRead::Gone);
        };
        let cursor = FeedCursor {
            generation: generation.clone(),
            sequence: parse(sequence)?,
            as_of: parse(as_of)?,
        };
        let entries = entries.chunks_exact(3).map(entry).collect::<Answer<_>>()?;
        Ok(FeedRead::Page { entries, cursor, more: more == "1" })
    }

    pub(super) async fn issued_before(&self, holder: &Holder) -> Answer<Option<UnixTime>> {
        let subject = match holder {
            Holder::User(id) => format!("user:{id}"),
            Holder::Client(id) => format!("client:{id}"),
        };
        let ask = |mut link: Link| {
            let mut get = cmd("HGET");
            get.arg(&self.keys[3]).arg(&subject);
            async move { get.query_async::<Option<u64>>(&mut link).await }
        };
        Ok(self.connection.run(Again::Yes, ask).await?.map(UnixTime::from_secs))
    }
}

fn entry(parts: &[String]) -> Answer<Revocation> {
    let [subject, end, issued] = parts else { return Err(unreadable("a feed entry")) };
    let expires_at = UnixTime::from_secs(parse(end)?);
    match subject.split_once(':') {
        Some(("session", id)) => {
            let session_id = SessionId::parse(id).ok_or_else(|| unreadable("a feed entry"))?;
            Ok(Revocation::Session { session_id, expires_at })
        }
        Some(("user", id)) => Ok(Revocation::User {
            user_id: id.to_owned(),
            issued_before: UnixTime::from_secs(parse(issued)?),
            expires_at,
        }),
        Some(("client", id)) => Ok(Revocation::Client {
            client_id: id.to_owned(),
            issued_before: UnixTime::from_secs(parse(issued)?),
            expires_at,
        }),
        _ => Err(unreadable("a feed entry")),
    }
}

fn parse(number: &str) -> Answer<u64> {
    number.parse().map_err(|_| unreadable("a number of the feed"))
}

/// A feed that is made anew has another name, by which readers learn that theirs was lost.
fn fresh_name() -> String {
    format!("{:032x}", rand::random::<u128>())
}
