//! `GET /healthz`, `/readyz` and `/metrics`

use std::time::Duration;

use axum::{extract::State, http::header, response::IntoResponse};
use tokio::time::timeout;

use super::Internal;
use crate::error::Refusal;

/// Probes give up soon; so does the answer to them.
const PROBE: Duration = Duration::from_secs(2);

pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Once the provider has answered, an outage of it is its own: sessions and revocations go on.
pub(super) async fn ready(State(internal): State<Internal>) -> Result<&'static str, Refusal> {
    match timeout(PROBE, internal.store.ping()).await {
        Ok(reached) => reached?,
        Err(_) => return Err(Refusal::TooSlow),
    }
    if internal.provider.is_some_and(|provider| !provider.is_known()) {
        return Err(Refusal::ProviderUnknown);
    }
    Ok("ready\n")
}

pub(super) async fn metrics(State(internal): State<Internal>) -> impl IntoResponse {
    let prometheus_text = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (prometheus_text, internal.metrics.render())
}
