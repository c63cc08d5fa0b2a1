//! Time as a value, and the one place that reads the machine's clock.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Where the time comes from; tests wind it by hand.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> UnixTime + Send + Sync>);

impl Clock {
    /// The machine's own clock.
    pub(crate) fn system() -> Self {
        Self(Arc::new(read_system_clock))
    }

    pub(crate) fn now(&self) -> UnixTime {
        (self.0)()
    }

    #[cfg(test)]
    pub(crate) fn from_fn(read: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Seconds since 1970-01-01T00:00:00Z, the `NumericDate` of RFC 7519 section 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UnixTime(i64);

impl UnixTime {
    pub(crate) const fn from_secs(secs: i64) -> Self {
        Self(secs)
    }

    pub(crate) fn as_secs(self) -> i64 {
        self.0
    }

    /// This moment moved by `secs`, which may be negative.
    pub(crate) fn shifted(self, secs: i64) -> Self {
        Self(self.0.saturating_add(secs))
    }

    pub(crate) fn after(self, span: Duration) -> Self {
        self.shifted(i64::try_from(span.as_secs()).unwrap_or(i64::MAX))
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock of this program")]
fn read_system_clock() -> UnixTime {
    // A machine whose clock stands before 1970 gets 1970.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime(0).after(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_shifts_both_ways_without_overflow() {
        let t = UnixTime::from_secs(100);
        assert_eq!(t.shifted(-30).as_secs(), 70);
        assert_eq!(t.after(Duration::from_secs(60)).as_secs(), 160);
        assert_eq!(t.after(Duration::MAX).as_secs(), i64::MAX);
    }
}
