//! Sessions in Redis: a record a session, which expires by itself, and sorted sets as indexes.

use std::collections::HashMap;

use auth_core::{session::Session, session_id::SessionId, time::UnixTime};
use redis::cmd;
use tokio::task::JoinSet;

use super::{
    connection::{Again, Connection, Link, Script},
    keys::Bucket,
    unreadable,
};
use crate::store::{
    Answer, Holder, SWEPT_AT_ONCE, StoreFailure, Stored, Swap,
    record::{Position, Record},
};

#[derive(Clone)]
pub(super) struct Sessions {
    connection: Connection,
}

/// The scripts are the same for all stores of the process.
struct Scripts {
    read: Script,
    swap: Script,
    forget: Script,
}

static SCRIPTS: std::sync::LazyLock<Scripts> = std::sync::LazyLock::new(|| Scripts {
    read: Script::new(include_str!("lua/read_session.lua")),
    swap: Script::new(concat!(include_str!("lua/keep.lua"), include_str!("lua/swap_session.lua"))),
    forget: Script::new(include_str!("lua/forget_session.lua")),
});

impl Sessions {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    pub(super) async fn find(&self, id: &SessionId) -> Answer<Option<Record>> {
        let key = Bucket::of(id).session(id.as_str());
        let get = |mut link: Link| {
            let mut get = cmd("GET");
            get.arg(&key);
            async move { get.query_async::<Option<Vec<u8>>>(&mut link).await }
        };
        match self.connection.run(Again::Yes, get).await? {
            Some(raw) => Ok(Some(stored(raw)?.record)),
            None => Ok(None),
        }
    }

    pub(super) async fn find_to_swap(&self, id: &SessionId) -> Answer<(UnixTime, Option<Stored>)> {
        let keys = [Bucket::of(id).session(id.as_str())];
        let read = |link| SCRIPTS.read.run::<(u64, Option<Vec<u8>>)>(link, &keys, &[]);
        let (now, raw) = self.connection.run(Again::Yes, read).await?;
        Ok((UnixTime::from_secs(now), raw.map(stored).transpose()?))
    }

    /// All scripts are sent before the first answer is awaited.
    pub(super) async fn swap(&self, swaps: &[Swap]) -> Answer<Vec<bool>> {
        if let [one] = swaps {
            return Ok(vec![self.swap_one(one).await?]);
        }
        let mut running = JoinSet::new();
        for (index, swap) in swaps.iter().cloned().enumerate() {
            let sessions = self.clone();
            running.spawn(async move { (index, sessions.swap_one(&swap).await) });
        }
        let mut swapped = vec![false; swaps.len()];
        while let Some(done) = running.join_next().await {
            let (index, answer) = done.map_err(stopped)?;
            swapped[index] = answer?;
        }
        Ok(swapped)
    }

    async fn swap_one(&self, swap: &Swap) -> Answer<bool> {
        let bucket = Bucket::of(swap.new.id());
        let old = swap.expected.as_ref().and_then(|stored| stored.record.session());
        let new = swap.new.session();
        let client = |session: Option<&Session>| {
            bucket.by_client(session.and_then(|session| session.client_id.as_deref()).unwrap_or(""))
        };
        let keys = [
            bucket.session(swap.new.id().as_str()),
            bucket.by_age(),
            bucket.by_end(),
            bucket.by_user(new.map_or("", |session| &session.user_id)),
            client(new),
            client(old),
        ];
        let end = swap.new.expires_at().secs();
        let has_client = new.is_some_and(|session| session.client_id.is_some());
        let args = [
            swap.expected.as_ref().map(|stored| stored.raw.clone()).unwrap_or_default(),
            swap.new.to_bytes(),
            (end * 1000).to_string().into_bytes(),
            end.to_string().into_bytes(),
            new.map(place).unwrap_or_default().into_bytes(),
            new.map(end_entry).unwrap_or_default().into_bytes(),
            old.map(end_entry).unwrap_or_default().into_bytes(),
            if has_client { b"1".to_vec() } else { vec![] },
        ];
        let swap = |link| SCRIPTS.swap.run(link, &keys, &args);
        self.connection.run(Again::Yes, swap).await
    }

    /// Takes the next places of every bucket, and of all of them the first `limit`. Places whose
    /// record has expired since are skipped, so it goes on until there are enough.
    pub(super) async fn list(
        &self,
        holder: Option<&Holder>,
        after: Option<&Position>,
        limit: usize,
    ) -> Answer<Vec<Stored>> {
        let mut sessions = Vec::new();
        let mut after = after.map(place_of);
        while sessions.len() < limit {
            let wanted = limit - sessions.len();
            let places = self.places(holder, after.as_deref(), wanted).await?;
            let last = places.len() < wanted;
            sessions.extend(self.records(&places).await?);
            after = places.into_iter().next_back();
            if last {
                break;
            }
        }
        Ok(sessions)
    }

    async fn places(
        &self,
        holder: Option<&Holder>,
        after: Option<&str>,
        limit: usize,
    ) -> Answer<Vec<String>> {
        let highest = after.map_or_else(|| "+".to_owned(), |place| format!("({place}"));
        let mut running = JoinSet::new();
        for bucket in Bucket::all() {
            let mut range = cmd("ZREVRANGEBYLEX");
            range.arg(bucket.index(holder)).arg(&highest).arg("-").arg("LIMIT").arg(0).arg(limit);
            let connection = self.connection.clone();
            running.spawn(async move { query::<Vec<String>>(&connection, range).await });
        }
        let mut places = Vec::new();
        while let Some(done) = running.join_next().await {
            places.extend(done.map_err(stopped)??);
        }
        places.sort_unstable_by(|one, other| other.cmp(one));
        places.truncate(limit);
        Ok(places)
    }

    async fn records(&self, places: &[String]) -> Answer<Vec<Stored>> {
        let mut by_bucket: HashMap<Bucket, Vec<usize>> = HashMap::new();
        let ids = places.iter().map(|place| session_at(place)).collect::<Answer<Vec<_>>>()?;
        for (index, id) in ids.iter().enumerate() {
            by_bucket.entry(Bucket::of(id)).or_default().push(index);
        }
        let mut running = JoinSet::new();
        for (bucket, indexes) in by_bucket {
            let mut get = cmd("MGET");
            for index in &indexes {
                get.arg(bucket.session(ids[*index].as_str()));
            }
            let connection = self.connection.clone();
            running.spawn(async move {
                query::<Vec<Option<Vec<u8>>>>(&connection, get).await.map(|raw| (indexes, raw))
            });
        }
        let mut found: Vec<Option<Stored>> = vec![None; places.len()];
        while let Some(done) = running.join_next().await {
            let (indexes, raws) = done.map_err(stopped)??;
            for (index, raw) in indexes.into_iter().zip(raws) {
                found[index] = raw.map(stored).transpose()?;
            }
        }
        // A place stays until the sweep; the session may be recorded anew, elsewhere, by then.
        let is_there = |it: &Stored, listed: &String| {
            it.record.session().is_some_and(|session| place(session) == *listed)
        };
        let found = found.into_iter().zip(places);
        Ok(found.filter_map(|(it, listed)| it.filter(|it| is_there(it, listed))).collect())
    }

    /// Records expire by themselves; this takes them out of the indexes.
    pub(super) async fn forget_expired(&self, now: UnixTime) -> Answer<usize> {
        let mut forgotten = 0;
        for bucket in Bucket::all() {
            let mut range = cmd("ZRANGEBYSCORE");
            range.arg(bucket.by_end()).arg("-inf").arg(now.secs());
            range.arg("LIMIT").arg(0).arg(SWEPT_AT_ONCE);
            for entry in query::<Vec<String>>(&self.connection, range).await? {
                forgotten += usize::from(self.forget(bucket, &entry).await?);
            }
        }
        Ok(forgotten)
    }

    async fn forget(&self, bucket: Bucket, entry: &str) -> Answer<bool> {
        let (place, user, client): (String, String, Option<String>) =
            serde_json::from_str(entry).map_err(|_| unreadable("an index entry"))?;
        let client = bucket.by_client(client.as_deref().unwrap_or(""));
        let keys = [bucket.by_end(), bucket.by_age(), bucket.by_user(&user), client];
        let args = [entry.as_bytes().to_vec(), place.into_bytes()];
        let forget = |link| SCRIPTS.forget.run(link, &keys, &args);
        self.connection.run(Again::Yes, forget).await
    }
}

async fn query<T: redis::FromRedisValue>(
    connection: &Connection,
    command: redis::Cmd,
) -> Answer<T> {
    let ask = |mut link: Link| {
        let command = command.clone();
        async move { command.query_async(&mut link).await }
    };
    connection.run(Again::Yes, ask).await
}

/// Sorts as the session does among others: its second of creation, then its id.
fn place(session: &Session) -> String {
    place_of(&Position::of(session))
}

fn place_of(position: &Position) -> String {
    format!("{:016}:{}", position.created_at, position.id)
}

fn session_at(place: &str) -> Answer<SessionId> {
    let id = place.split_once(':').and_then(|(_, id)| SessionId::parse(id));
    id.ok_or_else(|| unreadable("an index entry"))
}

/// All that is needed to find the other index entries when the record is gone.
fn end_entry(session: &Session) -> String {
    let entry = (place(session), &session.user_id, &session.client_id);
    serde_json::to_string(&entry).expect("text becomes JSON")
}

fn stored(raw: Vec<u8>) -> Answer<Stored> {
    let record = Record::from_bytes(&raw).ok_or_else(|| unreadable("a session"))?;
    Ok(Stored { record, raw })
}

#[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
fn stopped(failure: tokio::task::JoinError) -> StoreFailure {
    StoreFailure::Broken(failure.to_string())
}
