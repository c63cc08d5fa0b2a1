//! The user id: an RFC 1123 label that names one user of one identity provider.

use std::{fmt, sync::Arc};

use sha2::{Digest, Sha256};

/// How many hex digits of the hash a user id ends with: 8 to 40.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashDigits(usize);

impl HashDigits {
    /// Accepts 8 to 40.
    pub const fn new(digits: usize) -> Option<Self> {
        if digits >= 8 && digits <= 40 { Some(Self(digits)) } else { None }
    }

    /// What an operator should know if [`Self::can_be_searched`].
    pub const SEARCHED: &str = "whoever may choose their own username finds one with another user's \
                                id in minutes; use 16 or more where ids guard data, here and in \
                                mcp-auth (MCP_USER_ID_HASH_DIGITS) alike";

    /// Whether somebody who may choose a username can find one that gets another user's id:
    /// `make collisions` does.
    pub const fn can_be_searched(self) -> bool {
        self.0 < 16
    }

    /// How many they are.
    pub const fn get(self) -> usize {
        self.0
    }
}

impl Default for HashDigits {
    fn default() -> Self {
        Self(8)
    }
}

/// `{sanitized username}-{hash}`.
///
/// ```
/// use auth_core::user_id::{HashDigits, UserId};
/// let id = UserId::new("user@example.com", "https://tenant.auth0.com/", HashDigits::default());
/// assert_eq!(id.as_str(), "user-example-com-11b07dcc");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserId(Arc<str>);

impl UserId {
    /// Computes the id of `username` at the identity provider `issuer`, both as received.
    pub fn new(username: &str, issuer: &str, digits: HashDigits) -> Self {
        let hash =
            Sha256::new().chain_update(username).chain_update(b":").chain_update(issuer).finalize();
        let mut id = sanitized(username);
        id.push('-');
        let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        for nibble in nibbles.take(digits.0) {
            id.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
        Self(id.into())
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same, to share.
    pub(crate) fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn sanitized(username: &str) -> String {
    let mut label = String::with_capacity(username.len());
    let mut add = |c: char| match c {
        'a'..='z' | '0'..='9' => label.push(c),
        _ if label.ends_with('-') => {}
        _ => label.push('-'),
    };
    for c in username.chars() {
        match c.is_ascii() {
            true => add(c.to_ascii_lowercase()),
            false => c.to_lowercase().for_each(&mut add),
        }
    }
    // All of it is ASCII by now.
    let trimmed = label.trim_matches('-');
    match trimmed.get(..20).unwrap_or(trimmed) {
        "" => "user".to_owned(),
        first => first.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    const TENANT: &str = "https://tenant.auth0.com/";

    fn id(username: &str, issuer: &str) -> String {
        UserId::new(username, issuer, HashDigits::default()).to_string()
    }

    #[test]
    fn reference_values_agree() {
        let cases: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../testdata/user-ids.json")).unwrap();
        assert!(cases.len() >= 12);
        for case in cases {
            let text = |name: &str| case[name].as_str().unwrap();
            assert_eq!(id(text("username"), text("issuer")), text("user_id"));
        }
    }

    #[test]
    fn more_digits_continue_the_same_hash() {
        let digits = HashDigits::new(40).unwrap();
        let long = UserId::new("user@example.com", TENANT, digits).to_string();
        assert!(long.starts_with("user-example-com-11b07dcc"));
        assert_eq!(long.len(), "user-example-com-".len() + 40);
        assert_eq!((HashDigits::new(7), HashDigits::new(41)), (None, None));
    }

    proptest! {
        #[test]
        fn every_id_is_an_rfc_1123_label(username in any::<String>(), issuer in any::<String>()) {
            let id = id(&username, &issuer);
            let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(id.chars().all(label) && id.len() <= 63 && !id.starts_with('-'));
        }
    }
}
