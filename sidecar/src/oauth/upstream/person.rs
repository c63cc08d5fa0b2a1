//! From the claims of the provider to an [`Identity`]: the ID token's, and what it lacks from
//! userinfo (OpenID Connect Core §5.3).

use openidconnect::{
    AccessToken, ClaimsVerificationError, UserInfoError,
    core::{CoreIdTokenClaims, CoreUserInfoClaims},
};

use super::{
    discovery::Known,
    http::{Http, NoAnswer},
};
use crate::oauth::identity::Identity;

/// The longest claim that tokens carry on; a longer one counts as absent.
const LONGEST: usize = 1024;

/// Why nobody is named.
#[derive(Debug, thiserror::Error)]
pub enum Unnamed {
    /// Userinfo cannot be had, so that the same user might get another name than usual.
    #[error("userinfo: {0}")]
    Away(String),
    /// Userinfo is somebody else's (§5.3.2), or `sub` is no subject.
    #[error("{0}")]
    Mixed(&'static str),
}

/// Who the claims are about. Userinfo is asked only for what the ID token lacks.
pub(super) async fn identify(
    known: &Known,
    http: &Http,
    claims: &CoreIdTokenClaims,
    access_token: &AccessToken,
) -> Result<Identity, Unnamed> {
    let subject = claims.subject().as_str();
    if !is_claim(subject) {
        return Err(Unnamed::Mixed("its sub is empty or too long"));
    }
    let mut person = Person::of_id_token(claims);
    if person.lacks_something()
        && let Some(more) = userinfo(known, http, claims, access_token).await?
    {
        person = person.filled_from(Person::of_userinfo(&more));
    }
    Ok(Identity {
        issuer: known.issuer.to_string(),
        subject: subject.to_owned(),
        preferred_username: person.preferred_username,
        email: person.email,
        email_verified: person.email_verified,
        name: person.name,
    })
}

/// What is there, if the provider has userinfo and gives it for this access token.
async fn userinfo(
    known: &Known,
    http: &Http,
    claims: &CoreIdTokenClaims,
    access_token: &AccessToken,
) -> Result<Option<CoreUserInfoClaims>, Unnamed> {
    let subject = claims.subject().clone();
    let Ok(request) = known.client.user_info(access_token.clone(), Some(subject)) else {
        return Ok(None);
    };
    match request.request_async(http).await {
        Ok(claims) => Ok(Some(claims)),
        // An access token for another audience does not open userinfo everywhere.
        Err(UserInfoError::Response(status, ..)) if status.is_client_error() => {
            tracing::warn!(%status, "the identity provider gives no userinfo for its access token");
            Ok(None)
        }
        Err(UserInfoError::ClaimsVerification(ClaimsVerificationError::InvalidSubject(_))) => {
            Err(Unnamed::Mixed("userinfo is about another user than the ID token"))
        }
        Err(other) => Err(Unnamed::Away(reason(&other))),
    }
}

fn reason(failure: &UserInfoError<NoAnswer>) -> String {
    match failure {
        UserInfoError::Request(cause) => cause.to_string(),
        UserInfoError::ClaimsVerification(cause) => cause.to_string(),
        UserInfoError::Parse(cause) => format!("it cannot be read: {cause}"),
        UserInfoError::Response(status, ..) => format!("it answered {status}"),
        other => other.to_string(),
    }
}

/// The claims that name somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Person {
    preferred_username: Option<String>,
    email: Option<String>,
    email_verified: Option<bool>,
    name: Option<String>,
}

/// The accessors of both kinds of claims have the same names and no common trait.
macro_rules! person {
    ($claims:expr) => {
        Person {
            preferred_username: claim($claims.preferred_username().map(|it| it.as_str())),
            email: claim($claims.email().map(|it| it.as_str())),
            email_verified: $claims.email_verified(),
            name: claim($claims.name().and_then(|it| it.get(None)).map(|it| it.as_str())),
        }
    };
}

impl Person {
    fn of_id_token(claims: &CoreIdTokenClaims) -> Self {
        person!(claims)
    }

    fn of_userinfo(claims: &CoreUserInfoClaims) -> Self {
        person!(claims)
    }

    fn lacks_something(&self) -> bool {
        self.preferred_username.is_none() || self.email.is_none() || self.name.is_none()
    }

    /// Claim by claim; whether an address is verified is said by whoever names the address.
    fn filled_from(self, more: Self) -> Self {
        let (email, email_verified) = match (self.email, self.email_verified) {
            (None, _) => (more.email, more.email_verified),
            (Some(email), None) if more.email.as_ref() == Some(&email) => {
                (Some(email), more.email_verified)
            }
            (email, verified) => (email, verified),
        };
        Self {
            preferred_username: self.preferred_username.or(more.preferred_username),
            email,
            email_verified,
            name: self.name.or(more.name),
        }
    }
}

fn claim(value: Option<&str>) -> Option<String> {
    value.filter(|value| is_claim(value)).map(str::to_owned)
}

fn is_claim(value: &str) -> bool {
    !value.is_empty() && value.len() <= LONGEST
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(email: Option<&str>, email_verified: Option<bool>) -> Person {
        Person { email: email.map(str::to_owned), email_verified, ..Person::default() }
    }

    #[test]
    fn the_id_token_counts_before_userinfo() {
        let named = |name: &str| Person { name: Some(name.to_owned()), ..Person::default() };
        assert_eq!(named("Alice").filled_from(named("Bob")), named("Alice"));
        assert_eq!(Person::default().filled_from(named("Bob")), named("Bob"));
    }

    #[test]
    fn an_address_is_as_verified_as_its_own_source_says() {
        let (mine, other) = (Some("a@x.example"), Some("b@x.example"));
        for (id_token, userinfo, result) in [
            (person(None, None), person(mine, Some(false)), person(mine, Some(false))),
            (person(None, Some(true)), person(mine, None), person(mine, None)),
            (person(mine, None), person(mine, Some(false)), person(mine, Some(false))),
            (person(mine, None), person(other, Some(false)), person(mine, None)),
            (person(mine, Some(false)), person(mine, Some(true)), person(mine, Some(false))),
        ] {
            assert_eq!(id_token.clone().filled_from(userinfo), result, "{id_token:?}");
        }
    }
}
