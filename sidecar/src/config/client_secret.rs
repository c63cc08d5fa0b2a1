//! The secret of our client at the provider, and one to fall back on: while a secret is replaced there,
//! which of the two counts may change from one call to the next.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{live::Live, secret::Secret};

/// What counts now.
#[derive(Clone, Debug)]
pub struct ClientSecret {
    /// The secrets to try.
    pub live: Live<ClientSecrets>,
    /// Whether they are in files, where somebody may put others.
    pub may_change: bool,
}

/// One secret or two.
#[derive(Debug)]
pub struct ClientSecrets {
    first: Secret,
    fallback: Option<Secret>,
    /// Whether the provider took the fallback last time.
    is_fallback_good: AtomicBool,
}

impl ClientSecrets {
    /// The secret, and what is tried where the provider does not know it.
    pub fn new(first: Secret, fallback: Option<Secret>) -> Self {
        Self { first, fallback, is_fallback_good: AtomicBool::new(false) }
    }

    /// In the order in which to try them: what worked last comes first.
    pub fn in_order(&self) -> Vec<&Secret> {
        let mut secrets: Vec<&Secret> = [&self.first].into_iter().chain(&self.fallback).collect();
        if self.is_fallback_good.load(Ordering::Relaxed) {
            secrets.reverse();
        }
        secrets
    }

    /// The one that worked last.
    pub fn best(&self) -> &Secret {
        match &self.fallback {
            Some(fallback) if self.is_fallback_good.load(Ordering::Relaxed) => fallback,
            Some(_) | None => &self.first,
        }
    }

    /// The provider knows this one.
    pub fn works(&self, secret: &Secret) {
        let is_fallback = self.fallback.as_ref().is_some_and(|it| is_same(it, secret));
        let is_first = is_same(&self.first, secret);
        self.is_fallback_good.store(is_fallback && !is_first, Ordering::Relaxed);
    }

    /// Whether the others are the same.
    pub fn are(&self, others: &Self) -> bool {
        is_same(&self.first, &others.first)
            && match (&self.fallback, &others.fallback) {
                (Some(one), Some(other)) => is_same(one, other),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            }
    }
}

fn is_same(one: &Secret, other: &Secret) -> bool {
    one.matches(other.expose().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_worked_last_is_tried_first() {
        let (old, new) = (Secret::new("old"), Secret::new("new"));
        let secrets = ClientSecrets::new(old.clone(), Some(new.clone()));
        let order =
            || secrets.in_order().iter().map(|it| it.expose().to_owned()).collect::<Vec<_>>();
        assert_eq!((order(), secrets.best().expose()), (vec!["old".into(), "new".into()], "old"));
        secrets.works(&new);
        assert_eq!((order(), secrets.best().expose()), (vec!["new".into(), "old".into()], "new"));
        secrets.works(&old);
        assert_eq!(secrets.best().expose(), "old");
        assert!(!secrets.are(&ClientSecrets::new(old, None)));
    }
}
