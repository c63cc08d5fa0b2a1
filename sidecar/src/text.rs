//! Times and outsiders' words as people read them, on the page and in the terminal.

use std::error::Error;

use auth_core::time::UnixTime;
use jiff::Timestamp;

/// `2026-11-23 09:24 UTC`, or `never` beyond the calendar.
pub fn date(time: UnixTime) -> String {
    let secs = i64::try_from(time.secs()).unwrap_or(i64::MAX);
    match Timestamp::from_second(secs) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => "never".to_owned(),
    }
}

/// `just now`, `5 min ago`, `3 h ago`, `2 d ago`.
pub fn ago(time: UnixTime, now: UnixTime) -> String {
    match time.until(now).as_secs() {
        secs @ 0..60 => {
            if secs < 10 {
                "just now".to_owned()
            } else {
                format!("{secs} s ago")
            }
        }
        secs @ 60..3600 => format!("{} min ago", secs / 60),
        secs @ 3600..172_800 => format!("{} h ago", secs / 3600),
        secs => format!("{} d ago", secs / 86_400),
    }
}

/// Safe in a terminal: control characters, which could steer it, are shown as escapes.
pub fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|c| match c {
            c if c.is_control() => c.escape_unicode().collect::<Vec<_>>(),
            c => vec![c],
        })
        .collect()
}

/// What lies at the bottom of a failure: the part that says something to people.
pub fn root_cause(failure: &dyn Error) -> String {
    let mut cause = failure;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_readable() {
        let at = UnixTime::from_secs(1_790_000_000);
        assert_eq!(date(at), "2026-09-21 14:13 UTC");
        assert_eq!(date(UnixTime::from_secs(1 << 53)), "never");
        for (secs, shown) in [
            (0, "just now"),
            (30, "30 s ago"),
            (300, "5 min ago"),
            (7200, "2 h ago"),
            (999_999, "11 d ago"),
        ] {
            assert_eq!(ago(at, UnixTime::from_secs(at.secs() + secs)), shown);
        }
    }

    #[test]
    fn escapes_do_not_reach_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jé"), "a\\u{1b}[2Jé");
    }
}
