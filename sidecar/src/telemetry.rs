//! What the process says about itself: log lines on standard error, and metrics.

use std::io::IsTerminal;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

/// From a lookup in memory to a slow answer of Redis, in seconds.
const BUCKETS: [f64; 9] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0];

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

impl LogFormat {
    /// Reads the value of `MCP_AUTH_LOG_FORMAT`.
    pub fn parse(text: Option<&str>) -> Option<Self> {
        match text {
            None | Some("" | "text") => Some(Self::Text),
            Some("json") => Some(Self::Json),
            Some(_) => None,
        }
    }
}

/// Begins to log; `filter` as `RUST_LOG` has it. Called once.
pub fn log(format: LogFormat, filter: Option<&str>) {
    let filter = EnvFilter::new(filter.filter(|it| !it.is_empty()).unwrap_or("info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Saying that standard error is gone, on standard error, would panic.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}

/// Begins to count. Called once.
///
/// # Errors
/// If something counts already.
pub fn count() -> Result<PrometheusHandle, BuildError> {
    let buckets = Matcher::Suffix("_seconds".to_owned());
    let handle =
        PrometheusBuilder::new().set_buckets_for_metric(buckets, &BUCKETS)?.install_recorder()?;
    metrics::describe_counter!(
        "mcp_auth_http_requests_total",
        "Requests by route, method and status"
    );
    metrics::describe_histogram!(
        "mcp_auth_http_request_seconds",
        "Time to answer, by route and method"
    );
    metrics::describe_counter!("mcp_auth_revocations_total", "Revocations asked for, by what of");
    metrics::describe_counter!(
        "mcp_auth_logins_total",
        "Steps of logins: allowed by the user, finished, begun, refreshed, ended, or the error they came to"
    );
    metrics::describe_gauge!(
        "mcp_auth_provider_up",
        "Whether the identity provider answered last time"
    );
    metrics::describe_counter!(
        "mcp_auth_secret_reloads_total",
        "Changed secret files, by whether what they hold was taken or refused"
    );
    metrics::describe_counter!(
        "mcp_auth_token_uses_total",
        "Calls with a token of MCP_AUTH_TOKEN, by whether it is the first or an older one"
    );
    metrics::describe_gauge!(
        "mcp_auth_reencryption_values",
        "Values that the latest pass of encrypting anew has seen, renewed, or could not open"
    );
    metrics::describe_counter!("mcp_auth_swept_total", "Expired things removed from the store");
    metrics::describe_gauge!("mcp_auth_store_up", "Whether the store could be reached last time");
    Ok(handle)
}
