//! Who logged in, as the identity provider vouches for it.

use auth_core::user_id::{HashDigits, UserId};
use serde::{Deserialize, Serialize};

/// What the verified ID token (else userinfo) says. Only what tokens carry on is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The provider's issuer.
    pub issuer: String,
    /// The user there.
    pub subject: String,
    /// `preferred_username`
    pub preferred_username: Option<String>,
    /// `email`
    pub email: Option<String>,
    /// `email_verified`; absent counts as verified.
    pub email_verified: Option<bool>,
    /// `name`
    pub name: Option<String>,
}

impl Identity {
    /// What the filter takes for the username by default: the first of `preferred_username`,
    /// `email` (unless it is unverified), `name` and `sub` that is not empty.
    pub fn username(&self) -> &str {
        let email = self.email.as_deref().filter(|_| self.email_verified != Some(false));
        [self.preferred_username.as_deref(), email, self.name.as_deref()]
            .into_iter()
            .flatten()
            .find(|name| !name.is_empty())
            .unwrap_or(&self.subject)
    }

    /// The user id that the filter computes for the same person.
    pub fn user_id(&self, digits: HashDigits) -> UserId {
        UserId::new(self.username(), &self.issuer, digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Identity {
        Identity {
            issuer: "https://tenant.auth0.com/".to_owned(),
            subject: "auth0|user123".to_owned(),
            preferred_username: None,
            email: Some("user@example.com".to_owned()),
            email_verified: None,
            name: Some(String::new()),
        }
    }

    #[test]
    fn the_user_id_is_the_one_of_the_contract() {
        let id = alice().user_id(HashDigits::default());
        assert_eq!(id.as_str(), "user-example-com-11b07dcc");
    }

    #[test]
    fn an_unverified_email_names_nobody() {
        let unverified = Identity { email_verified: Some(false), ..alice() };
        assert_eq!(unverified.username(), "auth0|user123");
    }
}
