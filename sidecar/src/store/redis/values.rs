//! The values of the OAuth part in Redis, each with a time to live. They arrive encrypted.

use std::sync::LazyLock;

use redis::cmd;

use super::{
    connection::{Again, Connection, Link, Script},
    keys, scan,
};
use crate::store::{Answer, Change, Condition, Key, Scan, Update};

pub(super) struct Values {
    connection: Connection,
}

static UPDATE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/update_values.lua")));

impl Values {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    pub(super) async fn get(&self, key: &Key) -> Answer<Option<Vec<u8>>> {
        self.one("GET", Again::Yes, key).await
    }

    /// Is not sent again when its answer is lost: the value may have been in it.
    pub(super) async fn take(&self, key: &Key) -> Answer<Option<Vec<u8>>> {
        self.one("GETDEL", Again::No, key).await
    }

    /// Is not sent again when its answer is lost: the changes may have happened.
    pub(super) async fn update(&self, update: &Update) -> Answer<bool> {
        let name = |name: &str| keys::value_of(&update.group, name);
        let (mut keys, mut args) = (Vec::new(), Vec::new());
        args.push(update.conditions.len().to_string().into_bytes());
        for condition in &update.conditions {
            match condition {
                Condition::Absent(absent) => {
                    keys.push(name(absent));
                    args.push(b"!".to_vec());
                }
                Condition::Equals(equal, value) => {
                    keys.push(name(equal));
                    args.push([b"=", value.as_slice()].concat());
                }
            }
        }
        for change in &update.changes {
            match change {
                Change::Put(put, value, ttl) => {
                    keys.push(name(put));
                    args.push(ttl.as_millis().max(1).to_string().into_bytes());
                    args.push(value.clone());
                }
                Change::Replace(replaced, value) => {
                    keys.push(name(replaced));
                    args.push(b"keep".to_vec());
                    args.push(value.clone());
                }
                Change::Remove(removed) => {
                    keys.push(name(removed));
                    args.extend([Vec::new(), Vec::new()]);
                }
            }
        }
        self.connection.run(Again::No, |link| UPDATE.run(link, &keys, &args)).await
    }

    pub(super) async fn scan(&self, after: Option<&str>, limit: usize) -> Answer<Scan> {
        scan::scan(&self.connection, after, limit).await
    }

    async fn one(&self, verb: &str, again: Again, key: &Key) -> Answer<Option<Vec<u8>>> {
        let key = keys::value(key);
        let ask = |mut link: Link| {
            let mut command = cmd(verb);
            command.arg(&key);
            async move { command.query_async::<Option<Vec<u8>>>(&mut link).await }
        };
        self.connection.run(again, ask).await
    }
}
