//! The audiences of a token: Auth0's `audience` parameter and RFC 8707's `resource`.

use serde_json::{Value, json};
use url::Url;

use crate::{
    config::Config,
    oauth_error::{ErrorCode, OAuthError},
    params::Params,
    scope::ScopeSet,
};

/// Most audiences in one request.
const MAX_AUDIENCES: usize = 10;

/// What a grant's access tokens are for, in the order asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Audiences(Vec<String>);

impl Audiences {
    /// Reads `audience` and every `resource`; the default audience where neither is given.
    ///
    /// # Errors
    /// `invalid_target` for a resource that is no absolute URI, or not served here;
    /// `access_denied`, as Auth0 has it, for such an audience.
    pub(crate) fn requested(params: &Params, config: &Config) -> Result<Self, OAuthError> {
        let mut names = Vec::new();
        if let Some(audience) = params.one("audience")? {
            if !is_served(config, audience) {
                let text = format!("Service not found: {audience}");
                return Err(OAuthError::new(ErrorCode::AccessDenied, text));
            }
            names.push(audience.to_owned());
        }
        for resource in params.all("resource") {
            check_resource(resource)?;
            if !is_served(config, resource) {
                return Err(invalid_target(format!("{resource} is not served here")));
            }
            if !names.iter().any(|n| n == resource) {
                names.push(resource.to_owned());
            }
        }
        if names.len() > MAX_AUDIENCES {
            return Err(invalid_target(format!("more than {MAX_AUDIENCES} audiences")));
        }
        if names.is_empty() {
            names.extend(config.default_audience.clone());
        }
        Ok(Self(names))
    }

    /// The part that a token request asks for: all of it where it names none.
    ///
    /// # Errors
    /// `invalid_target` for what the login did not grant (RFC 8707 section 2.2).
    pub(crate) fn narrowed(&self, params: &Params) -> Result<Self, OAuthError> {
        let mut names: Vec<String> = Vec::new();
        for asked in params.one("audience")?.into_iter().chain(params.all("resource")) {
            if !self.0.iter().any(|granted| granted == asked) {
                return Err(invalid_target(format!("{asked} was not part of the authorization")));
            }
            if !names.iter().any(|n| n == asked) {
                names.push(asked.to_owned());
            }
        }
        Ok(if names.is_empty() { self.clone() } else { Self(names) })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The `aud` claim as Auth0 writes it: a string, or an array that ends in the address of
    /// `/userinfo` where `openid` is granted.
    pub(crate) fn claim(&self, scope: &ScopeSet, config: &Config) -> Value {
        let mut names = self.0.clone();
        if scope.contains("openid") || names.is_empty() {
            names.push(config.userinfo_audience());
        }
        match &names[..] {
            [only] => json!(only),
            [..] => json!(names),
        }
    }
}

fn is_served(config: &Config, audience: &str) -> bool {
    config.audiences.as_ref().is_none_or(|served| served.iter().any(|a| a == audience))
}

fn check_resource(resource: &str) -> Result<(), OAuthError> {
    match Url::parse(resource) {
        Ok(url) if url.fragment().is_none() => Ok(()),
        Ok(_) => Err(invalid_target(format!("{resource} has a fragment"))),
        Err(_) => Err(invalid_target(format!("{resource} is no absolute URI"))),
    }
}

fn invalid_target(description: String) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidTarget, description)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::config;

    fn requested(query: &str, config: &Config) -> Result<Audiences, ErrorCode> {
        Audiences::requested(&Params::from_urlencoded(query.as_bytes()), config).map_err(|e| e.code)
    }

    #[test]
    fn audience_and_resources_join_into_auth0s_claim() {
        let config = config();
        let openid = ScopeSet::parse("openid").unwrap();
        let none = ScopeSet::default();
        let two = requested("audience=https://a/&resource=https://b/&resource=https://a/", &config)
            .unwrap();
        assert_eq!(two.claim(&none, &config), json!(["https://a/", "https://b/"]));
        let one = requested("resource=https://a/", &config).unwrap();
        assert_eq!(one.claim(&none, &config), json!("https://a/"));
        let userinfo = "http://127.0.0.1:9000/userinfo";
        assert_eq!(one.claim(&openid, &config), json!(["https://a/", userinfo]));
        assert_eq!(Audiences::default().claim(&openid, &config), json!(userinfo));
    }

    #[test]
    fn only_configured_audiences_are_served() {
        let config = Config {
            audiences: Some(vec!["https://a/".into()]),
            default_audience: Some("https://a/".into()),
            ..config()
        };
        assert!(requested("audience=https://a/", &config).is_ok());
        assert_eq!(requested("audience=https://b/", &config), Err(ErrorCode::AccessDenied));
        assert_eq!(requested("resource=https://b/", &config), Err(ErrorCode::InvalidTarget));
        assert_eq!(requested("", &config), Ok(Audiences(vec!["https://a/".into()])));
    }

    #[test]
    fn a_resource_is_an_absolute_uri_without_fragment() {
        for bad in ["resource=mcp", "resource=https://a/%23f"] {
            assert_eq!(requested(bad, &config()), Err(ErrorCode::InvalidTarget), "{bad}");
        }
    }

    #[test]
    fn a_token_request_may_ask_for_less_but_not_for_more() {
        let granted = Audiences(vec!["https://a/".into(), "https://b/".into()]);
        let ask = |q: &str| granted.narrowed(&Params::from_urlencoded(q.as_bytes()));
        assert_eq!(ask("").unwrap(), granted);
        assert_eq!(ask("resource=https://b/").unwrap(), Audiences(vec!["https://b/".into()]));
        assert_eq!(ask("resource=https://c/").unwrap_err().code, ErrorCode::InvalidTarget);
    }
}
