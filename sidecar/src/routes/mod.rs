//! The internal listener: one route, one file.

mod delete_session;
mod delete_sessions;
mod extract;
mod get_session;
mod guard;
mod health;
mod keys;
mod list_sessions;
mod mcp_session;
mod put_session;
mod revocations;
#[cfg(test)]
pub(crate) mod testing;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::time::timeout;
use tracing::Instrument as _;

use crate::{
    clock, error::Refusal, mcp_sessions::McpSessions, oauth::upstream::Provider, page,
    sessions::Sessions, store::Store, tokens::Tokens, trace_context,
};

pub use self::keys::{Keys, KeysReport};

/// The longest body that is read.
pub const BODY_LIMIT: usize = 64 * 1024;
/// How long a request may take: revoking a client with very many sessions is the longest.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// What the routes work with.
#[derive(Clone)]
pub struct Internal {
    /// The rules.
    pub sessions: Sessions,
    /// Whose MCP sessions are.
    pub mcp_sessions: McpSessions,
    /// Asked by `/readyz`.
    pub store: Arc<dyn Store>,
    /// What callers must show.
    pub tokens: Option<Tokens>,
    /// What `/metrics` shows.
    pub metrics: PrometheusHandle,
    /// Asked by `/readyz`, if there is an OAuth part.
    pub provider: Option<Provider>,
    /// What is told of the keys, if there is an OAuth part.
    pub keys: Option<Keys>,
    /// What the web page signs its forms with.
    pub page: page::Keys,
}

/// Everything the internal listener answers.
pub fn router(internal: Internal) -> Router {
    let guarded = Router::new()
        .route(
            "/v1/sessions/{session_id}",
            get(get_session::answer).put(put_session::answer).delete(delete_session::answer),
        )
        .route("/v1/sessions", get(list_sessions::answer).delete(delete_sessions::answer))
        .route("/v1/mcp-sessions/{key}", get(mcp_session::owner).put(mcp_session::bind))
        .route("/v1/revocations", get(revocations::answer))
        .route("/v1/keys", get(keys::report))
        .route("/v1/reencryption", post(keys::reencrypt))
        .route("/metrics", get(health::metrics))
        .route_layer(from_fn_with_state(internal.clone(), guard::bearer));
    Router::new()
        .merge(guarded)
        .merge(page::router(&internal))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(async || Refusal::UnknownAddress)
        .method_not_allowed_fallback(async || Refusal::Method)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn_with_state(internal.clone(), guard::same_origin))
        .layer(from_fn(in_time))
        .layer(from_fn(measured))
        .with_state(internal)
}

async fn in_time(request: Request, next: Next) -> Response {
    match timeout(ANSWER_WITHIN, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refusal::TooSlow.into_response(),
    }
}

/// Counts and times every request by its route, never by its address, and puts what is logged of it
/// under its trace.
pub(crate) async fn measured(
    matched: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let route = matched.map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let method = match request.method().as_str() {
        known @ ("GET" | "HEAD" | "PUT" | "POST" | "DELETE" | "OPTIONS") => known.to_owned(),
        _ => "other".to_owned(),
    };
    let began = clock::instant();
    let span = trace_context::span(request.headers());
    let response = next.run(request).instrument(span).await;
    let labels =
        [("route", route), ("method", method), ("status", response.status().as_u16().to_string())];
    metrics::counter!("mcp_auth_http_requests_total", &labels).increment(1);
    metrics::histogram!("mcp_auth_http_request_seconds", &labels[..2])
        .record(began.elapsed().as_secs_f64());
    response
}
