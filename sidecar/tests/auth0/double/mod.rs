//! A copy of the Management API's routes that `mcp-auth` uses, by Auth0's own description (OpenAPI of
//! the Management API v2): what is required, what is unknown, scopes of tokens, checkpoint pages of
//! at most a hundred, errors in Auth0's form, and the rate limit where a test asks for it.

mod clients;
mod connections;
mod reply;
mod resource_servers;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, patch, post},
};
use serde_json::{Map, Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

pub(crate) use self::reply::Refusal;

/// A token with every scope that the commands need.
pub(crate) const TOKEN: &str = "a-management-token";
/// The machine-to-machine application that may ask for one.
pub(crate) const APPLICATION: (&str, &str) = ("machine", "a-secret-of-the-machine");

/// A running copy; it ends with its test.
pub(crate) struct Double {
    pub(crate) url: String,
    shared: Shared,
    serving: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Tenant>>);

/// All that the tenant holds.
pub(crate) struct Tenant {
    pub(crate) clients: Vec<Map<String, Value>>,
    pub(crate) resource_servers: Vec<Map<String, Value>>,
    pub(crate) client_grants: Vec<Map<String, Value>>,
    pub(crate) connections: Vec<Map<String, Value>>,
    /// Ids of clients by the id of the connection that is enabled for them.
    pub(crate) enabled: BTreeMap<String, Vec<String>>,
    pub(crate) settings: Map<String, Value>,
    /// What the token may do; none: everything.
    pub(crate) scopes: Option<Vec<&'static str>>,
    /// What goes wrong next: the first whose method and path fit a call.
    pub(crate) faults: VecDeque<Fault>,
    /// The calls so far, as `METHOD /path?query`.
    pub(crate) calls: Vec<String>,
    made: u32,
}

/// What goes wrong once.
pub(crate) struct Fault {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) what: What,
}

pub(crate) enum What {
    /// 429 with these headers.
    TooMany(Vec<(&'static str, String)>),
    /// Another status.
    Status(u16),
    /// Somebody else makes the same thing just before.
    Overtaken,
    /// The connection breaks after the call was done.
    AnswerLost,
}

impl Double {
    pub(crate) async fn start() -> Self {
        let shared = Shared(Arc::new(Mutex::new(Tenant::fresh())));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = router(shared.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, shared, serving }
    }

    /// The tenant, to look at and to change.
    pub(crate) fn tenant(&self) -> MutexGuard<'_, Tenant> {
        self.shared.tenant()
    }

    /// The calls that changed something.
    pub(crate) fn writes(&self) -> Vec<String> {
        let calls = self.tenant().calls.clone();
        calls.into_iter().filter(|it| !it.starts_with("GET") && !it.contains("/oauth/")).collect()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Tenant {
    /// As Auth0 makes it: one database of users, its own system API, and its defaults.
    fn fresh() -> Self {
        let object = |value: Value| value.as_object().unwrap().clone();
        Self {
            clients: vec![object(json!({
                "client_id": "global", "name": "All Applications", "global": true,
            }))],
            resource_servers: vec![object(json!({
                "id": "system", "identifier": "https://tenant.auth0.com/api/v2/",
                "name": "Auth0 Management API", "is_system": true,
            }))],
            client_grants: Vec::new(),
            connections: vec![object(json!({
                "id": "con_0", "name": "Username-Password-Authentication", "strategy": "auth0",
            }))],
            enabled: BTreeMap::new(),
            settings: object(json!({
                "friendly_name": "Example",
                "resource_parameter_profile": "audience",
                "flags": {
                    "enable_client_connections": true,
                    "enable_dynamic_client_registration": true,
                    "revoke_refresh_token_grant": false,
                },
            })),
            scopes: None,
            faults: VecDeque::new(),
            calls: Vec::new(),
            made: 0,
        }
    }

    /// Something that is not there yet, by a number.
    fn next(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}_{}", self.made)
    }

    pub(crate) fn client(&self, name: &str) -> &Map<String, Value> {
        self.clients.iter().find(|it| it["name"] == *name).expect("the client is there")
    }

    pub(crate) fn api(&self, identifier: &str) -> &Map<String, Value> {
        let found = self.resource_servers.iter().find(|it| it["identifier"] == *identifier);
        found.expect("the API is there")
    }

    fn may(&self, scopes: &[&str]) -> Result<(), Refusal> {
        match &self.scopes {
            Some(has) if !scopes.iter().any(|scope| has.contains(scope)) => {
                Err(Refusal::scope(scopes))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn fault(&mut self, method: &str, path: &str) -> Option<What> {
        let fits = |fault: &Fault| fault.method == method && path.starts_with(fault.path);
        let nth = self.faults.iter().position(fits)?;
        self.faults.remove(nth).map(|fault| fault.what)
    }
}

impl Shared {
    fn tenant(&self) -> MutexGuard<'_, Tenant> {
        self.0.lock().unwrap()
    }
}

fn router(shared: Shared) -> Router {
    let api = Router::new()
        .route("/clients", get(clients::list).post(clients::create))
        .route("/clients/{id}", get(clients::find).patch(clients::update))
        .route("/clients/{id}/rotate-secret", post(clients::rotate))
        .route("/clients/{id}/connections", get(connections::of_client))
        .route("/resource-servers", post(resource_servers::create))
        .route(
            "/resource-servers/{id}",
            get(resource_servers::find).patch(resource_servers::update),
        )
        .route("/client-grants", get(clients::list_grants).post(clients::grant))
        .route("/client-grants/{id}", patch(clients::change_grant))
        .route("/connections", get(connections::list))
        .route("/connections/{id}/clients", patch(connections::enable))
        .route("/tenants/settings", get(settings).patch(change_settings))
        .layer(from_fn(authorized));
    Router::new()
        .nest("/api/v2", api)
        .route("/oauth/token", post(token))
        .layer(from_fn_with_state(shared.clone(), faulty))
        .with_state(shared)
}

/// Writes down the call, and fails it if it is its turn.
async fn faulty(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let (method, uri) = (request.method().to_string(), request.uri().clone());
    let what = {
        let mut tenant = shared.tenant();
        tenant.calls.push(format!("{method} {}", uri.path_and_query().unwrap()));
        tenant.fault(&method, uri.path())
    };
    match what {
        None => next.run(request).await,
        Some(What::TooMany(headers)) => {
            let mut response =
                Refusal::new(429, "too_many_requests", "Global limit has been reached")
                    .into_response();
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
        Some(What::Status(status)) => {
            Refusal::new(status, "server_error", "Something went wrong").into_response()
        }
        Some(What::Overtaken) => {
            let overtaken = next.run(request).await;
            assert!(overtaken.status().is_success(), "somebody else could do it");
            Refusal::new(409, "conflict", "A resource with the same identifier already exists.")
                .into_response()
        }
        Some(What::AnswerLost) => {
            next.run(request).await;
            Response::builder().header("content-length", "100").body(Body::from("{")).unwrap()
        }
    }
}

async fn authorized(request: Request, next: Next) -> Response {
    let offered = request.headers().get(header::AUTHORIZATION);
    if offered.is_none_or(|it| it.as_bytes() != format!("Bearer {TOKEN}").as_bytes()) {
        return Refusal::new(401, "invalid_token", "Invalid token").into_response();
    }
    next.run(request).await
}

/// The token endpoint, for client credentials alone.
async fn token(headers: HeaderMap, Json(asked): Json<Value>) -> Response {
    let audience = format!("http://{}/api/v2/", headers["host"].to_str().unwrap());
    let expected = json!({
        "grant_type": "client_credentials",
        "client_id": APPLICATION.0,
        "client_secret": APPLICATION.1,
        "audience": audience,
    });
    if asked == expected {
        let answer = json!({"access_token": TOKEN, "expires_in": 86400, "token_type": "Bearer"});
        return Json(answer).into_response();
    }
    let refused = json!({"error": "access_denied", "error_description": "Unauthorized"});
    (StatusCode::UNAUTHORIZED, Json(refused)).into_response()
}

async fn settings(State(shared): State<Shared>) -> Result<Json<Value>, Refusal> {
    let tenant = shared.tenant();
    tenant.may(&["read:tenant_settings"])?;
    Ok(Json(tenant.settings.clone().into()))
}

/// Flags that are not named stay.
async fn change_settings(
    State(shared): State<Shared>,
    Json(body): Json<Map<String, Value>>,
) -> Result<Json<Value>, Refusal> {
    let mut tenant = shared.tenant();
    tenant.may(&["update:tenant_settings"])?;
    reply::only(&body, &["flags", "resource_parameter_profile", "friendly_name"])?;
    for (name, value) in body {
        match (value, tenant.settings.get_mut(&name)) {
            (Value::Object(new), Some(Value::Object(old))) => old.extend(new),
            (value, _) => drop(tenant.settings.insert(name, value)),
        }
    }
    Ok(Json(tenant.settings.clone().into()))
}

/// A page by `from` and `take`; `from` is the number of the first entry, in disguise.
fn page(
    member: &str,
    all: impl Iterator<Item = Value>,
    query: &Query<BTreeMap<String, String>>,
) -> Result<Json<Value>, Refusal> {
    let number = |name: &str, otherwise: usize| match query.get(name) {
        None => Ok(otherwise),
        Some(text) => text.trim_start_matches("after-").parse().map_err(|_| {
            Refusal::new(400, "invalid_query_string", &format!("Query validation error: {name}"))
        }),
    };
    let (from, take) = (number("from", 0)?, number("take", 50)?);
    let all: Vec<Value> = all.collect();
    if !(1..=100).contains(&take) {
        return Err(Refusal::new(400, "invalid_query_string", "Query validation error: take"));
    }
    let end = (from + take).min(all.len());
    let mut answer = json!({member: all[from.min(end)..end]});
    if end < all.len() {
        answer["next"] = format!("after-{end}").into();
    }
    Ok(Json(answer))
}
