//! The names of keys. The part in braces decides the slot in a Redis Cluster.
//!
//! A session lies in one of 16 buckets by the hash of its id, together with the bucket's share of
//! every index, so that one script changes all of it; a listing merges the buckets. The feed has
//! a slot of its own, and so has every group of values. `sidecar/README.md` has the table.

use auth_core::session_id::SessionId;
use sha2::{Digest, Sha256};

use crate::store::{Holder, Key};

/// The version is part of every name: another layout gets another one.
const VERSION: &str = "mcp-auth:v1";

/// How many buckets sessions are spread over. Part of the layout.
pub(super) const BUCKETS: u8 = 16;

/// One of the buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Bucket(u8);

impl Bucket {
    pub(super) fn of(id: &SessionId) -> Self {
        Self(Sha256::digest(id.as_str())[0] % BUCKETS)
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..BUCKETS).map(Self)
    }

    pub(super) fn session(self, id: &str) -> String {
        self.name(&format!("session:{id}"))
    }

    pub(super) fn by_age(self) -> String {
        self.name("by-age")
    }

    pub(super) fn by_end(self) -> String {
        self.name("by-end")
    }

    pub(super) fn by_user(self, id: &str) -> String {
        self.name(&format!("by-user:{id}"))
    }

    pub(super) fn by_client(self, id: &str) -> String {
        self.name(&format!("by-client:{id}"))
    }

    pub(super) fn index(self, holder: Option<&Holder>) -> String {
        match holder {
            None => self.by_age(),
            Some(Holder::User(id)) => self.by_user(id),
            Some(Holder::Client(id)) => self.by_client(id),
        }
    }

    fn name(self, rest: &str) -> String {
        format!("{VERSION}:{{s{:02}}}:{rest}", self.0)
    }
}

/// The keys of the feed, in the order in which its scripts take them.
pub(super) fn feed() -> [String; 5] {
    ["head", "log", "by-end", "issued-before", "drops"]
        .map(|part| format!("{VERSION}:{{feed}}:{part}"))
}

pub(super) fn value(key: &Key) -> String {
    value_of(&key.group, &key.name)
}

/// The pattern that `SCAN` finds all values by.
pub(super) fn all_values() -> String {
    format!("{VERSION}:{{v:*")
}

/// The key of a value by its name in Redis.
pub(super) fn parse_value(name: &str) -> Option<Key> {
    let rest = name.strip_prefix(VERSION)?.strip_prefix(":{v:")?;
    let (group, name) = rest.rsplit_once("}:")?;
    Some(Key { group: group.to_owned(), name: name.to_owned() })
}

pub(super) fn value_of(group: &str, name: &str) -> String {
    format!("{VERSION}:{{v:{group}}}:{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_of_a_session_share_a_slot() {
        let id = SessionId::parse("0123456789abcdef").unwrap();
        let bucket = Bucket::of(&id);
        let tag = |key: String| key.split(['{', '}']).nth(1).unwrap().to_owned();
        let tags = [
            bucket.session(id.as_str()),
            bucket.by_age(),
            bucket.by_end(),
            bucket.by_user("a}b{c"),
            bucket.by_client("https://client/{x}"),
        ]
        .map(tag);
        assert!(tags.iter().all(|other| other == &tags[0]), "{tags:?}");
    }
}
