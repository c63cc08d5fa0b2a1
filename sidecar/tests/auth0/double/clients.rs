//! `/clients` and `/client-grants`.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde_json::{Map, Value, json};

use super::{Refusal, Shared, Tenant, page, reply};

type Asked = Query<BTreeMap<String, String>>;
type Body = Json<Map<String, Value>>;

const KNOWN: [&str; 13] = [
    "name",
    "description",
    "callbacks",
    "allowed_logout_urls",
    "grant_types",
    "token_endpoint_auth_method",
    "app_type",
    "is_first_party",
    "oidc_conformant",
    "jwt_configuration",
    "refresh_token",
    "cross_origin_authentication",
    "client_metadata",
];
const REFRESH_TOKEN: [&str; 8] = [
    "rotation_type",
    "expiration_type",
    "leeway",
    "token_lifetime",
    "infinite_token_lifetime",
    "idle_token_lifetime",
    "infinite_idle_token_lifetime",
    "policies",
];

pub(super) async fn list(
    State(shared): State<Shared>,
    asked: Asked,
) -> Result<Json<Value>, Refusal> {
    let tenant = shared.tenant();
    tenant.may(&["read:clients", "read:client_summary"])?;
    let fits = |client: &&Map<String, Value>| match asked.get("app_type") {
        None => true,
        Some(kind) => client.get("app_type").is_some_and(|it| it == kind),
    };
    let shown = |client: &Map<String, Value>| match asked.get("fields") {
        None => Value::from(client.clone()),
        Some(fields) => client
            .iter()
            .filter(|(name, _)| fields.split(',').any(|field| field == *name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect::<Map<_, _>>()
            .into(),
    };
    page("clients", tenant.clients.iter().filter(fits).map(shown), &asked)
}

/// The secret is for tokens that may read it.
pub(super) async fn find(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let tenant = shared.tenant();
    tenant.may(&["read:clients"])?;
    let found = tenant.clients.iter().find(|it| it["client_id"] == *id);
    let mut found = found.ok_or_else(|| Refusal::unknown("client"))?.clone();
    if tenant.may(&["read:client_keys"]).is_err() {
        found.remove("client_secret");
    }
    Ok(Json(found.into()))
}

pub(super) async fn create(
    State(shared): State<Shared>,
    Json(mut body): Body,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let mut tenant = shared.tenant();
    tenant.may(&["create:clients"])?;
    check(&body)?;
    reply::with(&body, "name")?;
    let id = tenant.next("client");
    body.insert("client_id".to_owned(), json!(id));
    body.insert("client_secret".to_owned(), json!(format!("secret-of-{id}")));
    let jwt = body.entry("jwt_configuration").or_insert(json!({}));
    for (name, usual) in [("alg", json!("HS256")), ("secret_encoded", json!(false))] {
        jwt.as_object_mut().unwrap().entry(name).or_insert(usual);
    }
    tenant.clients.push(body.clone());
    if tenant.settings["flags"]["enable_client_connections"] == true {
        let all: Vec<_> = tenant.connections.iter().map(|it| it["id"].clone()).collect();
        for connection in all {
            let connection = connection.as_str().unwrap().to_owned();
            tenant.enabled.entry(connection).or_default().push(id.clone());
        }
    }
    Ok((StatusCode::CREATED, Json(body.into())))
}

/// An object that is sent replaces the one that was there.
pub(super) async fn update(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Body,
) -> Result<Json<Value>, Refusal> {
    let mut tenant = shared.tenant();
    tenant.may(&["update:clients"])?;
    check(&body)?;
    let found = client(&mut tenant, &id)?;
    found.extend(body);
    Ok(Json(found.clone().into()))
}

pub(super) async fn rotate(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let mut tenant = shared.tenant();
    tenant.may(&["update:client_keys"])?;
    let secret = tenant.next("rotated-secret");
    let found = client(&mut tenant, &id)?;
    found.insert("client_secret".to_owned(), json!(secret));
    Ok(Json(found.clone().into()))
}

pub(super) async fn list_grants(
    State(shared): State<Shared>,
    asked: Asked,
) -> Result<Json<Value>, Refusal> {
    let tenant = shared.tenant();
    tenant.may(&["read:client_grants"])?;
    let fits = |grant: &&Map<String, Value>| {
        ["client_id", "audience", "subject_type"]
            .iter()
            .all(|name| asked.get(*name).is_none_or(|it| grant[*name] == **it))
    };
    let found = tenant.client_grants.iter().filter(fits).cloned().map(Value::from);
    page("client_grants", found, &asked)
}

pub(super) async fn grant(
    State(shared): State<Shared>,
    Json(mut body): Body,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let mut tenant = shared.tenant();
    tenant.may(&["create:client_grants"])?;
    reply::only(&body, &["client_id", "audience", "scope", "subject_type"])?;
    reply::with(&body, "audience")?;
    let same = |it: &Map<String, Value>| {
        ["client_id", "audience", "subject_type"].iter().all(|name| it[*name] == body[*name])
    };
    if tenant.client_grants.iter().any(same) {
        let message = "A resource server with the same identifier already exists.";
        return Err(Refusal::new(409, "client_grant_conflict", message));
    }
    body.insert("id".to_owned(), json!(tenant.next("cgr")));
    tenant.client_grants.push(body.clone());
    Ok((StatusCode::CREATED, Json(body.into())))
}

pub(super) async fn change_grant(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Body,
) -> Result<Json<Value>, Refusal> {
    let mut tenant = shared.tenant();
    tenant.may(&["update:client_grants"])?;
    reply::only(&body, &["scope"])?;
    let found = tenant.client_grants.iter_mut().find(|it| it["id"] == *id);
    let found = found.ok_or_else(|| Refusal::unknown("client_grant"))?;
    found.extend(body);
    Ok(Json(found.clone().into()))
}

fn client<'t>(tenant: &'t mut Tenant, id: &str) -> Result<&'t mut Map<String, Value>, Refusal> {
    let found = tenant.clients.iter_mut().find(|it| it["client_id"] == *id);
    found.ok_or_else(|| Refusal::unknown("client"))
}

fn check(body: &Map<String, Value>) -> Result<(), Refusal> {
    reply::only(body, &KNOWN)?;
    if body.get("name").and_then(Value::as_str).is_some_and(|it| it.contains(['<', '>'])) {
        return Err(Refusal::body("String does not match pattern ^[^<>]+$: name"));
    }
    let Some(refresh) = body.get("refresh_token").and_then(Value::as_object) else {
        return Ok(());
    };
    reply::only(refresh, &REFRESH_TOKEN)?;
    reply::with(refresh, "rotation_type")?;
    reply::with(refresh, "expiration_type")?;
    let number = |name: &str| refresh.get(name).and_then(Value::as_u64);
    if let (Some(idle), Some(whole)) = (number("idle_token_lifetime"), number("token_lifetime"))
        && idle >= whole
        && refresh.get("infinite_idle_token_lifetime") != Some(&json!(true))
    {
        return Err(Refusal::body("idle_token_lifetime must be less than token_lifetime"));
    }
    Ok(())
}
