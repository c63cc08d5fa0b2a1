//! Faults on demand: how an endpoint misbehaves until it is told to stop, and how often each
//! endpoint was asked.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json,
    extract::{Request, State},
    http::{StatusCode, header::CONTENT_TYPE},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::app::App;

/// Longest time a hung request is held.
const HANG: Duration = Duration::from_secs(600);

/// What requests are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Endpoint {
    Authorize,
    Discovery,
    Jwks,
    Login,
    Logout,
    Revoke,
    Token,
    Userinfo,
}

/// How an endpoint misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Answers this status at once.
    Fail(StatusCode),
    /// Takes the request and answers nothing, for ten minutes at most.
    Hang,
    /// Answers rightly, but this much later.
    Slow(Duration),
    /// Publishes the right keys among odd ones.
    OddKeys,
    /// Answers 200 with an empty object, or an empty key set.
    Empty,
    /// Answers 200 with bytes that are no JSON, though it says so.
    Garbage,
}

/// The faults in force and the requests counted.
#[derive(Default)]
pub(crate) struct Endpoints(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    faults: HashMap<Endpoint, Fault>,
    requests: BTreeMap<Endpoint, u64>,
}

impl Endpoints {
    /// Puts `fault` in force at `endpoint`, or ends what was.
    pub(crate) fn set(&self, endpoint: Endpoint, fault: Option<Fault>) {
        let mut inner = self.lock();
        match fault {
            Some(fault) => inner.faults.insert(endpoint, fault),
            None => inner.faults.remove(&endpoint),
        };
    }

    /// Requests since the start, by endpoint; those that met a fault count too.
    pub(crate) fn requests(&self) -> BTreeMap<Endpoint, u64> {
        self.lock().requests.clone()
    }

    fn count(&self, endpoint: Endpoint) -> Option<Fault> {
        let mut inner = self.lock();
        *inner.requests.entry(endpoint).or_default() += 1;
        inner.faults.get(&endpoint).copied()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Middleware around one endpoint: counts the request and lets a fault have its way.
pub(crate) async fn guard(
    State((app, endpoint)): State<(Arc<App>, Endpoint)>,
    request: Request,
    next: Next,
) -> Response {
    match app.endpoints.count(endpoint) {
        None => next.run(request).await,
        Some(Fault::Slow(delay)) => {
            tokio::time::sleep(delay).await;
            next.run(request).await
        }
        Some(Fault::Hang) => {
            tokio::time::sleep(HANG).await;
            StatusCode::GATEWAY_TIMEOUT.into_response()
        }
        Some(Fault::Fail(status)) => {
            (status, Json(json!({ "error": "fault_on_demand" }))).into_response()
        }
        Some(Fault::OddKeys) => Json(app.keys().odd_jwks()).into_response(),
        Some(Fault::Empty) => empty(endpoint),
        Some(Fault::Garbage) => {
            ([(CONTENT_TYPE, "application/json")], "{\"keys\": [\u{0}<html>").into_response()
        }
    }
}

fn empty(endpoint: Endpoint) -> Response {
    match endpoint {
        Endpoint::Jwks => Json(json!({ "keys": [] })).into_response(),
        Endpoint::Authorize
        | Endpoint::Discovery
        | Endpoint::Login
        | Endpoint::Logout
        | Endpoint::Revoke
        | Endpoint::Token
        | Endpoint::Userinfo => Json(json!({})).into_response(),
    }
}
