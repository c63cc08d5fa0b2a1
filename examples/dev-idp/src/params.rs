//! The parameters of an OAuth request, from a query, a form or (as Auth0 accepts) JSON.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{Method, header::CONTENT_TYPE},
};
use serde_json::{Map, Value};

use crate::oauth_error::{ErrorCode, OAuthError};

/// Parameters in the order they came. An empty value counts as absent (RFC 6749 section 3.1).
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn from_urlencoded(input: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(input).into_owned().collect())
    }

    /// The one value of `name`.
    ///
    /// # Errors
    /// `invalid_request` where the parameter came more than once (RFC 6749 section 3.1).
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, OAuthError> {
        match self.all(name)[..] {
            [] => Ok(None),
            [value] => Ok(Some(value)),
            [..] => Err(invalid(format!("{name} is given more than once"))),
        }
    }

    /// The one value of `name`, which must be there.
    ///
    /// # Errors
    /// `invalid_request` where it is absent or came more than once.
    pub(crate) fn required(&self, name: &str) -> Result<&str, OAuthError> {
        self.one(name)?.ok_or_else(|| invalid(format!("{name} is required")))
    }

    /// Every value of `name`: `resource` may come several times (RFC 8707 section 2).
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let wanted = |(n, v): &&(String, String)| n == name && !v.is_empty();
        self.0.iter().filter(wanted).map(|(_, v)| v.as_str()).collect()
    }

    fn from_json(body: &[u8]) -> Result<Self, OAuthError> {
        let object: Map<String, Value> = serde_json::from_slice(body)
            .map_err(|e| invalid(format!("the body is no JSON object: {e}")))?;
        let mut params = Vec::new();
        for (name, value) in object {
            match value {
                Value::String(text) => params.push((name, text)),
                Value::Array(items) => params.extend(
                    items.iter().filter_map(Value::as_str).map(|v| (name.clone(), v.to_owned())),
                ),
                Value::Null => {}
                Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
                    return Err(invalid(format!("{name} must be a string")));
                }
            }
        }
        Ok(Self(params))
    }
}

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = OAuthError;

    async fn from_request(request: Request, state: &S) -> Result<Self, OAuthError> {
        if request.method() == Method::GET {
            return Ok(Self::from_urlencoded(request.uri().query().unwrap_or("").as_bytes()));
        }
        let media_type = media_type(&request);
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|e| invalid(format!("the body cannot be read: {e}")))?;
        match media_type.as_str() {
            "application/x-www-form-urlencoded" => Ok(Self::from_urlencoded(&body)),
            "application/json" => Self::from_json(&body),
            _ => Err(invalid("the body must be application/x-www-form-urlencoded")),
        }
    }
}

fn media_type(request: &Request) -> String {
    let value = request.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    value.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

fn invalid(description: impl Into<String>) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, description)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_values_are_absent_and_doubles_are_refused() {
        let params = Params::from_urlencoded(b"a=&b=1&b=2&c=x%20y");
        assert_eq!(params.one("a").unwrap(), None);
        assert!(params.one("b").is_err());
        assert_eq!(params.all("b"), ["1", "2"]);
        assert_eq!(params.required("c").unwrap(), "x y");
        assert!(params.required("d").is_err());
    }

    #[test]
    fn json_objects_of_strings_are_read_and_others_refused() {
        let params = Params::from_json(br#"{"a":"1","resource":["x","y"],"z":null}"#).unwrap();
        assert_eq!(params.one("a").unwrap(), Some("1"));
        assert_eq!(params.all("resource"), ["x", "y"]);
        assert!(Params::from_json(br#"{"a":1}"#).is_err());
        assert!(Params::from_json(b"[]").is_err());
    }
}
