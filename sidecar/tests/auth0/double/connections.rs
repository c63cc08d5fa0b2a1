//! `/connections`, and those of a client.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde_json::{Map, Value};

use super::{Refusal, Shared, page, reply};

type Asked = Query<BTreeMap<String, String>>;

pub(super) async fn list(
    State(shared): State<Shared>,
    asked: Asked,
) -> Result<Json<Value>, Refusal> {
    let tenant = shared.tenant();
    tenant.may(&["read:connections"])?;
    page("connections", tenant.connections.iter().cloned().map(Value::from), &asked)
}

pub(super) async fn of_client(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Json<Value>, Refusal> {
    let tenant = shared.tenant();
    tenant.may(&["read:connections"])?;
    let is_enabled = |connection: &&Map<String, Value>| {
        let of = connection["id"].as_str().unwrap();
        tenant.enabled.get(of).is_some_and(|clients| clients.contains(&id))
    };
    let found = tenant.connections.iter().filter(is_enabled).cloned().map(Value::from);
    page("connections", found, &asked)
}

pub(super) async fn enable(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<Vec<Map<String, Value>>>,
) -> Result<StatusCode, Refusal> {
    let mut tenant = shared.tenant();
    tenant.may(&["update:connections"])?;
    if !tenant.connections.iter().any(|it| it["id"] == *id) {
        return Err(Refusal::unknown("connection"));
    }
    if body.is_empty() || body.len() > 50 {
        return Err(Refusal::body("1 to 50 clients"));
    }
    for entry in body {
        reply::only(&entry, &["client_id", "status"])?;
        let client = reply::with(&entry, "client_id")?.as_str().unwrap().to_owned();
        let clients = tenant.enabled.entry(id.clone()).or_default();
        clients.retain(|it| *it != client);
        if reply::with(&entry, "status")? == true {
            clients.push(client);
        }
    }
    Ok(StatusCode::NO_CONTENT)
}
