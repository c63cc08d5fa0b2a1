//! The one table from causes to the errors that OAuth clients read (RFC 6749 §5.2, RFC 7591
//! §3.2.2, RFC 8707 §2). What people read instead is a page.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::vault::VaultFailure;

/// Why a client is not served.
#[derive(Debug, thiserror::Error)]
pub enum OAuthError {
    /// The request lacks something, has something twice or cannot be read.
    #[error("{0}")]
    InvalidRequest(String),
    /// The client is not known, or does not prove who it is.
    #[error("{0}")]
    InvalidClient(&'static str),
    /// What describes the client cannot be had now.
    #[error("the document at the client_id cannot be fetched now")]
    ClientUnavailable,
    /// The code or refresh token is not (or no longer) good for this.
    #[error("{0}")]
    InvalidGrant(&'static str),
    /// The client may not do this.
    #[error("{0}")]
    UnauthorizedClient(&'static str),
    /// A grant type that is not offered.
    #[error("the grant type is not authorization_code or refresh_token")]
    UnsupportedGrantType,
    /// A response type that is not offered.
    #[error("the response type is not code")]
    UnsupportedResponseType,
    /// A scope that is not offered, or more than was granted.
    #[error("{0}")]
    InvalidScope(String),
    /// A resource that is not ours, or none (RFC 8707).
    #[error("{0}")]
    InvalidTarget(&'static str),
    /// The user, or the identity provider, said no.
    #[error("{0}")]
    AccessDenied(&'static str),
    /// A redirect URI that may not be registered (RFC 7591).
    #[error("{0}")]
    InvalidRedirectUri(String),
    /// Other client metadata that may not be registered (RFC 7591).
    #[error("{0}")]
    InvalidClientMetadata(String),
    /// The body is too long.
    #[error("the body is longer than {0} bytes")]
    TooLarge(usize),
    /// Too many requests; after so many seconds it may be tried again.
    #[error("too many requests, try again in {0} s")]
    TooMany(u64),
    /// Introspection without the token it asks for.
    #[error("this needs a bearer token")]
    Unauthenticated,
    /// Nothing is there.
    #[error("nothing is at this address")]
    UnknownAddress,
    /// Something is there, but not for this method.
    #[error("the address does not take this method")]
    Method,
    /// What was remembered cannot be had.
    #[error(transparent)]
    Vault(#[from] VaultFailure),
    /// It took too long.
    #[error("this took too long")]
    TooSlow,
    /// The identity provider does not answer, or not as it should.
    #[error("the identity provider: {0}")]
    Provider(String),
    /// The identity provider refuses us, or says what cannot be believed.
    #[error("the identity provider: {0}")]
    ProviderFault(String),
}

impl OAuthError {
    /// The table.
    fn outcome(&self) -> (StatusCode, &'static str) {
        match self {
            Self::InvalidRequest(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::InvalidClient(_) => (StatusCode::UNAUTHORIZED, "invalid_client"),
            Self::InvalidGrant(_) => (StatusCode::BAD_REQUEST, "invalid_grant"),
            Self::UnauthorizedClient(_) => (StatusCode::BAD_REQUEST, "unauthorized_client"),
            Self::UnsupportedGrantType => (StatusCode::BAD_REQUEST, "unsupported_grant_type"),
            Self::UnsupportedResponseType => (StatusCode::BAD_REQUEST, "unsupported_response_type"),
            Self::InvalidScope(_) => (StatusCode::BAD_REQUEST, "invalid_scope"),
            Self::InvalidTarget(_) => (StatusCode::BAD_REQUEST, "invalid_target"),
            Self::AccessDenied(_) => (StatusCode::FORBIDDEN, "access_denied"),
            Self::InvalidRedirectUri(_) => (StatusCode::BAD_REQUEST, "invalid_redirect_uri"),
            Self::InvalidClientMetadata(_) => (StatusCode::BAD_REQUEST, "invalid_client_metadata"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request"),
            Self::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable"),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "invalid_token"),
            Self::UnknownAddress => (StatusCode::NOT_FOUND, "not_found"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "invalid_request"),
            Self::ClientUnavailable | Self::Vault(_) | Self::TooSlow | Self::Provider(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable")
            }
            Self::ProviderFault(_) => (StatusCode::BAD_GATEWAY, "server_error"),
        }
    }

    /// The status of an answer that is no redirect.
    pub fn status(&self) -> StatusCode {
        self.outcome().0
    }

    /// The code for the client.
    pub fn code(&self) -> &'static str {
        self.outcome().1
    }

    /// After how many seconds it may be tried again, where that may help.
    pub fn retry_after(&self) -> Option<u64> {
        if let Self::TooMany(seconds) = self {
            return Some(*seconds);
        }
        (self.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(1)
    }

    /// The sentence for the client, who learns nothing of the inside.
    pub fn description(&self) -> String {
        match self {
            Self::Vault(_) => "the store is not available, try again".to_owned(),
            Self::Provider(_) => "the identity provider is not available, try again".to_owned(),
            Self::ProviderFault(_) => {
                "the identity provider and this server do not understand each other".to_owned()
            }
            other => other.to_string(),
        }
    }

    /// What the operator should read in the log.
    pub fn log(&self) {
        // Anybody can name a document that is not there.
        let is_ours = !matches!(self, Self::ClientUnavailable);
        if self.status().is_server_error() && is_ours {
            tracing::error!(cause = %self, "an OAuth request could not be served");
        } else {
            tracing::info!(error = self.code(), cause = %self, "an OAuth request was refused");
        }
    }
}

impl From<crate::store::StoreFailure> for OAuthError {
    fn from(failure: crate::store::StoreFailure) -> Self {
        Self::Vault(failure.into())
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        self.log();
        let (status, code) = self.outcome();
        let body = json!({"error": code, "error_description": self.description()});
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if matches!(self, Self::Unauthenticated) {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
