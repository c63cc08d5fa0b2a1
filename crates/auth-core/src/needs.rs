//! What a request needs beyond a good token: scopes, a recent login, a login of some strength.

use std::time::Duration;

use crate::scope::Scope;

/// Everything that has to hold. Nothing, by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// All of these.
    pub(crate) scopes: Vec<Scope>,
    /// The user logged in no longer ago than this.
    pub(crate) max_age: Option<Duration>,
    /// Of each list, one is the token's `acr`.
    pub(crate) acr_values: Vec<Vec<String>>,
}

impl Needs {
    /// Adds what another rule asks for.
    pub(crate) fn and(&mut self, other: &Self) {
        for scope in &other.scopes {
            if !self.scopes.contains(scope) {
                self.scopes.push(scope.clone());
            }
        }
        self.max_age = self.max_age.into_iter().chain(other.max_age).min();
        self.acr_values.extend(other.acr_values.iter().cloned());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.scopes.is_empty() && self.max_age.is_none() && self.acr_values.is_empty()
    }

    /// The values of `acr` that meet every list; those of the first list if none does.
    pub(crate) fn sufficient_acr_values(&self) -> Vec<&str> {
        let Some((first, others)) = self.acr_values.split_first() else { return Vec::new() };
        let in_all = |value: &&String| others.iter().all(|list| list.contains(value));
        let sufficient: Vec<&str> = first.iter().filter(in_all).map(String::as_str).collect();
        if sufficient.is_empty() { first.iter().map(String::as_str).collect() } else { sufficient }
    }
}
