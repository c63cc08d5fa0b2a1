//! Scopes: RFC 6749 section 3.3, and which of the asked ones are granted.

use std::fmt;

/// What every client may ask for, whatever `--grant-scopes` says: OpenID Connect Core, sections
/// 3.1.2.1, 5.4 and 11.
const OIDC_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// Scope tokens in the order they were asked, none twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ScopeSet(Vec<String>);

/// The value holds a character that no scope may have.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("scope holds a character that RFC 6749 section 3.3 does not allow")]
pub(crate) struct BadScope;

impl ScopeSet {
    /// Reads a space-separated list.
    ///
    /// # Errors
    /// Where a token has a character outside printable ASCII, or `"` or `\`.
    pub(crate) fn parse(value: &str) -> Result<Self, BadScope> {
        let mut scopes: Vec<String> = Vec::new();
        for token in value.split(' ').filter(|t| !t.is_empty()) {
            if !token.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)) {
                return Err(BadScope);
            }
            if !scopes.iter().any(|s| s == token) {
                scopes.push(token.to_owned());
            }
        }
        Ok(Self(scopes))
    }

    pub(crate) fn contains(&self, scope: &str) -> bool {
        self.0.iter().any(|s| s == scope)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.0.iter().all(|s| other.contains(s))
    }

    /// What is left for a client without a user: the scopes of OpenID Connect mean nothing there.
    pub(crate) fn without_user_scopes(mut self) -> Self {
        self.0.retain(|s| !OIDC_SCOPES.contains(&s.as_str()));
        self
    }

    /// The asked scopes that `grantable` names; all of them where there is no such list.
    pub(crate) fn granted(self, grantable: Option<&Self>) -> Self {
        let Some(grantable) = grantable else { return self };
        let may = |s: &String| OIDC_SCOPES.contains(&s.as_str()) || grantable.contains(s);
        Self(self.0.into_iter().filter(may).collect())
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_keep_their_order_and_lose_doubles() {
        let scopes = ScopeSet::parse("openid  mcp:read openid mcp:write").unwrap();
        assert_eq!(scopes.to_string(), "openid mcp:read mcp:write");
    }

    #[test]
    fn forbidden_characters_are_refused() {
        for bad in ["a\"b", "a\\b", "a\tb", "ü"] {
            assert_eq!(ScopeSet::parse(bad), Err(BadScope), "{bad}");
        }
    }

    #[test]
    fn a_grant_list_drops_the_rest_but_keeps_openid() {
        let asked = ScopeSet::parse("openid mcp:read mcp:write").unwrap();
        let list = ScopeSet::parse("mcp:read").unwrap();
        assert_eq!(asked.clone().granted(Some(&list)).to_string(), "openid mcp:read");
        assert_eq!(asked.clone().granted(None), asked);
    }
}
