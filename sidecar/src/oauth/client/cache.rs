//! What was fetched, for a while and not too much of it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use auth_core::time::UnixTime;

/// How much longer something is kept, for the case that it cannot be fetched again (RFC 9111
/// §4.2.4).
const KEPT_STALE: Duration = Duration::from_secs(24 * 3600);

/// Values by the address they are from.
pub(super) struct Cache<T> {
    entries: Mutex<HashMap<String, Entry<T>>>,
    most: usize,
}

/// What is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cached<T> {
    pub(super) value: T,
    /// Whether it may be used without asking; else only if asking fails.
    pub(super) is_fresh: bool,
    pub(super) fetched_at: UnixTime,
}

struct Entry<T> {
    value: T,
    fetched_at: UnixTime,
    fresh_until: UnixTime,
}

impl<T: Clone> Cache<T> {
    /// For so many values.
    pub(super) fn new(most: usize) -> Self {
        Self { entries: Mutex::default(), most }
    }

    pub(super) fn get(&self, address: &str, now: UnixTime) -> Option<Cached<T>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(address)?;
        let is_kept = now < entry.fresh_until + KEPT_STALE;
        is_kept.then(|| Cached {
            value: entry.value.clone(),
            is_fresh: now < entry.fresh_until,
            fetched_at: entry.fetched_at,
        })
    }

    /// If there are too many, the one that ends first makes way.
    pub(super) fn put(&self, address: &str, value: T, now: UnixTime, fresh_for: Duration) {
        let entry = Entry { value, fetched_at: now, fresh_until: now + fresh_for };
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= self.most && !entries.contains_key(address) {
            let first = entries.iter().min_by_key(|(_, entry)| entry.fresh_until);
            if let Some(first) = first.map(|(address, _)| address.clone()) {
                entries.remove(&first);
            }
        }
        entries.insert(address.to_owned(), entry);
    }

    pub(super) fn forget(&self, address: &str) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_790_000_000);

    #[test]
    fn a_value_is_fresh_then_stale_then_gone() {
        let cache = Cache::new(10);
        cache.put("a", 1, NOW, Duration::from_secs(60));
        let at = |secs| cache.get("a", NOW + Duration::from_secs(secs));
        assert!(at(59).unwrap().is_fresh);
        assert!(!at(60).unwrap().is_fresh);
        assert!(at(60 + 24 * 3600).is_none());
        cache.forget("a");
        assert!(at(0).is_none());
    }

    #[test]
    fn the_one_that_ends_first_makes_way() {
        let cache = Cache::new(2);
        for (address, secs) in [("a", 60), ("b", 30), ("c", 90), ("c", 10)] {
            cache.put(address, secs, NOW, Duration::from_secs(secs));
        }
        assert!(cache.get("b", NOW).is_none());
        assert_eq!(cache.get("a", NOW).unwrap().value, 60);
        assert_eq!(cache.get("c", NOW).unwrap().value, 10);
    }
}
