//! Lookups at the sidecar: which are wanted, which are under way. One serves everybody who waits for
//! it, and there are never too many.

use std::{collections::HashMap, time::Duration};

use crate::{denial::Denial, fetch::FetchId, time::UnixTime};

/// Lookups under way at a time, at most.
const MOST_LOOKUPS: usize = 1000;
/// How long after its timeout a lookup is taken for lost, if the host never calls back.
const GRACE: Duration = Duration::from_secs(1);

/// Lookups of one kind of thing.
pub(crate) struct Lookups {
    timeout: Duration,
    /// Those that are wanted, or under way until a time.
    open: HashMap<FetchId, Option<UnixTime>>,
}

impl Lookups {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout, open: HashMap::new() }
    }

    /// Asks for a lookup.
    ///
    /// # Errors
    /// [`Denial::SessionsUnavailable`] if too many others are under way.
    pub(crate) fn want(&mut self, id: FetchId) -> Result<(), Denial> {
        if self.open.contains_key(&id) {
            return Ok(());
        }
        if self.open.len() >= MOST_LOOKUPS {
            return Err(Denial::SessionsUnavailable);
        }
        self.open.insert(id, None);
        Ok(())
    }

    /// Whether one is to be made now.
    pub(crate) fn is_due(&self) -> bool {
        self.open.values().any(Option::is_none)
    }

    /// Those to make now, which then count as under way.
    pub(crate) fn begin(&mut self, now: UnixTime) -> Vec<FetchId> {
        self.open.retain(|_, until| until.is_none_or(|until| now < until));
        let until = now + self.timeout + GRACE;
        let mut begun = Vec::new();
        for (id, state) in self.open.iter_mut().filter(|(_, state)| state.is_none()) {
            *state = Some(until);
            begun.push(id.clone());
        }
        begun
    }

    /// Notes that one came back, whatever came of it.
    pub(crate) fn end(&mut self, id: &FetchId) {
        self.open.remove(id);
    }
}
