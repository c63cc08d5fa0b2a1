//! How the Management API says no, and the checks of bodies that end so.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

/// An error in Auth0's form.
pub(crate) struct Refusal {
    status: u16,
    code: String,
    message: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &str, message: &str) -> Self {
        Self { status, code: code.to_owned(), message: message.to_owned() }
    }

    pub(super) fn scope(scopes: &[&str]) -> Self {
        let expected = scopes.join(",");
        let message = format!("Insufficient scope, expected any of: {expected}");
        Self::new(403, "insufficient_scope", &message)
    }

    pub(super) fn body(why: &str) -> Self {
        Self::new(400, "invalid_body", &format!("Payload validation error: '{why}'."))
    }

    pub(super) fn unknown(what: &str) -> Self {
        Self::new(404, &format!("inexistent_{what}"), &format!("The {what} does not exist"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap();
        let body = json!({
            "statusCode": self.status,
            "error": status.canonical_reason(),
            "message": self.message,
            "errorCode": self.code,
        });
        (status, Json(body)).into_response()
    }
}

/// Refuses members that the API does not have.
pub(super) fn only(body: &Map<String, Value>, known: &[&str]) -> Result<(), Refusal> {
    match body.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(Refusal::body(&format!("Additional properties not allowed: {name}"))),
        None if body.is_empty() => Err(Refusal::body("Too few properties defined (0), minimum 1")),
        None => Ok(()),
    }
}

/// Refuses a body without a member.
pub(super) fn with<'b>(body: &'b Map<String, Value>, name: &str) -> Result<&'b Value, Refusal> {
    body.get(name).ok_or_else(|| Refusal::body(&format!("Missing required property: {name}")))
}
