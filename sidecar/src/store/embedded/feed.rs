//! The revocation feed in redb.
//!
//! One counter numbers everything that happens to the feed: publications and drops. It follows
//! the clock where it can, so numbers given out before a loss are not given out again after it.
//! Of the drops only those are kept that no later drop of a later entry covers: enough to tell
//! exactly whether an unread entry was dropped since a cursor was given out.

use auth_core::{revocation::Revocation, time::UnixTime};
use redb::{ReadTransaction, ReadableTable, StorageError, TableDefinition, WriteTransaction};

use crate::store::{FeedCursor, FeedRead, Holder, PAGING_GRACE};

const ENTRIES: TableDefinition<u64, &[u8]> = TableDefinition::new("feed.entries");
const SUBJECTS: TableDefinition<&str, u64> = TableDefinition::new("feed.subjects");
const BY_END: TableDefinition<(u64, u64), ()> = TableDefinition::new("feed.by_end");
const DROPS: TableDefinition<u64, u64> = TableDefinition::new("feed.drops");
const COUNTER: TableDefinition<(), u64> = TableDefinition::new("feed.counter");
const GENERATION: TableDefinition<(), &str> = TableDefinition::new("feed.generation");

pub(super) fn make_tables(txn: &WriteTransaction) -> Result<(), redb::Error> {
    txn.open_table(ENTRIES)?;
    txn.open_table(SUBJECTS)?;
    txn.open_table(BY_END)?;
    txn.open_table(DROPS)?;
    txn.open_table(COUNTER)?;
    let mut generation = txn.open_table(GENERATION)?;
    if generation.get(())?.is_none() {
        generation.insert((), format!("{:032x}", rand::random::<u128>()).as_str())?;
    }
    Ok(())
}

pub(super) fn publish(
    txn: &WriteTransaction,
    entry: Revocation,
    now: UnixTime,
) -> Result<(), redb::Error> {
    let subject = subject(&entry);
    let earlier = txn.open_table(SUBJECTS)?.get(subject.as_str())?.map(|found| found.value());
    let entry = match earlier {
        Some(sequence) => reaching_as_far_as(entry, &remove(txn, sequence)?),
        None => entry,
    };
    let sequence = count(txn, now)?;
    txn.open_table(ENTRIES)?.insert(sequence, to_bytes(&entry).as_slice())?;
    txn.open_table(BY_END)?.insert((entry.expires_at().secs(), sequence), ())?;
    txn.open_table(SUBJECTS)?.insert(subject.as_str(), sequence)?;
    Ok(())
}

/// Whether something is to be dropped before the feed can be read.
pub(super) fn is_stale(txn: &ReadTransaction, now: UnixTime) -> Result<bool, redb::Error> {
    let first = txn.open_table(BY_END)?.first()?.map(|(key, _)| key.value().0);
    Ok(first.is_some_and(|end| end <= now.secs()))
}

pub(super) fn read(
    txn: &ReadTransaction,
    after: Option<&FeedCursor>,
    limit: usize,
) -> Result<FeedRead, redb::Error> {
    let latest = txn.open_table(COUNTER)?.get(())?.map_or(0, |latest| latest.value());
    let generation = txn.open_table(GENERATION)?;
    let generation = generation.get(())?.map(|name| name.value().to_owned()).unwrap_or_default();
    if let Some(after) = after {
        let foreign = after.generation != generation || after.sequence > latest;
        if foreign || is_too_old(txn, after)? {
            return Ok(FeedRead::Gone);
        }
    }

    let (mut entries, mut last, mut more) = (Vec::new(), 0, false);
    let first = after.map_or(0, |after| after.sequence + 1);
    for row in txn.open_table(ENTRIES)?.range(first..)? {
        if entries.len() == limit {
            more = true;
            break;
        }
        let (sequence, entry) = row?;
        last = sequence.value();
        entries.push(from_bytes(entry.value())?);
    }
    let (sequence, as_of) = if more { (last, latest + PAGING_GRACE) } else { (latest, latest) };
    Ok(FeedRead::Page { entries, cursor: FeedCursor { generation, sequence, as_of }, more })
}

pub(super) fn issued_before(
    txn: &ReadTransaction,
    holder: &Holder,
    now: UnixTime,
) -> Result<Option<UnixTime>, redb::Error> {
    let subject = match holder {
        Holder::User(id) => format!("user:{id}"),
        Holder::Client(id) => format!("client:{id}"),
    };
    let Some(sequence) = txn.open_table(SUBJECTS)?.get(subject.as_str())? else { return Ok(None) };
    let entries = txn.open_table(ENTRIES)?;
    let Some(entry) = entries.get(sequence.value())? else { return Ok(None) };
    let entry = from_bytes(entry.value())?;
    Ok(issued_before_of(&entry).filter(|_| entry.expires_at() > now))
}

/// Drops at most `limit` entries that can hit no living token any more.
pub(super) fn drop_expired(
    txn: &WriteTransaction,
    now: UnixTime,
    limit: usize,
) -> Result<usize, redb::Error> {
    let over: Vec<u64> = txn
        .open_table(BY_END)?
        .range(..=(now.secs(), u64::MAX))?
        .take(limit)
        .map(|row| row.map(|(key, _)| key.value().1))
        .collect::<Result<_, _>>()?;
    for sequence in &over {
        let entry = remove(txn, *sequence)?;
        txn.open_table(SUBJECTS)?.remove(subject(&entry).as_str())?;
        let at = count(txn, now)?;
        let mut drops = txn.open_table(DROPS)?;
        drops.retain_in(..=*sequence, |_, _| false)?;
        drops.insert(*sequence, at)?;
    }
    Ok(over.len())
}

/// Whether an entry behind the cursor was dropped since it was given out. The first drop behind
/// it is the latest of them, because earlier ones of earlier entries are not kept.
fn is_too_old(txn: &ReadTransaction, cursor: &FeedCursor) -> Result<bool, redb::Error> {
    let drops = txn.open_table(DROPS)?;
    let Some(first) = drops.range(cursor.sequence + 1..)?.next() else { return Ok(false) };
    Ok(first?.1.value() > cursor.as_of)
}

fn remove(txn: &WriteTransaction, sequence: u64) -> Result<Revocation, redb::Error> {
    let entry = match txn.open_table(ENTRIES)?.remove(sequence)? {
        Some(entry) => from_bytes(entry.value())?,
        None => return Err(StorageError::Corrupted("a feed entry is missing".into()).into()),
    };
    txn.open_table(BY_END)?.remove((entry.expires_at().secs(), sequence))?;
    Ok(entry)
}

fn count(txn: &WriteTransaction, now: UnixTime) -> Result<u64, redb::Error> {
    let mut counter = txn.open_table(COUNTER)?;
    let last = counter.get(())?.map_or(0, |last| last.value());
    let next = (last + 1).max(now.millis() * 1000);
    counter.insert((), next)?;
    Ok(next)
}

/// A session may have been found to live longer, and of two revocations of one user that cross on
/// their way here the later second counts.
fn reaching_as_far_as(mut entry: Revocation, earlier: &Revocation) -> Revocation {
    let end = entry.expires_at().max(earlier.expires_at());
    let barred = issued_before_of(earlier);
    match &mut entry {
        Revocation::Session { expires_at, .. } => *expires_at = end,
        Revocation::User { issued_before, expires_at, .. }
        | Revocation::Client { issued_before, expires_at, .. } => {
            *expires_at = end;
            *issued_before = barred.map_or(*issued_before, |barred| barred.max(*issued_before));
        }
    }
    entry
}

fn issued_before_of(entry: &Revocation) -> Option<UnixTime> {
    match entry {
        Revocation::User { issued_before, .. } | Revocation::Client { issued_before, .. } => {
            Some(*issued_before)
        }
        Revocation::Session { .. } => None,
    }
}

fn subject(entry: &Revocation) -> String {
    match entry {
        Revocation::Session { session_id, .. } => format!("session:{session_id}"),
        Revocation::User { user_id, .. } => format!("user:{user_id}"),
        Revocation::Client { client_id, .. } => format!("client:{client_id}"),
    }
}

fn to_bytes(entry: &Revocation) -> Vec<u8> {
    serde_json::to_vec(entry).expect("text and numbers become JSON")
}

fn from_bytes(bytes: &[u8]) -> Result<Revocation, redb::Error> {
    serde_json::from_slice(bytes)
        .map_err(|_| StorageError::Corrupted("a feed entry is unreadable".into()).into())
}
