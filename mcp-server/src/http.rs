//! MCP over streamable HTTP at `/mcp`, and `/healthz`; draining at the end.
//!
//! Protocol versions, MCP sessions and the checks of `Host` and `Origin` are rmcp's.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use http_body_util::BodyExt;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::listen::Hosts;
use crate::tools::NoteServer;

/// Bytes that one request may have: a note, well escaped, and its envelope.
const MAX_REQUEST: usize = 64 * 1024;

/// Serves until `stop` is cancelled; then takes no new connection, lets the calls under way
/// finish for at most `drain`, ends the idle event streams and returns.
///
/// # Errors
/// Those of the listener.
pub async fn serve(
    listener: TcpListener,
    hosts: &Hosts,
    stop: CancellationToken,
    drain: Duration,
) -> std::io::Result<()> {
    let calls = TaskTracker::new();
    let streams = CancellationToken::new();
    let app = router(hosts, calls.clone(), streams.clone());

    let drained = {
        let stop = stop.clone();
        async move {
            stop.cancelled().await;
            calls.close();
            let in_time = tokio::time::timeout(drain, calls.wait()).await.is_ok();
            streams.cancel();
            if in_time {
                // Nothing is left but connections that close themselves.
                std::future::pending::<()>().await;
            }
            tracing::warn!(calls = calls.len(), "cut off what was not finished after {drain:?}");
        }
    };
    let served = axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned());
    tokio::select! {
        served = served.into_future() => served,
        () = drained => Ok(()),
    }
}

fn router(hosts: &Hosts, calls: TaskTracker, streams: CancellationToken) -> Router {
    let server = NoteServer::default();
    let mcp = StreamableHttpService::new(
        move || Ok(server.clone()),
        LocalSessionManager::default().into(),
        admitting(hosts).with_cancellation_token(streams).with_max_request_body_bytes(MAX_REQUEST),
    );
    Router::new()
        .route_service("/mcp", mcp)
        .layer(middleware::from_fn_with_state(calls, count_call))
        .route("/healthz", get(async || "ok\n"))
}

fn admitting(hosts: &Hosts) -> StreamableHttpServerConfig {
    let config = StreamableHttpServerConfig::default();
    match hosts {
        Hosts::Any => config.disable_allowed_hosts(),
        Hosts::Only(hosts) => config.with_allowed_hosts(hosts),
        Hosts::Loopback => config.with_allowed_origins(
            ["localhost", "127.0.0.1", "[::1]"]
                .into_iter()
                .flat_map(|host| ["http", "https"].map(|scheme| format!("{scheme}://{host}:*"))),
        ),
    }
}

/// Counts a call as under way until the last byte of its answer is out. Only POST: a GET is an
/// event stream, which waits for news and never ends by itself.
async fn count_call(State(calls): State<TaskTracker>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let under_way = calls.token();
    let response = next.run(request).await;
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _held_while_the_body_lives = &under_way;
            frame
        }))
    })
}
