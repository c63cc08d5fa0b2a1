//! `/resource-servers`.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::{Map, Value, json};

use super::{Refusal, Shared, reply};

const KNOWN: [&str; 10] = [
    "name",
    "identifier",
    "scopes",
    "signing_alg",
    "allow_offline_access",
    "token_lifetime",
    "token_dialect",
    "skip_consent_for_verifiable_first_party_clients",
    "enforce_policies",
    "subject_type_authorization",
];

pub(super) async fn find(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let tenant = shared.tenant();
    tenant.may(&["read:resource_servers"])?;
    let found =
        tenant.resource_servers.iter().find(|it| it["id"] == *id || it["identifier"] == *id);
    found.map(|it| Json(it.clone().into())).ok_or_else(|| Refusal::unknown("resource_server"))
}

pub(super) async fn create(
    State(shared): State<Shared>,
    Json(mut body): Json<Map<String, Value>>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let mut tenant = shared.tenant();
    tenant.may(&["create:resource_servers"])?;
    check(&body)?;
    let identifier = reply::with(&body, "identifier")?.clone();
    if tenant.resource_servers.iter().any(|it| it["identifier"] == identifier) {
        let message = "A resource server with the same identifier already exists.";
        return Err(Refusal::new(409, "resource_server_exists", message));
    }
    for (name, usual) in [
        ("id", json!(tenant.next("api"))),
        ("is_system", json!(false)),
        ("signing_alg", json!("RS256")),
        ("allow_offline_access", json!(false)),
        ("token_lifetime", json!(86400)),
        ("token_lifetime_for_web", json!(7200)),
        ("token_dialect", json!("access_token")),
        ("enforce_policies", json!(false)),
        ("skip_consent_for_verifiable_first_party_clients", json!(false)),
    ] {
        body.entry(name).or_insert(usual);
    }
    tenant.resource_servers.push(body.clone());
    Ok((StatusCode::CREATED, Json(body.into())))
}

pub(super) async fn update(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<Map<String, Value>>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let mut tenant = shared.tenant();
    tenant.may(&["update:resource_servers"])?;
    check(&body)?;
    if body.contains_key("identifier") {
        return Err(Refusal::body("Additional properties not allowed: identifier"));
    }
    let found = tenant.resource_servers.iter_mut().find(|it| it["id"] == *id);
    let found = found.ok_or_else(|| Refusal::unknown("resource_server"))?;
    found.extend(body);
    // As Auth0 describes it.
    Ok((StatusCode::CREATED, Json(found.clone().into())))
}

fn check(body: &Map<String, Value>) -> Result<(), Refusal> {
    reply::only(body, &KNOWN)?;
    if body.get("name").and_then(Value::as_str).is_some_and(|it| it.contains(['<', '>'])) {
        return Err(Refusal::body("String does not match pattern ^[^<>]+$: name"));
    }
    let lifetime = body.get("token_lifetime").map(Value::as_u64);
    if lifetime.is_some_and(|it| it.is_none_or(|it| it > 2_592_000)) {
        return Err(Refusal::body("token_lifetime"));
    }
    let scopes = body.get("scopes").and_then(Value::as_array);
    for scope in scopes.into_iter().flatten() {
        let scope = scope.as_object().ok_or_else(|| Refusal::body("scopes"))?;
        reply::only(scope, &["value", "description"])?;
        reply::with(scope, "value")?;
    }
    Ok(())
}
