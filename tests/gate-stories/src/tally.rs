//! What became of the requests of a story.

use std::{collections::BTreeMap, ops::AddAssign};

/// Counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that went on with an identity.
    pub forwarded: u32,
    /// Requests that went on without: public ones and preflights.
    pub without_identity: u32,
    /// Requests that were held for a while.
    pub held: u32,
    /// Metadata documents.
    pub documents: u32,
    /// Denials, by their reason.
    pub denied: BTreeMap<&'static str, u32>,
    /// Requests that went away before they were decided.
    pub left: u32,
    /// Answers of the server that told whose an MCP session is.
    pub bound: u32,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.forwarded += other.forwarded;
        self.without_identity += other.without_identity;
        self.held += other.held;
        self.documents += other.documents;
        for (reason, count) in other.denied {
            *self.denied.entry(reason).or_default() += count;
        }
        self.left += other.left;
        self.bound += other.bound;
    }
}
