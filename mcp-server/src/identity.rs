//! Who is calling, read from the identity headers that the gateway sets.
//!
//! The values are believed as they stand; that nobody but the gateway can send them is the
//! business of [`crate::listen`].

use axum::http::HeaderMap;
use percent_encoding::percent_decode;
use rmcp::handler::server::common::{AsRequestContext, FromContextPart};
use rmcp::{ErrorData, schemars};
use serde::Serialize;

/// The user id of the caller.
pub const USER_ID: &str = "x-user-id";
/// The name the user logs in with.
pub const USER_NAME: &str = "x-user-name";
/// The identity provider that vouches for the user.
pub const USER_ISSUER: &str = "x-user-issuer";
/// The user's `sub` at that provider.
pub const USER_SUBJECT: &str = "x-user-subject";
/// The user's email address, where it is verified.
pub const USER_EMAIL: &str = "x-user-email";
/// What the token allows, parted by spaces.
pub const USER_SCOPES: &str = "x-user-scopes";
/// The OAuth client that acts for the user.
pub const CLIENT_ID: &str = "x-client-id";
/// The login that the token belongs to.
pub const SESSION_ID: &str = "x-session-id";

/// The caller of one request.
///
/// An identity without a user id does not exist. As a parameter of a tool it is taken from the
/// request that the call came in, so two users of one MCP session are told apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Identity {
    /// Stable id of the user, the same in every session and at every server.
    pub user_id: UserId,
    /// Name that the user logs in with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Identity provider that vouches for the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The user's subject at that provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Verified email address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Scopes of the token.
    pub scopes: Vec<String>,
    /// OAuth client that acts for the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Login that the token belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
}

/// The id that a user's data is kept under. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct UserId(String);

impl UserId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for UserId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a request has no usable identity.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unidentified {
    /// No user id at all: the request did not pass the gateway, or passed it on a public path.
    #[error(
        "nobody is identified: the request carries no {USER_ID} header; call this server through \
         its gateway"
    )]
    Missing,
    /// A header came twice, so it cannot be told which value is the gateway's.
    #[error("the identity header {0} came more than once; the gateway sets it exactly once")]
    Repeated(&'static str),
    /// A header's value is not percent-encoded UTF-8.
    #[error("the identity header {0} is not percent-encoded UTF-8")]
    Undecodable(&'static str),
}

impl Identity {
    /// Reads the identity of a request.
    ///
    /// # Errors
    /// [`Unidentified`] says which header is at fault.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Unidentified> {
        let user_id =
            read(headers, USER_ID)?.filter(|id| !id.is_empty()).ok_or(Unidentified::Missing)?;
        let scopes = read(headers, USER_SCOPES)?.unwrap_or_default();
        Ok(Self {
            user_id: UserId(user_id),
            username: read(headers, USER_NAME)?,
            issuer: read(headers, USER_ISSUER)?,
            subject: read(headers, USER_SUBJECT)?,
            email: read(headers, USER_EMAIL)?,
            scopes: scopes.split_ascii_whitespace().map(str::to_owned).collect(),
            client_id: read(headers, CLIENT_ID)?,
            session_id: read(headers, SESSION_ID)?,
        })
    }
}

/// Lets a tool or prompt ask for its caller by naming an `Identity` among its parameters.
impl<C: AsRequestContext> FromContextPart<C> for Identity {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        caller(&context.as_request_context().extensions)
    }
}

/// The caller of the request whose extensions these are.
///
/// # Errors
/// A JSON-RPC error that says what is missing.
pub fn caller(extensions: &rmcp::model::Extensions) -> Result<Identity, ErrorData> {
    let headers = extensions.get::<axum::http::request::Parts>().map(|parts| &parts.headers);
    headers
        .ok_or(Unidentified::Missing)
        .and_then(Identity::from_headers)
        .map_err(|cause| ErrorData::invalid_request(cause.to_string(), None))
}

fn read(headers: &HeaderMap, name: &'static str) -> Result<Option<String>, Unidentified> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Unidentified::Repeated(name));
    }
    let decoded = percent_decode(value.as_bytes()).decode_utf8();
    decoded.map(|text| Some(text.into_owned())).map_err(|_| Unidentified::Undecodable(name))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};
    use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::{CLIENT_ID, HeaderMap, Identity, USER_ID, USER_NAME, USER_SCOPES, Unidentified};

    /// What the gateway encodes: everything but printable ASCII, and `%`.
    const GATEWAY: &AsciiSet = &CONTROLS.add(b'%');

    #[test]
    fn every_header_lands_in_its_field() {
        let identity = Identity::from_headers(&headers(&[
            (USER_ID, "alice-d3e1813f"),
            (USER_NAME, "alice@example.com"),
            (super::USER_ISSUER, "https://tenant.auth0.com/"),
            (super::USER_SUBJECT, "auth0|alice"),
            (super::USER_EMAIL, "alice@example.com"),
            (USER_SCOPES, "mcp:read mcp:write"),
            (CLIENT_ID, "demo-client"),
            (super::SESSION_ID, "AAAAAAAAAAAAAAAAAAAAAA"),
        ]))
        .unwrap();
        assert_eq!(identity.user_id.as_str(), "alice-d3e1813f");
        assert_eq!(identity.username.as_deref(), Some("alice@example.com"));
        assert_eq!(identity.issuer.as_deref(), Some("https://tenant.auth0.com/"));
        assert_eq!(identity.subject.as_deref(), Some("auth0|alice"));
        assert_eq!(identity.email.as_deref(), Some("alice@example.com"));
        assert_eq!(identity.scopes, ["mcp:read", "mcp:write"]);
        assert_eq!(identity.client_id.as_deref(), Some("demo-client"));
        assert_eq!(identity.session_id.as_deref(), Some("AAAAAAAAAAAAAAAAAAAAAA"));
    }

    #[test]
    fn missing_or_empty_user_id_is_no_identity() {
        for sent in [headers(&[(USER_NAME, "alice")]), headers(&[(USER_ID, "")])] {
            assert_eq!(Identity::from_headers(&sent), Err(Unidentified::Missing));
        }
    }

    #[test]
    fn a_repeated_header_is_refused_and_named() {
        let sent = headers(&[(USER_ID, "alice-1"), (USER_ID, "mallory-2")]);
        assert_eq!(Identity::from_headers(&sent), Err(Unidentified::Repeated(USER_ID)));
        let sent = headers(&[(USER_ID, "alice-1"), (CLIENT_ID, "a"), (CLIENT_ID, "b")]);
        assert_eq!(Identity::from_headers(&sent), Err(Unidentified::Repeated(CLIENT_ID)));
    }

    #[test]
    fn percent_encoding_that_is_not_utf8_is_refused() {
        let sent = headers(&[(USER_ID, "alice-1"), (USER_NAME, "%ff%fe")]);
        assert_eq!(Identity::from_headers(&sent), Err(Unidentified::Undecodable(USER_NAME)));
    }

    proptest! {
        #[test]
        fn any_name_survives_the_header(name in any::<String>()) {
            let encoded = utf8_percent_encode(&name, GATEWAY).to_string();
            let sent = headers(&[(USER_ID, "u-1"), (USER_NAME, &encoded)]);
            let identity = Identity::from_headers(&sent).unwrap();
            prop_assert_eq!(identity.username, Some(name));
        }

        #[test]
        fn arbitrary_header_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut sent = headers(&[(USER_ID, "u-1")]);
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                sent.insert(USER_NAME, value);
            }
            let _ = Identity::from_headers(&sent);
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        map
    }
}
