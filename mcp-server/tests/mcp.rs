//! The server as MCP clients see it: rmcp's own client over a real socket, in every protocol
//! version that rmcp speaks.

#![expect(clippy::unwrap_used, reason = "a helper that panics fails its test")]

use std::collections::HashMap;
use std::time::Duration;

use mcp_server::http::serve;
use mcp_server::identity::{CLIENT_ID, USER_EMAIL, USER_ID, USER_NAME, USER_SCOPES};
use mcp_server::listen::Hosts;
use mcp_server::notes::MAX_TEXT;
use mcp_server::tools::MY_NOTES;
use reqwest::header::{HeaderName, HeaderValue};
use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientConfig, ContentBlock, GetPromptRequestParams,
    JsonObject, ProtocolVersion, ReadResourceRequestParams, ResourceContents,
};
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt, ServiceError};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

type Client = RunningService<RoleClient, ClientConfig>;

const ALICE: &[(&str, &str)] = &[(USER_ID, "alice-d3e1813f"), (USER_NAME, "alice")];
const BOB: &[(&str, &str)] = &[(USER_ID, "bob-11b07dcc"), (USER_NAME, "bob")];

#[tokio::test]
async fn every_protocol_version_lists_the_tools_and_learns_who_calls() {
    let server = Server::start().await;
    for version in ProtocolVersion::KNOWN_VERSIONS {
        let client = server.client(version, ALICE).await;
        assert_eq!(client.peer_info().unwrap().protocol_version, *version);

        let mut tools: Vec<_> =
            client.list_all_tools().await.unwrap().into_iter().map(|tool| tool.name).collect();
        tools.sort();
        assert_eq!(
            tools,
            ["add", "delete_note", "echo", "list_notes", "whoami", "write_note"],
            "{version}"
        );
        let who = call(&client, "whoami", json!({})).await.unwrap();
        assert_eq!(structured(&who)["user_id"], "alice-d3e1813f", "{version}");
        client.cancel().await.unwrap();
    }
}

#[tokio::test]
async fn whoami_decodes_what_the_gateway_encoded_and_leaves_out_what_is_absent() {
    let server = Server::start().await;
    let client = server
        .latest(&[
            (USER_ID, "sa-berg-d591fa4e"),
            (USER_NAME, "%C3%85SA %C3%96berg 100%25"),
            (USER_EMAIL, "asa@example.com"),
            (USER_SCOPES, "mcp:read mcp:write"),
            (CLIENT_ID, "demo-client"),
        ])
        .await;
    let who = call(&client, "whoami", json!({})).await.unwrap();
    let expected = json!({
        "user_id": "sa-berg-d591fa4e",
        "username": "ÅSA Öberg 100%",
        "email": "asa@example.com",
        "scopes": ["mcp:read", "mcp:write"],
        "client_id": "demo-client",
    });
    assert_eq!(*structured(&who), expected);
}

#[tokio::test]
async fn tools_about_a_user_refuse_a_request_without_one() {
    let server = Server::start().await;
    for version in [ProtocolVersion::V_2025_06_18, ProtocolVersion::LATEST] {
        let client = server.client(&version, &[]).await;
        let note = json!({"title": "t", "text": "x"});
        for (tool, arguments) in [
            ("whoami", json!({})),
            ("list_notes", json!({})),
            ("write_note", note.clone()),
            ("delete_note", note),
        ] {
            let refusal = protocol_error(call(&client, tool, arguments).await);
            assert!(refusal.contains("no x-user-id header"), "{version} {tool}: {refusal}");
        }
        assert_eq!(text(&call(&client, "echo", json!({"message": "hi"})).await.unwrap()), "hi");
    }
}

#[tokio::test]
async fn echo_and_add_answer() {
    let server = Server::start().await;
    let client = server.latest(&[]).await;
    let said = call(&client, "echo", json!({"message": "grüß Gott"})).await.unwrap();
    assert_eq!(text(&said), "grüß Gott");
    let sum = call(&client, "add", json!({"a": 2, "b": 0.5})).await.unwrap();
    assert_eq!(structured(&sum)["sum"], 2.5);
}

#[tokio::test]
async fn notes_belong_to_the_user_and_outlive_the_client() {
    let server = Server::start().await;
    let old = server.client(&ProtocolVersion::V_2025_03_26, ALICE).await;
    let note = json!({"title": "plan", "text": "rest"});
    assert_eq!(text(&call(&old, "write_note", note.clone()).await.unwrap()), "created");
    old.cancel().await.unwrap();

    let alice = server.latest(ALICE).await;
    let bob = server.latest(BOB).await;
    let listed = call(&alice, "list_notes", json!({})).await.unwrap();
    assert_eq!(*structured(&listed), json!({"notes": [note.clone()]}));
    let listed = call(&bob, "list_notes", json!({})).await.unwrap();
    assert_eq!(*structured(&listed), json!({"notes": []}));

    let missing = call(&bob, "delete_note", json!({"title": "plan"})).await.unwrap();
    assert_eq!(missing.is_error, Some(true));
    assert_eq!(text(&missing), "you have no note with the title \"plan\"");
    assert_eq!(text(&call(&alice, "write_note", note.clone()).await.unwrap()), "replaced");
    assert_eq!(text(&call(&alice, "delete_note", note).await.unwrap()), "deleted");
}

#[tokio::test]
async fn the_caller_is_that_of_the_request_not_of_the_mcp_session() {
    let server = Server::start().await;
    let http = reqwest::Client::new();
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"}}});
    let opened = server.post(&http, ALICE, &initialize).send().await.unwrap();
    let session = opened.headers()["mcp-session-id"].clone();
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let accepted = server.post(&http, ALICE, &initialized).header("mcp-session-id", &session);
    assert_eq!(accepted.send().await.unwrap().status(), 202);

    let whoami = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call",
        "params": {"name": "whoami", "arguments": {}}});
    for (caller, user_id) in [(ALICE, "alice-d3e1813f"), (BOB, "bob-11b07dcc")] {
        let answer = server.post(&http, caller, &whoami).header("mcp-session-id", &session);
        let body = answer.send().await.unwrap().text().await.unwrap();
        assert!(body.contains(&format!(r#""user_id":"{user_id}""#)), "{body}");
    }
}

#[tokio::test]
async fn a_note_over_the_limit_is_refused_with_the_limit_named() {
    let server = Server::start().await;
    let client = server.latest(ALICE).await;
    let note = json!({"title": "t", "text": "x".repeat(MAX_TEXT + 1)});
    let refused = call(&client, "write_note", note).await.unwrap();
    assert_eq!(refused.is_error, Some(true));
    assert_eq!(text(&refused), "the text has 4097 bytes, 4096 are allowed");
}

#[tokio::test]
async fn the_resource_holds_the_readers_notes() {
    let server = Server::start().await;
    for version in [ProtocolVersion::V_2025_11_25, ProtocolVersion::LATEST] {
        let client = server.client(&version, ALICE).await;
        call(&client, "write_note", json!({"title": "plan", "text": "rest"})).await.unwrap();
        assert_eq!(client.list_all_resources().await.unwrap()[0].uri, MY_NOTES);
        let read = client.read_resource(ReadResourceRequestParams::new(MY_NOTES)).await.unwrap();
        let ResourceContents::TextResourceContents { text, .. } = &read.contents[0] else {
            panic!("expected text, got {:?}", read.contents)
        };
        assert_eq!(text, "# plan\n\nrest\n");

        let unknown = client.read_resource(ReadResourceRequestParams::new("notes://his")).await;
        assert!(unknown.unwrap_err().to_string().contains("no resource but notes://mine"));
    }
    let nobody = server.latest(&[]).await;
    let refused = nobody.read_resource(ReadResourceRequestParams::new(MY_NOTES)).await;
    assert!(refused.unwrap_err().to_string().contains("x-user-id"));
}

#[tokio::test]
async fn the_prompt_carries_the_notes_and_the_focus() {
    let server = Server::start().await;
    let client = server.latest(BOB).await;
    call(&client, "write_note", json!({"title": "plan", "text": "rest"})).await.unwrap();
    assert_eq!(client.list_all_prompts().await.unwrap()[0].name, "summarize_notes");

    let asked = GetPromptRequestParams::new("summarize_notes")
        .with_arguments(object(json!({"focus": "sleep"})));
    let answer = serde_json::to_string(&client.get_prompt(asked).await.unwrap().messages).unwrap();
    assert!(answer.contains("# plan") && answer.contains("Look at sleep"), "{answer}");
}

#[tokio::test]
async fn a_foreign_host_or_origin_is_refused_on_loopback() {
    let server = Server::start().await;
    let http = reqwest::Client::new();
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    for (header, value) in [("host", "evil.example"), ("origin", "https://evil.example")] {
        let answer = server.post(&http, ALICE, &ping).header(header, value).send().await.unwrap();
        assert_eq!(answer.status(), 403, "{header}: {value}");
    }
    let local = server.post(&http, ALICE, &ping).header("origin", "http://localhost:6274");
    assert_ne!(local.send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn behind_a_gateway_its_host_passes_and_named_hosts_bind() {
    let http = reqwest::Client::new();
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let named = Hosts::Only(vec!["mcp.example.com".into()]);
    for (hosts, host, refused) in [
        (Hosts::Any, "gateway.example:8443", false),
        (named.clone(), "mcp.example.com:8443", false),
        (named, "127.0.0.1", true),
    ] {
        let server = Server::start_with(hosts, Duration::ZERO).await;
        let answer = server.post(&http, ALICE, &ping).header("host", host).send().await.unwrap();
        assert_eq!(answer.status() == 403, refused, "{host}: {}", answer.status());
    }
}

#[tokio::test]
async fn healthz_needs_nobody() {
    let server = Server::start().await;
    let answer = reqwest::get(format!("{}/healthz", server.origin)).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "ok\n"));
}

#[tokio::test]
async fn oversized_requests_are_refused() {
    let server = Server::start().await;
    let huge =
        json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": "y".repeat(1 << 17)}});
    let answer = server.post(&reqwest::Client::new(), ALICE, &huge).send().await.unwrap();
    assert_eq!(answer.status(), 413);
}

#[tokio::test]
async fn stopping_ends_open_event_streams_without_waiting_for_the_drain() {
    let server = Server::start_with(Hosts::Loopback, Duration::from_secs(60)).await;
    let client = server.client(&ProtocolVersion::V_2025_06_18, ALICE).await;
    call(&client, "whoami", json!({})).await.unwrap();
    server.stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(5), server.task).await;
    ended.expect("the server stops although the client's event stream is open").unwrap();
}

#[tokio::test]
async fn stopping_lets_a_call_under_way_finish_and_takes_no_new_one() {
    let server = Server::start_with(Hosts::Loopback, Duration::from_secs(60)).await;
    let upload = Upload::begin(&server).await;
    server.stop.cancel();
    wait_until_refused(&server.origin).await;
    assert!(!server.task.is_finished(), "the server waits for the call under way");

    let answer = upload.finish().await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("still here"), "{answer}");
    let ended = tokio::time::timeout(Duration::from_secs(5), server.task).await;
    ended.expect("the server stops once the call is done").unwrap();
}

#[tokio::test]
async fn a_call_that_never_finishes_is_cut_off_after_the_drain() {
    let server = Server::start_with(Hosts::Loopback, Duration::from_millis(100)).await;
    let _never_finished = Upload::begin(&server).await;
    server.stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(5), server.task).await;
    ended.expect("the server stops although a call is still under way").unwrap();
}

/// A server of its own for each test.
struct Server {
    origin: String,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        Self::start_with(Hosts::Loopback, Duration::ZERO).await
    }

    async fn start_with(hosts: Hosts, drain: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let task = tokio::spawn({
            let stop = stop.clone();
            async move { serve(listener, &hosts, stop, drain).await.unwrap() }
        });
        Self { origin, stop, task }
    }

    async fn latest(&self, identity: &[(&str, &str)]) -> Client {
        self.client(&ProtocolVersion::LATEST, identity).await
    }

    async fn client(&self, version: &ProtocolVersion, identity: &[(&str, &str)]) -> Client {
        let headers: HashMap<HeaderName, HeaderValue> = identity
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        let config = StreamableHttpClientTransportConfig::with_uri(format!("{}/mcp", self.origin))
            .custom_headers(headers);
        let lifecycle = match version.has_initialize() {
            true => ClientLifecycleMode::Initialize,
            false => ClientLifecycleMode::Discover { preferred_versions: vec![version.clone()] },
        };
        ClientConfig::default()
            .with_protocol_version(version.clone())
            .serve_with_lifecycle(StreamableHttpClientTransport::from_config(config), lifecycle)
            .await
            .unwrap()
    }

    fn post(
        &self,
        http: &reqwest::Client,
        identity: &[(&str, &str)],
        message: &Value,
    ) -> reqwest::RequestBuilder {
        let request = http
            .post(format!("{}/mcp", self.origin))
            .header("accept", "application/json, text/event-stream")
            .json(message);
        identity.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    }
}

/// A call whose body has not been sent yet, although the server reads it already.
struct Upload {
    connection: TcpStream,
    body: String,
}

impl Upload {
    async fn begin(server: &Server) -> Self {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": "echo", "arguments": {"message": "still here"}, "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {}}}})
        .to_string();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\n\
             mcp-method: tools/call\r\nmcp-name: echo\r\nexpect: 100-continue\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        let address = server.origin.trim_start_matches("http://");
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(head.as_bytes()).await.unwrap();
        // The server says so when it begins to read the body.
        let mut go_on = [0; 25];
        connection.read_exact(&mut go_on).await.unwrap();
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self { connection, body }
    }

    async fn finish(mut self) -> String {
        self.connection.write_all(self.body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        self.connection.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

async fn wait_until_refused(origin: &str) {
    let address = origin.trim_start_matches("http://");
    for _ in 0..500 {
        if TcpStream::connect(address).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{origin} still takes connections");
}

async fn call(
    client: &Client,
    tool: &'static str,
    arguments: Value,
) -> Result<CallToolResult, ServiceError> {
    client.call_tool(CallToolRequestParams::new(tool).with_arguments(object(arguments))).await
}

fn object(value: Value) -> JsonObject {
    serde_json::from_value(value).unwrap()
}

fn structured(result: &CallToolResult) -> &Value {
    result.structured_content.as_ref().expect("structured content")
}

fn text(result: &CallToolResult) -> &str {
    match result.content.as_slice() {
        [ContentBlock::Text(content)] => &content.text,
        other => panic!("expected one text, got {other:?}"),
    }
}

fn protocol_error(answer: Result<CallToolResult, ServiceError>) -> String {
    match answer {
        Err(ServiceError::McpError(error)) => error.message.into_owned(),
        other => panic!("expected a JSON-RPC error, got {other:?}"),
    }
}
