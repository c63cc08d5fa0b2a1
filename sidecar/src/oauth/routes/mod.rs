//! The public listener: one route, one file.

use axum::Router;

use super::{AuthorizationServer, error::OAuthError};

pub(super) fn router(server: AuthorizationServer) -> Router {
    Router::new().fallback(async || OAuthError::UnknownAddress).with_state(server)
}
