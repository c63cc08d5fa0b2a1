//! The parameters of a query or a form, as OAuth has them (RFC 6749 §3.1, §3.2).

use std::{fmt, future::poll_fn, pin::Pin};

use axum::{
    body::{Bytes, HttpBody},
    extract::{FromRequest, Request},
    http::{HeaderMap, Method, header},
};

use super::{error::OAuthError, routes::BODY_LIMIT};

/// How much of a body is read, most of it to throw it away.
const MOST_READ: usize = 4 * 1024 * 1024;

/// What somebody asks for. A parameter without a value counts as left out, and one that is not
/// known is ignored; one that is read must be there once. `Debug` shows names only, because values
/// are credentials.
///
/// ```
/// use mcp_auth::oauth::params::Params;
/// let params = Params::parse(b"code=1&scope=&resource=a&resource=b&state=x&state=y");
/// assert_eq!(params.one("code").unwrap(), Some("1"));
/// assert_eq!(params.one("scope").unwrap(), None);
/// assert!(params.one("state").is_err() && params.required("scope").is_err());
/// assert_eq!(params.all("resource").collect::<Vec<_>>(), ["a", "b"]);
/// ```
#[derive(Clone)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads `application/x-www-form-urlencoded`.
    pub fn parse(encoded: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// The value.
    ///
    /// # Errors
    /// [`OAuthError::InvalidRequest`] if it is given twice.
    pub fn one<'p>(&'p self, name: &'p str) -> Result<Option<&'p str>, OAuthError> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(OAuthError::InvalidRequest(format!("{name} is given twice"))),
            (value, None) => Ok(value),
        }
    }

    /// The value, which must be there.
    ///
    /// # Errors
    /// [`OAuthError::InvalidRequest`] if it is not, or is given twice.
    pub fn required<'p>(&'p self, name: &'p str) -> Result<&'p str, OAuthError> {
        let missing = || OAuthError::InvalidRequest(format!("{name} is missing"));
        self.one(name)?.ok_or_else(missing)
    }

    /// The same, as an address can carry it.
    pub fn encoded(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }

    /// All values, for the few parameters that may be repeated.
    pub fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        let found = self.0.iter().filter(move |(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }
}

/// From the body of a POST, else from the query. A body beside a query counts alone: credentials
/// do not belong into addresses.
impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = OAuthError;

    async fn from_request(request: Request, _: &S) -> Result<Self, OAuthError> {
        if request.method() != Method::POST {
            return Ok(Self::parse(request.uri().query().unwrap_or("").as_bytes()));
        }
        if !is_form(request.headers()) {
            let sentence = "the body must be application/x-www-form-urlencoded";
            return Err(OAuthError::InvalidRequest(sentence.to_owned()));
        }
        Ok(Self::parse(&body(request).await?))
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// The body, if it is not too long. One that is a little too long is read to its end all the same: who
/// is still sending when the connection is closed may never see the answer.
pub(super) async fn body(request: Request) -> Result<Bytes, OAuthError> {
    let mut body = request.into_body();
    let (mut kept, mut length) = (Vec::new(), 0);
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let unreadable = |_| OAuthError::InvalidRequest("the body cannot be read".to_owned());
        let Ok(data) = frame.map_err(unreadable)?.into_data() else { continue };
        length += data.len();
        if length <= BODY_LIMIT {
            kept.extend_from_slice(&data);
        }
        if length > MOST_READ {
            break;
        }
    }
    if length > BODY_LIMIT { Err(OAuthError::TooLarge(BODY_LIMIT)) } else { Ok(kept.into()) }
}

/// Whether the body is of this media type, whatever its parameters are.
pub(super) fn is_media_type(headers: &HeaderMap, media_type: &str) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let given = given.unwrap_or("").split(';').next().unwrap_or("").trim();
    given.eq_ignore_ascii_case(media_type)
}

fn is_form(headers: &HeaderMap) -> bool {
    is_media_type(headers, "application/x-www-form-urlencoded")
}
