//! How often something happens, second by second.

use std::collections::BTreeMap;

use auth_core::time::UnixTime;

/// Counts by the second.
#[derive(Default)]
pub struct PerSecond(BTreeMap<u64, u64>);

impl PerSecond {
    /// Once more. How often it has happened in this second.
    pub fn count(&mut self, now: UnixTime) -> u64 {
        let count = self.0.entry(now.secs()).or_default();
        *count += 1;
        *count
    }

    /// The most in one second.
    pub fn peak(&self) -> u64 {
        self.0.values().copied().max().unwrap_or(0)
    }

    /// How often in all.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }
}
