//! A real MCP client, rmcp's own, that brings a token along.

use std::collections::HashMap;

use anyhow::Context as _;
use reqwest::header::{HeaderName, HeaderValue};
use rmcp::model::{CallToolRequestParams, ClientConfig, ProtocolVersion};
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt as _};
use serde_json::Value;

use crate::oauth::Token;
use crate::stack::RESOURCE;

/// A client that has connected through the gateway.
#[derive(Debug)]
pub(crate) struct McpClient(RunningService<RoleClient, ClientConfig>);

impl McpClient {
    /// Connects, in the newest protocol version or the newest with a handshake.
    ///
    /// # Errors
    /// If the gateway or the server refuses.
    pub(crate) async fn connect(token: &Token) -> anyhow::Result<Self> {
        Self::connect_with(token, HashMap::new(), ProtocolVersion::LATEST).await
    }

    /// Connects in the given version, with further headers on every request.
    ///
    /// # Errors
    /// If the gateway or the server refuses.
    pub(crate) async fn connect_with(
        token: &Token,
        headers: HashMap<HeaderName, HeaderValue>,
        version: ProtocolVersion,
    ) -> anyhow::Result<Self> {
        let config = StreamableHttpClientTransportConfig::with_uri(RESOURCE)
            .auth_header(token.as_str())
            .custom_headers(headers);
        let lifecycle = if version.has_initialize() {
            ClientLifecycleMode::Initialize
        } else {
            ClientLifecycleMode::Discover { preferred_versions: vec![version.clone()] }
        };
        let transport = StreamableHttpClientTransport::from_config(config);
        let client = ClientConfig::default().with_protocol_version(version);
        Ok(Self(client.serve_with_lifecycle(transport, lifecycle).await?))
    }

    /// The protocol version agreed on.
    pub(crate) fn version(&self) -> String {
        self.0.peer_info().map(|info| info.protocol_version.to_string()).unwrap_or_default()
    }

    /// The names of the server's tools.
    ///
    /// # Errors
    /// If the server does not list them.
    pub(crate) async fn tools(&self) -> anyhow::Result<Vec<String>> {
        let tools = self.0.list_all_tools().await?;
        Ok(tools.into_iter().map(|tool| tool.name.into_owned()).collect())
    }

    /// What the server's `whoami` says.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn whoami(&self) -> anyhow::Result<Value> {
        let answer = self.0.call_tool(CallToolRequestParams::new("whoami")).await?;
        answer.structured_content.context("whoami answers without structured content")
    }

    /// The user id by which the server knows the caller.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn user_id(&self) -> anyhow::Result<String> {
        let who = self.whoami().await?;
        Ok(who["user_id"].as_str().context("whoami names no user_id")?.to_owned())
    }
}
