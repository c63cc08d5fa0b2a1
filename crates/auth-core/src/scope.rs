//! OAuth scopes (RFC 6749 §3.3).

use std::fmt;

/// One scope as the configuration names it: printable ASCII without space, `"` and `\`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(String);

/// Why a text is not a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a scope is printable ASCII without spaces, quotes or backslashes, and not empty")]
pub struct NotAScope;

impl Scope {
    /// Checks `text` against RFC 6749 §3.3's `scope-token`.
    ///
    /// # Errors
    /// [`NotAScope`] if it does not match.
    pub fn parse(text: &str) -> Result<Self, NotAScope> {
        let fits =
            !text.is_empty() && text.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
        if fits { Ok(Self(text.to_owned())) } else { Err(NotAScope) }
    }

    /// The scope's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The scopes, each once, in the order given.
pub(crate) fn distinct(scopes: &[Scope]) -> impl Iterator<Item = &Scope> {
    let first = |(nth, scope): &(usize, &Scope)| !scopes[..*nth].contains(scope);
    scopes.iter().enumerate().filter(first).map(|(_, scope)| scope)
}

/// The scopes joined by spaces, each once, in the order given.
pub fn join(scopes: &[Scope]) -> String {
    distinct(scopes).map(Scope::as_str).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_cannot_break_out_of_a_challenge() {
        assert!(Scope::parse("mcp:read").is_ok());
        for text in ["", "a b", "a\"b", "a\\b", "a\tb", "ä"] {
            assert_eq!(Scope::parse(text), Err(NotAScope), "{text:?}");
        }
    }

    #[test]
    fn join_names_each_scope_once() {
        let scopes = ["a", "b", "a"].map(|s| Scope::parse(s).unwrap());
        assert_eq!(join(&scopes), "a b");
    }
}
