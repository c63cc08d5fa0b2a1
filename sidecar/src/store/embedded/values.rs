//! The values of the OAuth part in redb, each with an end of life. They arrive encrypted.

use std::ops::Bound;

use auth_core::time::UnixTime;
use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

use crate::store::{Change, Condition, Key, Scan, Update};

/// Group and name, to end of life in milliseconds and value.
const VALUES: TableDefinition<(&str, &str), (u64, &[u8])> = TableDefinition::new("value.values");
const BY_END: TableDefinition<(u64, &str, &str), ()> = TableDefinition::new("value.by_end");

pub(super) fn make_tables(txn: &WriteTransaction) -> Result<(), redb::Error> {
    txn.open_table(VALUES)?;
    txn.open_table(BY_END)?;
    Ok(())
}

pub(super) fn get(
    txn: &ReadTransaction,
    key: &Key,
    now: UnixTime,
) -> Result<Option<Vec<u8>>, redb::Error> {
    living(&txn.open_table(VALUES)?, &key.group, &key.name, now)
}

pub(super) fn take(
    txn: &WriteTransaction,
    key: &Key,
    now: UnixTime,
) -> Result<Option<Vec<u8>>, redb::Error> {
    let found = living(&txn.open_table(VALUES)?, &key.group, &key.name, now)?;
    remove(txn, &key.group, &key.name)?;
    Ok(found)
}

pub(super) fn update(
    txn: &WriteTransaction,
    update: &Update,
    now: UnixTime,
) -> Result<bool, redb::Error> {
    let group = update.group.as_str();
    for condition in &update.conditions {
        let (name, expected) = match condition {
            Condition::Absent(name) => (name, None),
            Condition::Equals(name, value) => (name, Some(value)),
        };
        if living(&txn.open_table(VALUES)?, group, name, now)?.as_ref() != expected {
            return Ok(false);
        }
    }
    for change in &update.changes {
        match change {
            Change::Remove(name) => remove(txn, group, name)?,
            Change::Replace(name, value) => replace(txn, (group, name), value)?,
            Change::Put(name, value, ttl) => {
                remove(txn, group, name)?;
                let end = (now + *ttl).millis();
                txn.open_table(VALUES)?.insert((group, name.as_str()), (end, value.as_slice()))?;
                txn.open_table(BY_END)?.insert((end, group, name.as_str()), ())?;
            }
        }
    }
    Ok(true)
}

pub(super) fn drop_expired(
    txn: &WriteTransaction,
    now: UnixTime,
    limit: usize,
) -> Result<usize, redb::Error> {
    let over: Vec<(String, String)> = txn
        .open_table(BY_END)?
        .range(..(now.millis() + 1, "", ""))?
        .take(limit)
        .map(|row| row.map(|(key, _)| (key.value().1.to_owned(), key.value().2.to_owned())))
        .collect::<Result<_, _>>()?;
    for (group, name) in &over {
        remove(txn, group, name)?;
    }
    Ok(over.len())
}

fn replace(txn: &WriteTransaction, key: (&str, &str), value: &[u8]) -> Result<(), redb::Error> {
    let mut values = txn.open_table(VALUES)?;
    let end = values.get(key)?.map(|found| found.value().0);
    if let Some(end) = end {
        values.insert(key, (end, value))?;
    }
    Ok(())
}

/// The place is the last key that was given: its group's length, its group and its name.
pub(super) fn scan(
    txn: &ReadTransaction,
    after: Option<&str>,
    limit: usize,
) -> Result<Scan, redb::Error> {
    let after = after.and_then(place).unwrap_or_default();
    let bounds = (Bound::Excluded((after.0, after.1)), Bound::Unbounded);
    let keys: Vec<Key> = txn
        .open_table(VALUES)?
        .range::<(&str, &str)>(bounds)?
        .take(limit)
        .map(|row| {
            row.map(|(key, _)| {
                let (group, name) = key.value();
                Key { group: group.to_owned(), name: name.to_owned() }
            })
        })
        .collect::<Result<_, _>>()?;
    let last = keys.last().filter(|_| keys.len() == limit);
    let next = last.map(|key| format!("{} {}{}", key.group.len(), key.group, key.name));
    Ok(Scan { keys, next })
}

fn place(text: &str) -> Option<(&str, &str)> {
    let (length, rest) = text.split_once(' ')?;
    rest.split_at_checked(length.parse().ok()?)
}

fn living(
    values: &impl ReadableTable<(&'static str, &'static str), (u64, &'static [u8])>,
    group: &str,
    name: &str,
    now: UnixTime,
) -> Result<Option<Vec<u8>>, redb::Error> {
    let Some(found) = values.get((group, name))? else { return Ok(None) };
    let (end, value) = found.value();
    Ok((end > now.millis()).then(|| value.to_vec()))
}

fn remove(txn: &WriteTransaction, group: &str, name: &str) -> Result<(), redb::Error> {
    let end = txn.open_table(VALUES)?.remove((group, name))?.map(|found| found.value().0);
    if let Some(end) = end {
        txn.open_table(BY_END)?.remove((end, group, name))?;
    }
    Ok(())
}
