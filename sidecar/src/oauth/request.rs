//! An authorization request (RFC 6749 §4.1.1) that has passed every check there is without the
//! user.

use serde::{Deserialize, Serialize};

use super::{
    client::Client,
    error::OAuthError,
    params::Params,
    reply::{Refused, ReplyTo},
    resource, scope,
};
use crate::config::oauth::OAuthConfig;

/// The longest `state` that is sent back.
const LONGEST_STATE: usize = 4096;
/// The length of a SHA-256 in base64url.
const CHALLENGE_LENGTH: usize = 43;

/// What a client asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// The client.
    pub client_id: String,
    /// Where it is answered.
    pub reply_to: ReplyTo,
    /// Whether the request named the redirect URI.
    pub redirect_uri_given: bool,
    /// PKCE, always S256 (RFC 7636 §4.3).
    pub code_challenge: String,
    /// Scopes that are offered; not empty.
    pub scopes: Vec<String>,
    /// One of `MCP_RESOURCES`, byte for byte (RFC 8707 §2).
    pub resource: String,
}

impl AuthorizationRequest {
    /// Checks what a client that is known asks for.
    ///
    /// # Errors
    /// [`Refused::Page`] as long as it is not certain that the redirect URI is the client's, then
    /// as [`ReplyTo::refused_unasked`] says.
    pub fn read(params: &Params, client: &Client, config: &OAuthConfig) -> Result<Self, Refused> {
        let given = params.one("redirect_uri").map_err(Refused::Page)?;
        let redirect_uri = client.redirect_uri(given).map_err(Refused::Page)?;
        let (state, refused_state) = match state(params) {
            Ok(state) => (state, None),
            Err(refused) => (None, Some(refused)),
        };
        let reply_to = ReplyTo::new(redirect_uri, state);
        let refused = |error| reply_to.refused_unasked(config.url.as_str(), error);
        if let Some(error) = refused_state {
            return Err(refused(error));
        }
        response_type(params).map_err(refused)?;
        Ok(Self {
            client_id: client.client_id.clone(),
            redirect_uri_given: given.is_some(),
            code_challenge: code_challenge(params).map_err(refused)?,
            scopes: scopes(params, &config.scopes).map_err(refused)?,
            resource: resource(params, config).map_err(refused)?,
            reply_to,
        })
    }
}

fn state(params: &Params) -> Result<Option<String>, OAuthError> {
    match params.one("state")? {
        Some(state) if state.len() > LONGEST_STATE => {
            Err(OAuthError::InvalidRequest(format!("state is longer than {LONGEST_STATE} bytes")))
        }
        state => Ok(state.map(str::to_owned)),
    }
}

fn response_type(params: &Params) -> Result<(), OAuthError> {
    if params.required("response_type")? != "code" {
        return Err(OAuthError::UnsupportedResponseType);
    }
    match params.one("response_mode")? {
        None | Some("query") => Ok(()),
        Some(_) => Err(OAuthError::InvalidRequest("response_mode must be query".to_owned())),
    }
}

/// PKCE cannot be left out or weakened to `plain`, which is what no method means.
fn code_challenge(params: &Params) -> Result<String, OAuthError> {
    let challenge = params.required("code_challenge")?;
    if params.one("code_challenge_method")? != Some("S256") {
        let sentence = "code_challenge_method must be S256";
        return Err(OAuthError::InvalidRequest(sentence.to_owned()));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if challenge.len() != CHALLENGE_LENGTH || !challenge.bytes().all(allowed) {
        let sentence = "code_challenge is not the SHA-256 of anything, in base64url";
        return Err(OAuthError::InvalidRequest(sentence.to_owned()));
    }
    Ok(challenge.to_owned())
}

/// Those asked for, or the first that is offered.
fn scopes(params: &Params, offered: &[String]) -> Result<Vec<String>, OAuthError> {
    let mut scopes = scope::asked(params.one("scope")?, offered)?;
    if scopes.is_empty() {
        scopes.extend(offered.first().cloned());
    }
    Ok(scopes)
}

fn resource(params: &Params, config: &OAuthConfig) -> Result<String, OAuthError> {
    let named = resource::named(params, &config.resources)?;
    named.ok_or(OAuthError::InvalidTarget("resource is missing"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use url::Url;

    use super::*;
    use crate::{config::testing, oauth::testing::client};

    proptest! {
        #[test]
        fn whatever_is_asked_leads_to_the_client_or_nowhere(
            junk in prop::collection::vec((any::<String>(), any::<String>()), 0..4),
            named in prop::collection::vec(
                ("(redirect_uri|response_type|state|scope|resource|code_challenge(_method)?)",
                 "[a-zA-Z0-9:/@%.?#\\[\\]-]{0,50}|code|S256|http://127\\.0\\.0\\.1[:@.]{0,2}[0-9a-z]{0,5}/callback"),
                0..8,
            ),
        ) {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            let query = query.extend_pairs(junk).extend_pairs(named).finish();
            let config = testing::build(&testing::OAUTH).unwrap().oauth.unwrap();
            let read =
                AuthorizationRequest::read(&Params::parse(query.as_bytes()), &client("c"), &config);
            let redirect_uri = match &read {
                Ok(request) => request.reply_to.redirect_uri(),
                Err(Refused::Client(reply_to, _)) => reply_to.redirect_uri(),
                Err(Refused::Page(_)) => return Ok(()),
                Err(Refused::Website(website, _)) => panic!("the client has none: {website:?}"),
            };
            let url = Url::parse(redirect_uri).unwrap();
            assert_eq!((url.scheme(), url.host_str()), ("http", Some("127.0.0.1")), "{query}");
            assert_eq!((url.path(), url.query(), url.fragment()), ("/callback", None, None));
            assert_eq!((url.username(), url.password()), ("", None));
        }
    }
}
