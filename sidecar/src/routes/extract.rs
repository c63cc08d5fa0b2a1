//! What requests carry, read strictly: a parameter that is not meant is refused, not ignored.

use auth_core::session_id::SessionId;
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{StatusCode, request::Parts},
    response::IntoResponse,
};
use serde::de::DeserializeOwned;

use super::BODY_LIMIT;
use crate::{error::Refusal, sessions::is_identifier, store::Holder};

/// The session id of the address.
pub(super) struct Id(pub(super) SessionId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let id = text.ok().and_then(|Path(text)| SessionId::parse(&text));
        id.map(Self).ok_or_else(|| malformed("a session id has 16 to 64 characters of base64url"))
    }
}

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bytes = match Bytes::from_request(request, state).await {
            Ok(bytes) => bytes,
            Err(refused) => {
                let too_large = refused.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE;
                return Err(if too_large {
                    Refusal::TooLarge(BODY_LIMIT)
                } else {
                    malformed("the body cannot be read")
                });
            }
        };
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|refused| malformed(&format!("the body: {refused}")))
    }
}

/// The query, each parameter at most once.
pub(super) struct Query(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let query = parts.uri.query().unwrap_or("");
        Ok(Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }
}

impl Query {
    /// Takes one parameter out.
    pub(super) fn take(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        let mut found = None;
        while let Some(at) = self.0.iter().position(|(key, _)| key == name) {
            if found.replace(self.0.remove(at).1).is_some() {
                return Err(malformed(&format!("{name} is given twice")));
            }
        }
        Ok(found)
    }

    /// Takes `user_id` or `client_id` out.
    pub(super) fn take_holder(&mut self) -> Result<Option<Holder>, Refusal> {
        let (user, client) = (self.take("user_id")?, self.take("client_id")?);
        if [&user, &client].into_iter().flatten().any(|id| !is_identifier(id)) {
            return Err(malformed("the filter names nobody"));
        }
        match (user, client) {
            (Some(_), Some(_)) => Err(malformed("user_id and client_id exclude each other")),
            (Some(user), None) => Ok(Some(Holder::User(user))),
            (None, Some(client)) => Ok(Some(Holder::Client(client))),
            (None, None) => Ok(None),
        }
    }

    /// Nothing may be left.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        match self.0.first() {
            Some((name, _)) => {
                let name: String = name.chars().take(40).filter(|c| !c.is_control()).collect();
                Err(malformed(&format!("the parameter {name:?} is not known")))
            }
            None => Ok(()),
        }
    }
}

pub(super) fn malformed(sentence: &str) -> Refusal {
    Refusal::Malformed(sentence.to_owned())
}
