//! The internal listener over real HTTP, with an embedded store of its own.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::http::StatusCode;
use metrics_exporter_prometheus::PrometheusBuilder;
use reqwest::{Client, RequestBuilder, redirect::Policy};
use serde_json::{Value, json};

use super::{Internal, router};
use crate::{
    clock::Clock,
    mcp_sessions::McpSessions,
    page,
    sessions::Sessions,
    store::{Store, embedded::EmbeddedStore},
    tokens::Tokens,
};

pub(crate) const ID: &str = "0123456789abcdef";

pub(crate) struct Server {
    address: SocketAddr,
    client: Client,
    clock: Clock,
    _folder: tempfile::TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::serve(None).await
    }

    pub(crate) async fn with_token(token: &str) -> Self {
        Self::serve(Tokens::parse(token)).await
    }

    async fn serve(tokens: Option<Tokens>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::system();
        let store: Arc<dyn Store> =
            Arc::new(EmbeddedStore::open(folder.path(), clock.clone()).unwrap());
        let internal = Internal {
            sessions: Sessions::new(Arc::clone(&store), Duration::from_secs(60)),
            mcp_sessions: McpSessions::new(Arc::clone(&store)),
            store,
            page: page::Keys::new(tokens.as_ref(), clock.clone()),
            tokens,
            provider: None,
            keys: None,
            metrics: PrometheusBuilder::new().build_recorder().handle(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router(internal)).await });
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        Self { address, client, clock, _folder: folder }
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.now().secs()
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.client.request(method.parse().unwrap(), format!("http://{}{path}", self.address))
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request("GET", path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request("DELETE", path)).await
    }

    pub(crate) async fn put(&self, id: &str, body: &Value) -> (StatusCode, Value) {
        self.put_at(&format!("/v1/sessions/{id}"), body).await
    }

    pub(crate) async fn put_at(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        answer(self.request("PUT", path).json(body)).await
    }

    pub(crate) async fn send_with(
        &self,
        method: &str,
        path: &str,
        authorization: &str,
    ) -> (StatusCode, Value) {
        answer(self.request(method, path).header("authorization", authorization)).await
    }
}

pub(crate) fn report(expires_at: u64) -> Value {
    json!({
        "user_id": "alice-1", "username": "alice", "issuer": "https://idp/",
        "client_id": "client", "scopes": ["mcp:read"], "expires_at": expires_at,
    })
}

/// Answers without JSON are told as `null`.
async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null))
}
