//! How long to wait before a call is made again.

use std::time::Duration;

use auth_core::time::UnixTime;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// Longer than this nobody waits in front of a terminal.
pub(super) const LONGEST: Duration = Duration::from_secs(60);
/// The first pause where the answer asks for none; it doubles each time.
const FIRST: Duration = Duration::from_millis(500);

/// What the answer asks for: `Retry-After` in seconds, else `x-ratelimit-reset`, the second at
/// which the bucket is filled again. Nothing if neither can be read or both are over.
pub(super) fn asked_for(headers: &HeaderMap, now: UnixTime) -> Option<Duration> {
    let number = |value: &reqwest::header::HeaderValue| value.to_str().ok()?.trim().parse().ok();
    if let Some(seconds) = headers.get(RETRY_AFTER).and_then(number).filter(|it| *it > 0) {
        return Some(Duration::from_secs(seconds));
    }
    let reset: u64 = headers.get("x-ratelimit-reset").and_then(number)?;
    Some(now.until(UnixTime::from_secs(reset))).filter(|pause| !pause.is_zero())
}

/// The pause after the `nth` failure (from 0) where nothing is asked for.
pub(super) fn backoff(nth: u32) -> Duration {
    FIRST.saturating_mul(2_u32.saturating_pow(nth)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_790_000_000);

    #[test]
    fn retry_after_comes_first_then_the_reset() {
        for (retry_after, reset, pause) in [
            (Some("7"), Some("1790000002"), Some(7)),
            (None, Some("1790000002"), Some(2)),
            (Some("0"), Some("1790000003"), Some(3)),
            (Some("soon"), None, None),
            (None, Some("1789999999"), None),
            (None, None, None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = retry_after {
                headers.insert(RETRY_AFTER, value.parse().unwrap());
            }
            if let Some(value) = reset {
                headers.insert("x-ratelimit-reset", value.parse().unwrap());
            }
            assert_eq!(asked_for(&headers, NOW), pause.map(Duration::from_secs));
        }
    }

    #[test]
    fn pauses_grow_and_stay_bounded() {
        assert_eq!(backoff(0), FIRST);
        assert_eq!(backoff(2), FIRST * 4);
        assert_eq!(backoff(u32::MAX), LONGEST);
    }
}
