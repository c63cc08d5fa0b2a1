//! How a list of keys is rotated: which step is due, decided from the list, what is noted of its keys,
//! and the time. Nothing here reads or writes a secret's place.
//!
//! Everybody who works with a list uses its first key and accepts them all, but not everybody has the
//! newest list at the same time. So a new key is **added** behind the first, and once all have it for
//! sure, it is **promoted** to the first place; the old one is **retired**, and **dropped** when
//! nothing that was made with it counts any more.

mod kind;
mod notes;

use std::time::Duration;

pub use self::{
    kind::{Kind, NotAKey},
    notes::{Notes, Stamp},
};

/// How long each step is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// After how long everybody has a list that was written.
    pub settle: Duration,
    /// How long, beyond that, what was made with a retired key counts; `None`: nobody can know.
    pub counts_for: Option<Duration>,
    /// The age at which the first key is to be replaced; `None`: now.
    pub every: Option<Duration>,
    /// Puts a new key in the first place at once, although not everybody has it yet.
    pub at_once: bool,
}

/// What is to be done with a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Put a new key behind the first, or before it.
    Add {
        /// Whether it is used from now on.
        first: bool,
    },
    /// Put this key in the first place.
    Promote(String),
    /// Take these keys away, if what they made is gone as well.
    Drop(Vec<String>),
    /// Nothing before this second.
    Wait(Until),
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Until {
    /// A new key is everywhere at this second.
    Promote(String, u64),
    /// Nothing that a retired key made counts any more at this second.
    Drop(String, u64),
    /// The first key is old enough at this second.
    Add(u64),
}

/// The step that is due now, the least wait otherwise. `notes` must be those of `ids`.
pub fn due(ids: &[String], notes: &Notes, now: u64, policy: &Policy) -> Step {
    let dead = droppable(ids, notes, now, policy);
    if !dead.is_empty() {
        return Step::Drop(dead);
    }
    if policy.at_once {
        return Step::Add { first: true };
    }
    let mut waits = Vec::new();
    match notes.waiting(ids) {
        Some((id, added_at)) => match added_at.saturating_add(policy.settle.as_secs()) {
            ready if ready <= now => return Step::Promote(id.to_owned()),
            ready => waits.push((ready, Until::Promote(id.to_owned(), ready))),
        },
        None => match notes.first_is_due(ids, policy.every) {
            ready if ready <= now => return Step::Add { first: ids.is_empty() },
            ready => waits.push((ready, Until::Add(ready))),
        },
    }
    for (id, retired_at) in notes.retired(ids) {
        if let Some(ready) = policy.gone_at(retired_at) {
            waits.push((ready, Until::Drop(id.to_owned(), ready)));
        }
    }
    waits.sort_by_key(|(ready, _)| *ready);
    Step::Wait(waits.swap_remove(0).1)
}

/// The retired keys whose time is over.
pub fn droppable(ids: &[String], notes: &Notes, now: u64, policy: &Policy) -> Vec<String> {
    let is_over =
        |retired_at: u64| policy.gone_at(retired_at).is_some_and(|gone_at| gone_at <= now);
    let retired = notes.retired(ids).filter(|(_, retired_at)| is_over(*retired_at));
    retired.map(|(id, _)| id.to_owned()).collect()
}

impl Policy {
    /// When nothing counts any more that a key made that was retired at this second.
    pub fn gone_at(&self, retired_at: u64) -> Option<u64> {
        let after = self.settle.as_secs().saturating_add(self.counts_for?.as_secs());
        Some(retired_at.saturating_add(after))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: Policy = Policy {
        settle: Duration::from_secs(100),
        counts_for: Some(Duration::from_secs(1000)),
        every: Some(Duration::from_secs(10_000)),
        at_once: false,
    };

    /// A list and its notes, as a place keeps them.
    #[derive(Clone, Debug, Default)]
    struct Kept {
        ids: Vec<String>,
        notes: Notes,
        made: u32,
    }

    impl Kept {
        fn of(ids: &[&str]) -> Self {
            Self { ids: ids.iter().map(|id| (*id).to_owned()).collect(), ..Self::default() }
        }

        /// One run of the command: what it did.
        fn run(&mut self, now: u64, policy: &Policy) -> Step {
            self.notes.reconcile(&self.ids, now);
            let step = due(&self.ids, &self.notes, now, policy);
            match &step {
                Step::Add { first } => {
                    self.made += 1;
                    let at = if *first { 0 } else { 1 };
                    if *first {
                        self.notes.overtaken(now);
                    }
                    self.ids.insert(at, format!("new-{}", self.made));
                    self.notes.added(&self.ids[at], now);
                }
                Step::Promote(id) => {
                    self.ids.retain(|it| it != id);
                    self.ids.insert(0, id.clone());
                }
                Step::Drop(dead) => self.ids.retain(|id| !dead.contains(id)),
                Step::Wait(_) => {}
            }
            self.notes.reconcile(&self.ids, now);
            step
        }
    }

    #[test]
    fn a_key_is_everywhere_before_it_is_used_and_gone_after_it_counts() {
        let mut kept = Kept::of(&["old"]);
        assert_eq!(kept.run(0, &POLICY), Step::Wait(Until::Add(10_000)), "its age is not known");
        assert_eq!(kept.run(10_000, &POLICY), Step::Add { first: false });
        assert_eq!(kept.ids, ["old", "new-1"]);
        let waits = Step::Wait(Until::Promote("new-1".to_owned(), 10_100));
        assert_eq!(kept.run(10_099, &POLICY), waits);
        assert_eq!(kept.run(10_100, &POLICY), Step::Promote("new-1".to_owned()));
        assert_eq!(kept.ids, ["new-1", "old"]);
        assert_eq!(kept.run(10_100, &POLICY), Step::Wait(Until::Drop("old".to_owned(), 11_200)));
        assert_eq!(kept.run(11_200, &POLICY), Step::Drop(vec!["old".to_owned()]));
        assert_eq!(kept.run(11_200, &POLICY), Step::Wait(Until::Add(20_100)));
    }

    #[test]
    fn without_an_age_every_run_begins_a_rotation_unless_one_is_under_way() {
        let mut kept = Kept::of(&["old"]);
        let now = Policy { every: None, ..POLICY };
        assert_eq!(kept.run(0, &now), Step::Add { first: false });
        assert!(matches!(kept.run(1, &now), Step::Wait(Until::Promote(..))));
        assert!(matches!(kept.run(100, &now), Step::Promote(_)));
        assert_eq!(kept.run(101, &now), Step::Add { first: false });
        assert_eq!(kept.ids, ["new-1", "new-2", "old"]);
    }

    #[test]
    fn at_once_the_new_key_is_used_from_now_on() {
        let at_once = Policy { at_once: true, every: None, ..POLICY };
        let mut kept = Kept::of(&["old"]);
        assert_eq!(kept.run(5, &at_once), Step::Add { first: true });
        assert_eq!(kept.ids, ["new-1", "old"]);
        assert_eq!(kept.notes.get("old").unwrap().retired_at, Some(5));
        let mut kept = Kept::of(&["old"]);
        kept.run(5, &Policy { every: None, ..POLICY });
        assert_eq!(kept.run(6, &at_once), Step::Add { first: true });
        assert_eq!(kept.ids, ["new-2", "old", "new-1"]);
        for now in [7, 200, 1000] {
            kept.run(now, &POLICY);
            assert_eq!(kept.ids[0], "new-2", "what waited may be stolen too");
        }
    }

    #[test]
    fn a_key_that_nobody_has_noted_is_never_promoted() {
        let mut kept = Kept::of(&["first", "perhaps-stolen"]);
        kept.run(0, &POLICY);
        for now in 0..20_000 {
            kept.run(now, &POLICY);
            assert_ne!(kept.ids[0], "perhaps-stolen");
        }
        assert!(!kept.ids.contains(&"perhaps-stolen".to_owned()));
    }

    #[test]
    fn where_nobody_knows_what_counts_nothing_is_dropped() {
        let never = Policy { counts_for: None, ..POLICY };
        let mut kept = Kept::of(&["new", "old"]);
        for now in [0, 1_000_000] {
            assert!(!matches!(kept.run(now, &never), Step::Drop(_)));
        }
    }

    #[test]
    fn an_empty_list_gets_a_first_key() {
        assert_eq!(Kept::default().run(7, &POLICY), Step::Add { first: true });
    }

    proptest! {
        /// However often and when the command runs, and whatever was written down of the last run
        /// when it crashed between the list and the notes.
        #[test]
        fn no_key_is_used_too_soon_or_dropped_too_early(
            runs in proptest::collection::vec((0_u64..2_000, any::<bool>()), 1..200),
        ) {
            let mut kept = Kept::of(&["old"]);
            let mut listed_since = std::collections::BTreeMap::from([("old".to_owned(), 0)]);
            let mut first_until = std::collections::BTreeMap::new();
            let mut now = 0;
            for (pause, crashes) in runs {
                now += pause;
                let before = kept.clone();
                kept.run(now, &POLICY);
                if crashes {
                    kept.notes = before.notes.clone();
                }
                for id in &kept.ids {
                    listed_since.entry(id.clone()).or_insert(now);
                }
                let (first, old) = (&kept.ids[0], &before.ids[0]);
                if first != old {
                    first_until.insert(old.clone(), now);
                    prop_assert!(now - listed_since[first] >= POLICY.settle.as_secs());
                }
                for gone in before.ids.iter().filter(|id| !kept.ids.contains(id)) {
                    let retired = first_until.get(gone).or(listed_since.get(gone)).unwrap();
                    prop_assert!(now - retired >= 1_100, "{gone} at {now}");
                }
            }
        }
    }
}
