//! A list of keys with what is noted of them, as it lies in its place.

use crate::{
    places::{Held, Named},
    rotation::{Kind, Notes, Step},
    secret::Secret,
};

use super::NotDone;

/// The keys of one list, the one that is used first.
#[derive(Clone)]
pub(super) struct Ring {
    kind: Kind,
    texts: Vec<Secret>,
    pub(super) ids: Vec<String>,
    pub(super) notes: Notes,
}

impl Ring {
    /// Reads the list, and makes the notes fit it.
    pub(super) fn read(kind: Kind, held: Option<&Held>, now: u64) -> Result<Self, NotDone> {
        let named = named(kind);
        let given: Vec<Secret> = match held {
            None => Vec::new(),
            Some(held) => {
                held.value.expose().split(',').map(|text| Secret::new(text.trim())).collect()
            }
        };
        let id = |text: &Secret| {
            kind.id(text.expose()).map_err(|why| NotDone::BadKey(named.key(), why.to_string()))
        };
        let (mut texts, mut ids) = (Vec::new(), Vec::new());
        for text in given {
            let id = id(&text)?;
            // A key that is there twice is one key: the second is no retired one.
            if !ids.contains(&id) {
                texts.push(text);
                ids.push(id);
            }
        }
        // Notes that cannot be read are as good as none: keys are then kept for longer.
        let notes = held.and_then(|held| held.notes.as_deref());
        let mut notes: Notes =
            notes.and_then(|notes| serde_json::from_str(notes).ok()).unwrap_or_default();
        notes.reconcile(&ids, now);
        Ok(Self { kind, texts, ids, notes })
    }

    /// Takes a step.
    pub(super) fn take(&mut self, step: &Step, now: u64) -> Result<(), NotDone> {
        match step {
            Step::Add { first } => {
                let key = self.kind.generate();
                let id = self.kind.id(key.expose());
                let id =
                    id.map_err(|why| NotDone::BadKey(named(self.kind).key(), why.to_string()))?;
                let place = if *first { 0 } else { 1 };
                if *first {
                    self.notes.overtaken(now);
                }
                self.notes.added(&id, now);
                self.ids.insert(place, id);
                self.texts.insert(place, key);
            }
            Step::Promote(id) => {
                if let Some(place) = self.ids.iter().position(|it| it == id) {
                    self.ids[..=place].rotate_right(1);
                    self.texts[..=place].rotate_right(1);
                }
            }
            Step::Drop(dead) => {
                let ids = self.ids.clone();
                let mut stays = ids.iter().map(|id| !dead.contains(id));
                self.texts.retain(|_| stays.next().unwrap_or(true));
                self.ids.retain(|id| !dead.contains(id));
            }
            Step::Wait(_) => {}
        }
        self.notes.reconcile(&self.ids, now);
        Ok(())
    }

    /// What to put in the place, if it is not there already.
    pub(super) fn changed(&self, held: Option<&Held>) -> Option<Held> {
        let texts: Vec<&str> = self.texts.iter().map(Secret::expose).collect();
        let value = Secret::new(texts.join(","));
        let notes = serde_json::to_string(&self.notes).expect("notes become JSON");
        let same = held.is_some_and(|held| {
            held.notes.as_ref() == Some(&notes) && held.value.matches(value.expose().as_bytes())
        });
        (!same).then_some(Held { value, notes: Some(notes) })
    }
}

/// Where a list lies.
pub(super) const fn named(kind: Kind) -> Named {
    match kind {
        Kind::Signing => Named::SigningKey,
        Kind::Storage => Named::StorageKey,
        Kind::Token => Named::Token,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_there_twice_is_one_key() {
        let (first, other) = (Kind::Storage.generate(), Kind::Storage.generate());
        let (first, other) = (first.expose(), other.expose());
        let value = Secret::new(format!("{first},{other},{first}"));
        let held = Held { value, notes: None };
        let mut ring = Ring::read(Kind::Storage, Some(&held), 0).unwrap();
        assert_eq!(ring.ids.len(), 2);
        let retired = ring.ids[1..].to_vec();
        ring.take(&Step::Drop(retired), 0).unwrap();
        assert!(ring.changed(Some(&held)).unwrap().value.matches(first.as_bytes()));
    }
}
