//! What is remembered of the keys of a list: when each was added, used first and retired. It lies
//! beside the list, names keys by their ids, and holds no secret.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

/// By the keys' ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    keys: BTreeMap<String, Stamp>,
}

/// Of one key; seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Since when it is in the list, as far as is known.
    pub added_at: u64,
    /// Since when it is the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_at: Option<u64>,
    /// Since when it is not the first any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<u64>,
}

impl Notes {
    /// What is noted of a key.
    pub fn get(&self, id: &str) -> Option<&Stamp> {
        self.keys.get(id)
    }

    /// A key has been added, and waits to be the first.
    pub fn added(&mut self, id: &str, now: u64) {
        self.keys.insert(id.to_owned(), Stamp { added_at: now, ..Stamp::default() });
    }

    /// Whatever waits to be the first, waits no more: who knows the first may know it as well.
    pub fn overtaken(&mut self, now: u64) {
        for stamp in self.keys.values_mut().filter(|stamp| stamp.first_at.is_none()) {
            stamp.retired_at.get_or_insert(now);
        }
    }

    /// Makes the notes fit the list, which somebody may have changed without them. A key that is
    /// behind the first and was not noted may be anything; it counts as retired now.
    pub fn reconcile(&mut self, ids: &[String], now: u64) {
        self.keys.retain(|id, _| ids.contains(id));
        for (place, id) in ids.iter().enumerate() {
            let is_first = place == 0;
            let stamp = self.keys.entry(id.clone()).or_insert_with(|| Stamp {
                added_at: now,
                first_at: None,
                retired_at: (!is_first).then_some(now),
            });
            if is_first {
                stamp.first_at.get_or_insert(now);
                stamp.retired_at = None;
            } else if stamp.first_at.is_some() {
                stamp.retired_at.get_or_insert(now);
            }
        }
    }

    /// The key that waits to be the first, and when it was added.
    pub(super) fn waiting<'i>(&self, ids: &'i [String]) -> Option<(&'i str, u64)> {
        ids.iter().skip(1).find_map(|id| {
            let stamp = self.keys.get(id)?;
            (stamp.first_at.is_none() && stamp.retired_at.is_none())
                .then_some((id.as_str(), stamp.added_at))
        })
    }

    pub(super) fn retired<'i>(&self, ids: &'i [String]) -> impl Iterator<Item = (&'i str, u64)> {
        ids.iter().skip(1).filter_map(|id| Some((id.as_str(), self.keys.get(id)?.retired_at?)))
    }

    /// From when on the first key is to be replaced.
    pub(super) fn first_is_due(&self, ids: &[String], every: Option<Duration>) -> u64 {
        let first_at = ids.first().and_then(|id| self.keys.get(id)).and_then(|it| it.first_at);
        match (every, first_at) {
            (Some(every), Some(first_at)) => first_at.saturating_add(every.as_secs()),
            (None, _) | (_, None) => 0,
        }
    }
}
