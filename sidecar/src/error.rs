//! The one table from causes to HTTP: the caller gets a code and a sentence, the log the cause.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    sessions::{NoPage, NotRecorded},
    store::StoreFailure,
};

/// Why a request to the internal listener is not done.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The request cannot be understood.
    #[error("{0}")]
    Malformed(String),
    /// The body is too long.
    #[error("the body is longer than {0} bytes")]
    TooLarge(usize),
    /// The token is missing or wrong.
    #[error("this needs MCP_AUTH_TOKEN as a bearer token")]
    Unauthenticated,
    /// It came from a web page of somebody else.
    #[error("{0}")]
    Forbidden(&'static str),
    /// Nobody recorded the session, or it has expired.
    #[error("no such session")]
    UnknownSession,
    /// Nothing is there.
    #[error("nothing is at this address")]
    UnknownAddress,
    /// Something is there, but not for this method.
    #[error("the address does not take this method")]
    Method,
    /// A session is not recorded.
    #[error(transparent)]
    NotRecorded(#[from] NotRecorded),
    /// A page is not found.
    #[error(transparent)]
    NoPage(#[from] NoPage),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreFailure),
    /// It took too long.
    #[error("this took too long, and part of it may have been done; asking again goes on")]
    TooSlow,
    /// Users cannot be sent to log in yet.
    #[error("the identity provider has not answered yet")]
    ProviderUnknown,
}

impl Refusal {
    /// The table.
    fn outcome(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Malformed(_)
            | Self::NotRecorded(NotRecorded::Unusable(_))
            | Self::NoPage(NoPage::Unreadable(_)) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large"),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "invalid_token"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
            Self::UnknownSession | Self::UnknownAddress => (StatusCode::NOT_FOUND, "not_found"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::NotRecorded(NotRecorded::Revoked) => (StatusCode::CONFLICT, "session_revoked"),
            Self::NotRecorded(NotRecorded::Another(_)) => (StatusCode::CONFLICT, "conflict"),
            Self::NoPage(NoPage::Gone) => (StatusCode::GONE, "cursor_gone"),
            Self::NotRecorded(NotRecorded::Store(_))
            | Self::NoPage(NoPage::Store(_))
            | Self::Store(_)
            | Self::TooSlow
            | Self::ProviderUnknown => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
        }
    }

    /// The sentence for the caller, who learns nothing of the inside.
    pub fn description(&self) -> String {
        match self {
            Self::ProviderUnknown | Self::TooSlow => self.to_string(),
            other if other.status() == StatusCode::SERVICE_UNAVAILABLE => {
                "the store is not available".to_owned()
            }
            other => other.to_string(),
        }
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.outcome().0
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code) = self.outcome();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            tracing::error!(cause = %self, "a request could not be served");
        }
        let body = json!({"error": code, "error_description": self.description()});
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
