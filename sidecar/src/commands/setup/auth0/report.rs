//! What was found and changed, field by field.

use std::fmt::Write;

use serde_json::Value;

use crate::auth0::fields::Change;

/// What was found and changed so far.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<(String, State)>);

/// How one thing was found and left.
#[derive(Debug)]
pub(super) enum State {
    /// It was as it should be.
    AsWanted,
    /// It was not there.
    Made(Vec<Change>),
    /// It was otherwise.
    Changed(Vec<Change>),
    /// Something else was done.
    Done(String),
    /// It was as it should be, namely so.
    Known(String),
    /// Nothing was to be done.
    NotNeeded(&'static str),
}

impl State {
    pub(super) fn changed(changes: Vec<Change>) -> Self {
        if changes.is_empty() { Self::AsWanted } else { Self::Changed(changes) }
    }

    fn is_change(&self) -> bool {
        match self {
            Self::Made(_) | Self::Changed(_) | Self::Done(_) => true,
            Self::AsWanted | Self::Known(_) | Self::NotNeeded(_) => false,
        }
    }
}

impl Report {
    pub(super) fn add(&mut self, title: String, state: State) {
        self.0.push((title, state));
    }

    /// The whole, for people.
    pub(super) fn text(&self, dry_run: bool) -> String {
        let mut text = String::new();
        let mut line = |line: String| writeln!(text, "{line}").expect("a String takes all");
        for (title, state) in &self.0 {
            match state {
                State::AsWanted => line(format!("{title}: as it should be")),
                State::Known(what) => line(format!("{title}: as it should be ({what})")),
                State::NotNeeded(why) => line(format!("{title}: {why}")),
                State::Done(what) => line(format!("{title}: {what}")),
                State::Made(fields) => {
                    line(format!("{title}: new"));
                    fields
                        .iter()
                        .for_each(|change| line(format!("  + {}: {}", change.field, change.to)));
                }
                State::Changed(changes) => {
                    line(format!("{title}: changed"));
                    changes.iter().for_each(|change| line(shown(change)));
                }
            }
        }
        let count = self.0.iter().filter(|(_, state)| state.is_change()).count();
        let things = if count == 1 { "thing" } else { "things" };
        match (count, dry_run) {
            (0, _) => line("nothing had to be changed".to_owned()),
            (_, true) => line(format!("{count} {things} would be changed; nothing was written")),
            (_, false) => line(format!("{count} {things} changed")),
        }
        text
    }
}

fn shown(change: &Change) -> String {
    match &change.from {
        Value::Null => format!("  + {}: {}", change.field, change.to),
        from => format!("  ~ {}: {from} -> {}", change.field, change.to),
    }
}
