//! A person at this provider: whoever types a name is that person, no password asked.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::scope::ScopeSet;

/// Longest name taken, in bytes.
const MAX_USERNAME: usize = 256;

/// Someone who has logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    username: String,
    email_verified: bool,
}

/// Why a name is not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum BadUsername {
    #[error("type a user name")]
    Empty,
    #[error("the user name is longer than {MAX_USERNAME} bytes")]
    TooLong,
    #[error("the user name holds a control character")]
    ControlCharacter,
}

impl User {
    /// The user of this name, surrounding space removed.
    ///
    /// # Errors
    /// Where the name is empty, over 256 bytes, or holds control characters.
    pub(crate) fn named(username: &str) -> Result<Self, BadUsername> {
        let username = username.trim();
        if username.is_empty() {
            return Err(BadUsername::Empty);
        }
        if username.len() > MAX_USERNAME {
            return Err(BadUsername::TooLong);
        }
        if username.chars().any(char::is_control) {
            return Err(BadUsername::ControlCharacter);
        }
        Ok(Self { username: username.to_owned(), email_verified: true })
    }

    pub(crate) fn with_email_verified(self, email_verified: bool) -> Self {
        Self { email_verified, ..self }
    }

    pub(crate) fn username(&self) -> &str {
        &self.username
    }

    /// The stable subject, in the form of Auth0's database connections: `auth0|` and 24 hex
    /// digits, here of the name's digest so that it is the same after a restart.
    pub(crate) fn subject(&self) -> String {
        let digest = Sha256::digest(&self.username);
        let hex: String = digest.iter().take(12).map(|b| format!("{b:02x}")).collect();
        format!("auth0|{hex}")
    }

    /// The claims that `scope` opens to a client: OpenID Connect Core section 5.4.
    pub(crate) fn scoped_claims(&self, scope: &ScopeSet) -> Map<String, Value> {
        let mut claims = self.claims();
        if !scope.contains("profile") {
            claims.retain(|name, _| name.starts_with("email"));
        }
        if !scope.contains("email") {
            claims.retain(|name, _| !name.starts_with("email"));
        }
        claims
    }

    /// All claims about the user but the subject.
    pub(crate) fn claims(&self) -> Map<String, Value> {
        let claims = json!({
            "email": self.email(),
            "email_verified": self.email_verified,
            "name": self.display_name(),
            "nickname": self.local_part(),
            "preferred_username": self.username,
        });
        match claims {
            Value::Object(map) => map,
            _ => unreachable!("a literal object is an object"),
        }
    }

    fn email(&self) -> String {
        if self.username.contains('@') {
            return self.username.clone();
        }
        format!("{}@example.com", self.username)
    }

    fn local_part(&self) -> &str {
        self.username.split('@').next().unwrap_or(&self.username)
    }

    /// `alice.smith@example.com` is shown as `Alice Smith`.
    fn display_name(&self) -> String {
        let words = self.local_part().split(['.', '_', '-', ' ']).filter(|w| !w.is_empty());
        words.map(capitalised).collect::<Vec<_>>().join(" ")
    }
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_makes_a_whole_person() {
        let user = User::named(" alice.smith@example.com ").unwrap();
        let claims = user.claims();
        assert_eq!(claims["email"], "alice.smith@example.com");
        assert_eq!(claims["name"], "Alice Smith");
        assert_eq!(claims["nickname"], "alice.smith");
        assert_eq!(claims["preferred_username"], "alice.smith@example.com");
        assert_eq!(User::named("bob").unwrap().claims()["email"], "bob@example.com");
    }

    #[test]
    fn the_subject_is_stable_and_looks_like_auth0s() {
        let subject = User::named("alice@example.com").unwrap().subject();
        assert_eq!(subject, "auth0|ff8d9819fc0e12bf0d24892e");
        assert_ne!(subject, User::named("bob@example.com").unwrap().subject());
    }

    #[test]
    fn claims_follow_the_scope() {
        let user = User::named("alice").unwrap();
        let names = |scope: &str| {
            let scope = ScopeSet::parse(scope).unwrap();
            user.scoped_claims(&scope).keys().cloned().collect::<Vec<_>>()
        };
        assert!(names("openid").is_empty());
        assert_eq!(names("openid email"), ["email", "email_verified"]);
        assert_eq!(names("openid profile"), ["name", "nickname", "preferred_username"]);
    }

    #[test]
    fn useless_names_are_refused() {
        assert_eq!(User::named("  "), Err(BadUsername::Empty));
        assert_eq!(User::named(&"x".repeat(257)), Err(BadUsername::TooLong));
        assert_eq!(User::named("a\nb"), Err(BadUsername::ControlCharacter));
    }
}
