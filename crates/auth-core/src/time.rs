//! Points in time and their textual durations. Nothing here reads a clock.

use std::{
    ops::{Add, Sub},
    time::Duration,
};

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The point `secs` seconds after 1970, saturating.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// The point `millis` milliseconds after 1970.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Whole seconds since 1970, rounded down: what RFC 7519 calls a `NumericDate`.
    pub const fn secs(self) -> u64 {
        self.0 / 1000
    }

    /// Milliseconds since 1970.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// How long it is until `later`; zero if that has passed.
    pub const fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }
}

impl Add<Duration> for UnixTime {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }
}

impl Sub<Duration> for UnixTime {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }
}

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationRefused {
    /// No number with one of the units.
    #[error("a duration is a whole number with a unit, like 250ms, 30s, 10m, 24h or 30d")]
    Shape,
    /// More than ten years.
    #[error("a duration longer than 3650d is not accepted")]
    TooLong,
}

/// Reads `250ms`, `30s`, `10m`, `24h` or `30d`.
///
/// ```
/// use std::time::Duration;
/// use auth_core::time::parse_duration;
/// assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
/// assert!(parse_duration("10 minutes").is_err());
/// ```
///
/// # Errors
/// [`DurationRefused`] if the text is anything else or the duration is over ten years.
pub fn parse_duration(text: &str) -> Result<Duration, DurationRefused> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).ok_or(DurationRefused::Shape)?;
    let (number, unit) = text.split_at(unit_at);
    let unit_millis: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(DurationRefused::Shape),
    };
    let number: u64 = match number {
        "" => return Err(DurationRefused::Shape),
        digits => digits.parse().map_err(|_| DurationRefused::TooLong)?,
    };
    match number.checked_mul(unit_millis) {
        Some(millis) if millis <= 3650 * 86_400_000 => Ok(Duration::from_millis(millis)),
        _ => Err(DurationRefused::TooLong),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(parse_duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(parse_duration("1d"), Ok(Duration::from_secs(86_400)));
        for text in ["", "10", "m", "1h30m", "-1s", "1.5s", " 1s", "1S", "1 s"] {
            assert_eq!(parse_duration(text), Err(DurationRefused::Shape), "{text}");
        }
    }

    #[test]
    fn absurd_durations_are_refused_without_overflow() {
        assert_eq!(parse_duration("99999999999999999999999s"), Err(DurationRefused::TooLong));
        assert_eq!(parse_duration("18446744073709551615h"), Err(DurationRefused::TooLong));
    }

    #[test]
    fn time_saturates() {
        assert_eq!(UnixTime::from_secs(u64::MAX) + Duration::from_secs(1), UnixTime(u64::MAX));
        assert_eq!(UnixTime::from_secs(1) - Duration::from_secs(2), UnixTime(0));
    }
}
