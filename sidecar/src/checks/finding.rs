//! What a check found, and how findings are shown.

use std::fmt::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};

use crate::text::plain;

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was checked, as `subject: aspect`.
    pub check: String,
    /// How it is.
    pub result: Verdict,
    /// What was found, in a sentence.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, but.
    Warn,
    /// It does not work.
    Fail,
    /// Nobody looked.
    NotChecked,
}

impl Finding {
    /// All is well.
    pub fn ok(check: impl Into<String>, found: impl AsRef<str>) -> Self {
        Self::new(check, Verdict::Ok, found, None)
    }

    /// It works, but.
    pub fn warn(
        check: impl Into<String>,
        found: impl AsRef<str>,
        advice: impl Into<String>,
    ) -> Self {
        Self::new(check, Verdict::Warn, found, Some(advice.into()))
    }

    /// It does not work.
    pub fn fail(
        check: impl Into<String>,
        found: impl AsRef<str>,
        advice: impl Into<String>,
    ) -> Self {
        Self::new(check, Verdict::Fail, found, Some(advice.into()))
    }

    /// Nobody looked, because something was not given or did not work.
    pub fn not_checked(check: impl Into<String>, why: impl AsRef<str>) -> Self {
        Self::new(check, Verdict::NotChecked, why, None)
    }

    fn new(
        check: impl Into<String>,
        result: Verdict,
        found: impl AsRef<str>,
        advice: Option<String>,
    ) -> Self {
        let advice = advice.map(|text| plain(&text));
        Self { check: plain(&check.into()), result, found: plain(found.as_ref()), advice }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::NotChecked => "-",
        })
    }
}

/// Whether anything does not work.
pub fn any_failed(findings: &[Finding]) -> bool {
    findings.iter().any(|it| it.result == Verdict::Fail)
}

/// The findings for people, the advice below each.
pub fn text(findings: &[Finding]) -> String {
    let width = findings.iter().map(|it| it.check.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    let mut line =
        |line: String| writeln!(text, "{}", line.trim_end()).expect("a String takes all");
    for Finding { check, result, found, advice } in findings {
        let found = match result {
            Verdict::NotChecked => format!("not checked: {found}"),
            Verdict::Ok | Verdict::Warn | Verdict::Fail => found.clone(),
        };
        line(format!("{result:<5} {check:<width$}  {found}"));
        if let Some(advice) = advice {
            line(format!("{:<5} {:<width$}  -> {advice}", "", ""));
        }
    }
    let count = |verdict| findings.iter().filter(|it| it.result == verdict).count();
    line(format!(
        "{} ok, {} to look at, {} failed, {} not checked",
        count(Verdict::Ok),
        count(Verdict::Warn),
        count(Verdict::Fail),
        count(Verdict::NotChecked),
    ));
    text
}

/// The findings for programs.
pub fn document(findings: &[Finding]) -> Value {
    json!({"ok": !any_failed(findings), "checks": findings})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_shown_with_what_to_do() {
        let findings = [
            Finding::ok("redis: version", "7.0"),
            Finding::fail("sidecar: token", "it is \u{1b}[2J refused", "set MCP_AUTH_TOKEN"),
            Finding::not_checked("envoy", "give --envoy-admin"),
        ];
        let shown = text(&findings);
        assert_eq!(
            shown,
            "ok    redis: version  7.0\n\
             fail  sidecar: token  it is \\u{1b}[2J refused\n                      \
             -> set MCP_AUTH_TOKEN\n\
             -     envoy           not checked: give --envoy-admin\n\
             1 ok, 0 to look at, 1 failed, 1 not checked\n"
        );
        let document = document(&findings);
        assert_eq!(document["ok"], false);
        assert_eq!(document["checks"][2]["result"], "not_checked");
    }
}
