//! What the page's forms and links carry.

use std::collections::HashMap;

use auth_core::session_id::SessionId;
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::request::Parts,
    response::Response,
};

use super::failed;
use crate::{error::Refusal, sessions::is_identifier, store::Holder};

/// The fields of a form. Of a field given twice the last counts.
pub(super) struct Form(pub(super) Fields);

/// Fields by name; empty ones are left out.
pub(super) type Fields = HashMap<String, String>;

/// What of all sessions is shown.
pub(super) struct Filter {
    pub(super) user: String,
    pub(super) client: String,
    pub(super) cursor: Option<String>,
    /// Something has just been revoked.
    pub(super) done: bool,
}

/// What is to be revoked.
#[derive(Debug)]
pub(super) enum Target {
    Session(SessionId),
    Holder(Holder),
}

impl Filter {
    pub(super) fn holder(&self) -> Option<Holder> {
        match (self.user.as_str(), self.client.as_str()) {
            ("", "") => None,
            ("", client) => Some(Holder::Client(client.to_owned())),
            (user, _) => Some(Holder::User(user.to_owned())),
        }
    }
}

impl Target {
    pub(super) fn of(fields: &Fields) -> Result<Self, Refusal> {
        let refused = || Refusal::Malformed("nobody is named who could be revoked".to_owned());
        let holder = |id: &String, holder: fn(String) -> Holder| {
            is_identifier(id).then(|| Self::Holder(holder(id.clone())))
        };
        match (fields.get("session"), fields.get("user"), fields.get("client")) {
            (Some(id), None, None) => SessionId::parse(id).map(Self::Session),
            (None, Some(id), None) => holder(id, Holder::User),
            (None, None, Some(id)) => holder(id, Holder::Client),
            _ => None,
        }
        .ok_or_else(refused)
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let body = Bytes::from_request(request, state).await;
        let body =
            body.map_err(|_| failed(Refusal::Malformed("the form is too long".to_owned())))?;
        Ok(Self(fields(&body)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Filter {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let mut fields = fields(parts.uri.query().unwrap_or("").as_bytes());
        let mut take = |name| fields.remove(name).filter(|value| is_identifier(value));
        Ok(Self {
            user: take("user").unwrap_or_default(),
            client: take("client").unwrap_or_default(),
            cursor: take("cursor"),
            done: take("done").is_some(),
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Target {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        Self::of(&fields(parts.uri.query().unwrap_or("").as_bytes())).map_err(failed)
    }
}

fn fields(encoded: &[u8]) -> Fields {
    url::form_urlencoded::parse(encoded)
        .map(|(name, value)| (name.into_owned(), value.trim().to_owned()))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}
