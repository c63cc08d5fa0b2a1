//! The demo's clock: how long something took, and whether it has taken too long.

#![expect(clippy::disallowed_methods, reason = "the one file that reads the clock")]

use std::fmt;
use std::time::{Duration, Instant};

/// Runs from the moment it is made. Displayed as seconds, `4.2 s`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn has_run(self, limit: Duration) -> bool {
        self.0.elapsed() >= limit
    }
}

impl fmt::Display for Stopwatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s", self.0.elapsed().as_secs_f64())
    }
}
