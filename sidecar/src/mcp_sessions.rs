//! Whose an MCP session is, for the filters of all workers: the first to say so is right. Filters name
//! sessions and owners by digests alone.

use std::{sync::Arc, time::Duration};

use auth_core::{
    mcp::session::{Binding, Owner},
    session_id::SessionId,
};

use crate::{
    sessions::NotRecorded,
    store::{Change, Condition, Key, Store, StoreFailure, Update},
};

/// How long an owner is remembered after the filter last told of it, which it does every hour while
/// the session is used.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// How often a change begins anew because somebody was quicker.
const ATTEMPTS: u32 = 10;
const GROUP: &str = "mcp-session:";
const NAME: &str = "owner";

/// Owners over a store.
#[derive(Clone)]
pub struct McpSessions {
    store: Arc<dyn Store>,
}

impl McpSessions {
    /// Over this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Whose the session is, if anybody's.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn owner(&self, id: &SessionId) -> Result<Option<Binding>, StoreFailure> {
        Ok(self.read(id).await?.map(|(owner, _)| Binding { owner }))
    }

    /// Binds the session, or keeps it bound; tells whether it was nobody's.
    ///
    /// # Errors
    /// [`NotRecorded::Another`] if it is somebody else's.
    pub async fn bind(&self, id: &SessionId, owner: Owner) -> Result<bool, NotRecorded> {
        for _ in 0..ATTEMPTS {
            let condition = match self.read(id).await? {
                None => Condition::Absent(NAME.to_owned()),
                Some((there, raw)) if there == owner => Condition::Equals(NAME.to_owned(), raw),
                Some(_) => return Err(NotRecorded::Another("owner")),
            };
            let is_new = matches!(condition, Condition::Absent(_));
            let value = owner.to_string().into_bytes();
            let update = Update {
                group: key(id).group,
                conditions: vec![condition],
                changes: vec![Change::Put(NAME.to_owned(), value, REMEMBERED)],
            };
            if self.store.update(update).await? {
                return Ok(is_new);
            }
        }
        Err(StoreFailure::Broken("an MCP session changes without end".to_owned()).into())
    }

    async fn read(&self, id: &SessionId) -> Result<Option<(Owner, Vec<u8>)>, StoreFailure> {
        let Some(raw) = self.store.get(&key(id)).await? else { return Ok(None) };
        let owner = std::str::from_utf8(&raw).ok().and_then(Owner::parse);
        match owner {
            Some(owner) => Ok(Some((owner, raw))),
            None => {
                Err(StoreFailure::Broken("the owner of an MCP session is unreadable".to_owned()))
            }
        }
    }
}

fn key(id: &SessionId) -> Key {
    Key { group: format!("{GROUP}{id}"), name: NAME.to_owned() }
}

/// Whether a group of values is an MCP session's: these are not encrypted.
pub(crate) fn is_group(group: &str) -> bool {
    group.starts_with(GROUP)
}
