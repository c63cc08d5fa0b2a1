//! Sessions in redb: the records, and the indexes by age, by holder and by end of life.

use auth_core::{session_id::SessionId, time::UnixTime};
use redb::{ReadTransaction, ReadableTable, StorageError, TableDefinition, WriteTransaction};

use crate::store::{
    Holder, Stored, Swap,
    record::{Position, Record},
};

const RECORDS: TableDefinition<&str, &[u8]> = TableDefinition::new("session.records");
const BY_AGE: TableDefinition<(u64, &str), ()> = TableDefinition::new("session.by_age");
const BY_HOLDER: TableDefinition<(&str, u64, &str), ()> = TableDefinition::new("session.by_holder");
const BY_END: TableDefinition<(u64, &str), ()> = TableDefinition::new("session.by_end");

/// Sorts after every session id.
const MAX_ID: &str = "~";

pub(super) fn make_tables(txn: &WriteTransaction) -> Result<(), redb::Error> {
    txn.open_table(RECORDS)?;
    txn.open_table(BY_AGE)?;
    txn.open_table(BY_HOLDER)?;
    txn.open_table(BY_END)?;
    Ok(())
}

pub(super) fn find(txn: &ReadTransaction, id: &SessionId) -> Result<Option<Stored>, redb::Error> {
    stored(&txn.open_table(RECORDS)?, id.as_str())
}

/// Replaces the record if it is still as expected. An expired one counts as none.
pub(super) fn swap(
    txn: &WriteTransaction,
    swap: &Swap,
    now: UnixTime,
) -> Result<bool, redb::Error> {
    let id = swap.new.id().as_str();
    let there = stored(&txn.open_table(RECORDS)?, id)?;
    let living = there.as_ref().filter(|stored| stored.record.expires_at() > now);
    if living.map(|stored| &stored.raw) != swap.expected.as_ref().map(|stored| &stored.raw) {
        return Ok(false);
    }
    if let Some(old) = &there {
        remove(txn, &old.record)?;
    }
    insert(txn, &swap.new)?;
    Ok(true)
}

pub(super) fn list(
    txn: &ReadTransaction,
    holder: Option<&Holder>,
    after: Option<&Position>,
    limit: usize,
    now: UnixTime,
) -> Result<Vec<Stored>, redb::Error> {
    let records = txn.open_table(RECORDS)?;
    let end = after.map_or((u64::MAX, ""), |after| (after.created_at, after.id.as_str()));
    let living = |id: &str| match stored(&records, id) {
        Ok(found) => found.filter(|stored| stored.record.expires_at() > now).map(Ok),
        Err(failure) => Some(Err(failure)),
    };
    match holder {
        Some(holder) => {
            let holder = holder_key(holder);
            txn.open_table(BY_HOLDER)?
                .range((holder.as_str(), 0, "")..(holder.as_str(), end.0, end.1))?
                .rev()
                .filter_map(|row| row.map_or_else(failed, |(key, _)| living(key.value().2)))
                .take(limit)
                .collect()
        }
        None => txn
            .open_table(BY_AGE)?
            .range((0, "")..end)?
            .rev()
            .filter_map(|row| row.map_or_else(failed, |(key, _)| living(key.value().1)))
            .take(limit)
            .collect(),
    }
}

/// Removes at most `limit` records whose time is over.
pub(super) fn drop_expired(
    txn: &WriteTransaction,
    now: UnixTime,
    limit: usize,
) -> Result<usize, redb::Error> {
    let over: Vec<String> = txn
        .open_table(BY_END)?
        .range(..=(now.secs(), MAX_ID))?
        .take(limit)
        .map(|row| row.map(|(key, _)| key.value().1.to_owned()))
        .collect::<Result<_, _>>()?;
    for id in &over {
        let found = stored(&txn.open_table(RECORDS)?, id)?;
        if let Some(stored) = found {
            remove(txn, &stored.record)?;
        }
    }
    Ok(over.len())
}

fn stored(
    records: &impl ReadableTable<&'static str, &'static [u8]>,
    id: &str,
) -> Result<Option<Stored>, redb::Error> {
    let Some(value) = records.get(id)? else { return Ok(None) };
    let raw = value.value().to_vec();
    let record = Record::from_bytes(&raw)
        .ok_or_else(|| StorageError::Corrupted(format!("session {id} is unreadable")))?;
    Ok(Some(Stored { record, raw }))
}

fn insert(txn: &WriteTransaction, record: &Record) -> Result<(), redb::Error> {
    let id = record.id().as_str();
    txn.open_table(RECORDS)?.insert(id, record.to_bytes().as_slice())?;
    txn.open_table(BY_END)?.insert((record.expires_at().secs(), id), ())?;
    let Some(session) = record.session() else { return Ok(()) };
    let created_at = session.created_at.secs();
    txn.open_table(BY_AGE)?.insert((created_at, id), ())?;
    for holder in holder_keys(record) {
        txn.open_table(BY_HOLDER)?.insert((holder.as_str(), created_at, id), ())?;
    }
    Ok(())
}

fn remove(txn: &WriteTransaction, record: &Record) -> Result<(), redb::Error> {
    let id = record.id().as_str();
    txn.open_table(RECORDS)?.remove(id)?;
    txn.open_table(BY_END)?.remove((record.expires_at().secs(), id))?;
    let Some(session) = record.session() else { return Ok(()) };
    let created_at = session.created_at.secs();
    txn.open_table(BY_AGE)?.remove((created_at, id))?;
    for holder in holder_keys(record) {
        txn.open_table(BY_HOLDER)?.remove((holder.as_str(), created_at, id))?;
    }
    Ok(())
}

fn holder_keys(record: &Record) -> Vec<String> {
    let Some(session) = record.session() else { return Vec::new() };
    let user = Holder::User(session.user_id.clone());
    let client = session.client_id.clone().map(Holder::Client);
    [Some(user), client].iter().flatten().map(holder_key).collect()
}

fn holder_key(holder: &Holder) -> String {
    match holder {
        Holder::User(id) => format!("user:{id}"),
        Holder::Client(id) => format!("client:{id}"),
    }
}

fn failed<T>(failure: StorageError) -> Option<Result<T, redb::Error>> {
    Some(Err(failure.into()))
}
