//! What is found, in words.

use std::time::Duration;

use crate::{
    config::{ClaimRule, Issuer, KeySource},
    needs::Needs,
    scope,
};

pub(super) fn keys_of(issuer: &Issuer) -> String {
    match &issuer.keys {
        KeySource::Fixed(keys) => format!("the {} keys in the configuration", keys.len()),
        KeySource::Fetched(jwks) => {
            format!("the keys at {}://{}{}", jwks.scheme, jwks.authority, jwks.path)
        }
    }
}

pub(super) fn named(method: &str, name: Option<&str>) -> String {
    name.map_or_else(|| method.to_owned(), |name| format!("{method} {name:?}"))
}

pub(super) fn needed(needs: &Needs) -> String {
    let mut parts = Vec::new();
    if !needs.scopes.is_empty() {
        parts.push(format!("needs the scopes {}", scope::join(&needs.scopes)));
    }
    if let Some(most) = needs.max_age {
        parts.push(format!("needs a login at most {} ago", lasting(most)));
    }
    for list in &needs.acr_values {
        parts.push(format!("needs acr to be one of {}", list.join(", ")));
    }
    match parts.is_empty() {
        true => "needs nothing more".to_owned(),
        false => parts.join(" and "),
    }
}

pub(super) fn claim_names(rules: &[ClaimRule]) -> String {
    let names: Vec<_> = rules.iter().map(|rule| rule.name.as_str()).collect();
    names.join(", ")
}

pub(super) fn any_or(list: &[String]) -> String {
    if list.is_empty() { "any".to_owned() } else { list.join(", ") }
}

pub(super) fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

/// A duration as people say it: the largest unit and the next.
pub(super) fn lasting(duration: Duration) -> String {
    let secs = duration.as_secs();
    let parts =
        [(secs / 86_400, "d"), (secs / 3600 % 24, "h"), (secs / 60 % 60, "m"), (secs % 60, "s")];
    let told: Vec<String> = parts
        .iter()
        .skip_while(|(count, _)| *count == 0)
        .take(2)
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if told.is_empty() { "0s".to_owned() } else { told.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_by_their_two_largest_units() {
        for (secs, told) in [(0, "0s"), (59, "59s"), (60, "1m"), (3661, "1h 1m"), (86_460, "1d")] {
            assert_eq!(lasting(Duration::from_secs(secs)), told, "{secs}");
        }
    }
}
