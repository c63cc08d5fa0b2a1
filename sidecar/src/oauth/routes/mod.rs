//! The public listener: one route, one file.

mod authorize;
mod callback;
mod consent;
mod introspect;
mod jwks;
mod logout;
mod metadata;
mod register;
mod revoke;
mod token;

use std::{collections::BTreeSet, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::time::timeout;
use tower_http::cors::{Any, CorsLayer};

use super::{AuthorizationServer, error::OAuthError};
use crate::routes::measured;

/// The longest body that is read, and so the most that a registration is remembered by.
pub(super) const BODY_LIMIT: usize = 16 * 1024;
/// How long a request may take. The identity provider has 10 s, several times in a login.
const ANSWER_WITHIN: Duration = Duration::from_secs(40);
/// How long browsers remember what another site's page may send.
const PREFLIGHT_CACHED: Duration = Duration::from_secs(3600);

pub(super) fn router(server: AuthorizationServer) -> Router {
    let base = server.base_path().to_owned();
    let under_base = Router::new().merge(pages()).merge(for_clients()).merge(for_servers());
    let routes = if base.is_empty() { under_base } else { Router::new().nest(&base, under_base) };
    routes
        .merge(discovery(&base))
        .fallback(async || OAuthError::UnknownAddress)
        .method_not_allowed_fallback(async || OAuthError::Method)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn(as_declared))
        .layer(from_fn(measured))
        .with_state(server)
}

/// What a gateway lets through without a token: everything above, for a base URL with this path.
pub(crate) fn public_paths(base: &str) -> Vec<String> {
    let below = [
        "/authorize",
        "/consent",
        "/auth/callback",
        "/logout",
        "/register",
        "/jwks.json",
        "/token",
        "/revoke",
        "/introspect",
    ];
    let metadata = ["oauth-authorization-server", "openid-configuration"];
    let mut paths: Vec<_> = metadata.into_iter().flat_map(|name| places(name, base)).collect();
    paths.extend(below.map(|path| format!("{base}{path}")));
    paths
}

/// What people see. No page of another site may read it, so it has no CORS.
fn pages() -> Router<AuthorizationServer> {
    // Looking at the callback without fetching it must not use it up.
    let callback = get(callback::answer).head(async || OAuthError::Method);
    Router::new()
        .route("/authorize", get(authorize::answer).post(authorize::from_form))
        .route("/consent", post(consent::answer))
        .route("/auth/callback", callback)
        .route("/logout", get(logout::ask).post(logout::answer))
        .route("/logout/done", get(logout::done))
        .layer(from_fn(in_time))
}

/// What clients call, those in browsers too.
fn for_clients() -> Router<AuthorizationServer> {
    let router = Router::new()
        .route("/register", post(register::answer))
        .route("/jwks.json", get(jwks::answer))
        .route("/token", post(token::answer))
        .route("/revoke", post(revoke::answer));
    readable_by_pages_of_any_site(router)
}

/// What resource servers call.
fn for_servers() -> Router<AuthorizationServer> {
    Router::new().route("/introspect", post(introspect::answer)).layer(from_fn(in_time))
}

/// The metadata, everywhere that clients look: RFC 8414 §3.1 inserts the issuer's path, OpenID
/// Connect Discovery §4 appends to it, and clients of old drop it.
fn discovery(base: &str) -> Router<AuthorizationServer> {
    let mut router = Router::new();
    for place in places("oauth-authorization-server", base) {
        router = router.route(&place, get(metadata::oauth));
    }
    for place in places("openid-configuration", base) {
        router = router.route(&place, get(metadata::openid));
    }
    readable_by_pages_of_any_site(router)
}

fn places(name: &str, base: &str) -> BTreeSet<String> {
    let name = format!("/.well-known/{name}");
    BTreeSet::from([format!("{name}{base}"), format!("{base}{name}"), name])
}

/// What a page of another site sends is its own, because no cookie counts here.
fn readable_by_pages_of_any_site(
    router: Router<AuthorizationServer>,
) -> Router<AuthorizationServer> {
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("mcp-protocol-version"),
        ])
        .expose_headers([header::WWW_AUTHENTICATE, header::RETRY_AFTER])
        .max_age(PREFLIGHT_CACHED);
    // Set before the layers, so that they see preflights first, and what comes too late.
    router
        .method_not_allowed_fallback(async || OAuthError::Method)
        .layer(from_fn(in_time))
        .layer(cors)
}

async fn in_time(request: Request, next: Next) -> Response {
    match timeout(ANSWER_WITHIN, next.run(request)).await {
        Ok(response) => response,
        Err(_) => OAuthError::TooSlow.into_response(),
    }
}

/// An answer is what its media type says, whatever a browser may make of it.
async fn as_declared(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;

    use super::*;
    use crate::oauth::testing::TestServer;

    #[tokio::test]
    async fn what_is_not_there_is_said_in_json() {
        let test = TestServer::start().await;
        let (status, body) = test.get("/nothing").await;
        assert_eq!((status, &body["error"]), (StatusCode::NOT_FOUND, &"not_found".into()));
        let metadata = "/.well-known/oauth-authorization-server";
        let answer = test.request("DELETE", metadata).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    }

    #[tokio::test]
    async fn pages_of_any_site_may_read_the_metadata() {
        let test = TestServer::start().await;
        let metadata = "/.well-known/oauth-authorization-server";
        let preflight = test
            .request("OPTIONS", metadata)
            .header("origin", "https://inspector.example")
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "mcp-protocol-version,authorization")
            .send()
            .await
            .unwrap();
        assert_eq!(preflight.status(), StatusCode::OK);
        assert_eq!(preflight.headers()["access-control-allow-origin"], "*");
        let allowed = preflight.headers()["access-control-allow-headers"].to_str().unwrap();
        for name in ["authorization", "content-type", "mcp-protocol-version"] {
            assert!(allowed.contains(name), "{allowed}");
        }
        assert!(preflight.headers().get("access-control-allow-credentials").is_none());
        let answer = test.request("GET", metadata).header("origin", "https://x.example");
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    }

    #[tokio::test]
    async fn what_takes_too_long_may_be_read_by_pages_too() {
        let server = TestServer::start().await.server.clone();
        let never = Router::new().route("/never", get(std::future::pending::<()>));
        let routes = readable_by_pages_of_any_site(never).with_state(server);
        let request = Request::builder().uri("/never").header("origin", "https://x.example");
        let request = request.body(axum::body::Body::empty()).unwrap();
        tokio::time::pause();
        let answer = TowerToHyperService::new(routes).call(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    }
}
