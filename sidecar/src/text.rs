//! Times and outsiders' words as people read them, on the page and in the terminal.

use std::error::Error;

use auth_core::time::UnixTime;
use jiff::Timestamp;
use serde::Serialize;

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

/// JSON for a terminal: of control characters it has none but the ends of its lines.
pub fn pretty(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("text and numbers become JSON");
    let safe = text.chars().fold(String::new(), |mut safe, c| {
        match c {
            '\n' => safe.push(c),
            // JSON may have those beyond ASCII as they are.
            c if c.is_control() => safe.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => safe.push(c),
        }
        safe
    });
    format!("{safe}\n")
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
    fn json_steers_no_terminal_and_says_the_same() {
        let value = serde_json::json!({"name": "\u{9b}31m\u{1b}[0mé"});
        let told = pretty(&value);
        assert_eq!(told, "{\n  \"name\": \"\\u009b31m\\u001b[0mé\"\n}\n");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&told).unwrap(), value);
    }

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
