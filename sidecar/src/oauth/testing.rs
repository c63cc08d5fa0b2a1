//! The public listener over real HTTP, with an embedded store of its own and a clock that stands.

pub(crate) mod logins;

use std::{net::SocketAddr, sync::Arc};

use auth_core::time::UnixTime;
use axum::http::StatusCode;
use reqwest::{RequestBuilder, redirect::Policy};
use serde_json::Value;

use super::{
    AuthorizationServer,
    client::{Authentication, Client},
    router,
};
use crate::{
    clock::Clock,
    config::testing,
    store::{Store, embedded::EmbeddedStore},
};

/// When tests begin.
const BEGIN: UnixTime = UnixTime::from_secs(1_790_000_000);

const VARIABLES: [(&str, &str); 7] = [
    ("OIDC_ISSUER", "https://idp.example/"),
    ("OIDC_CLIENT_ID", "mcp-auth"),
    ("OIDC_CLIENT_SECRET", "hunter2"),
    ("OIDC_AUDIENCE", "https://api.example.com/"),
    ("MCP_AUTH_URL", "https://auth.example.com"),
    ("MCP_RESOURCES", "https://mcp.example.com/mcp"),
    ("JWT_SIGNING_KEY", testing::KEY),
];

/// A server whose parts a test can look into.
pub(crate) struct TestServer {
    pub(crate) server: AuthorizationServer,
    address: SocketAddr,
    http: reqwest::Client,
    folder: tempfile::TempDir,
}

impl TestServer {
    /// At `https://auth.example.com`, for the resource `https://mcp.example.com/mcp`.
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// The same with variables changed or added.
    pub(crate) async fn with(variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::standing_at(BEGIN);
        let store: Arc<dyn Store> =
            Arc::new(EmbeddedStore::open(folder.path(), clock.clone()).unwrap());
        let data = ("MCP_AUTH_DATA", folder.path().to_str().unwrap());
        let kept = VARIABLES.into_iter().filter(|row| variables.iter().all(|it| it.0 != row.0));
        let variables: Vec<_> = kept.chain([data]).chain(variables.iter().copied()).collect();
        let config = testing::build(&variables).unwrap();
        let server = AuthorizationServer::new(&config, &store, clock).unwrap().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = router(server.clone()).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        let http = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
        Self { server, address, http, folder }
    }

    /// A request to the public listener; redirects are not followed.
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.http.request(method.parse().unwrap(), format!("http://{}{path}", self.address))
    }

    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        answer(self.request("POST", path).json(body)).await
    }

    /// Everything the store has on disk.
    pub(crate) fn stored_bytes(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("store.redb")).unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request("GET", path)).await
    }
}

/// A public client on `http://127.0.0.1/callback`.
pub(crate) fn client(client_id: &str) -> Client {
    Client {
        client_id: client_id.to_owned(),
        name: Some("Test client".to_owned()),
        redirect_uris: vec!["http://127.0.0.1/callback".to_owned()],
        authentication: Authentication::None,
    }
}

/// Answers without JSON are told as `null`.
pub(crate) async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null))
}
