//! The one place that reads the time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use auth_core::time::UnixTime;
use tokio::time::Instant;

/// Tells what time it is.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Set(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until it is advanced, for tests.
    pub fn standing_at(time: UnixTime) -> Self {
        Self(Source::Set(Arc::new(AtomicU64::new(time.millis()))))
    }

    /// Moves a standing clock; the machine's goes by itself.
    pub fn advance_secs(&self, secs: u64) {
        match &self.0 {
            Source::System => {}
            Source::Set(millis) => {
                millis.fetch_add(secs * 1000, Ordering::SeqCst);
            }
        }
    }

    /// The time now.
    #[expect(clippy::disallowed_methods, reason = "this is the crate's clock")]
    pub fn now(&self) -> UnixTime {
        match &self.0 {
            Source::Set(millis) => UnixTime::from_millis(millis.load(Ordering::SeqCst)),
            Source::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                UnixTime::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
            }
        }
    }
}

/// A point on the monotonic clock, to measure how long something took.
pub fn instant() -> Instant {
    Instant::now()
}
