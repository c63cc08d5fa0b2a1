//! What the demo says: numbered steps, their answers, one summary line.
//!
//! `anstream` takes the colours away where nobody would see them: no terminal, or `NO_COLOR`.

use std::fmt::{Display, Write as _};

use anstyle::{AnsiColor, Style};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const RED: Style = AnsiColor::Red.on_default();

/// A heading over several steps.
pub(crate) fn chapter(title: &str) {
    anstream::println!("\n{BOLD}{title}{BOLD:#}");
}

/// Something under way that may take a while.
pub(crate) fn progress(text: impl Display) {
    anstream::println!("{DIM}{text}{DIM:#}");
}

/// The title of a step, before it is taken.
pub(crate) fn step(number: usize, title: &str) {
    anstream::println!("\n{BOLD}{number:>2}. {title}{BOLD:#}");
}

/// What came of a step that went as it should.
pub(crate) fn answer(text: &str) {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let mut out = format!("    {GREEN}✓{GREEN:#} {first}");
    for line in lines {
        let _ = write!(out, "\n      {DIM}{line}{DIM:#}");
    }
    anstream::println!("{out}");
}

/// What came of a step that did not.
pub(crate) fn failed(expected: &str, got: &str) {
    anstream::println!("    {RED}✗{RED:#} expected {expected}\n      got      {got}");
}
