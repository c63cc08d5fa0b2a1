//! The first chapter: nobody passes without a good token, and whoever passes is named to the MCP
//! server.

use std::collections::HashMap;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, StatusCode};
use rmcp::model::ProtocolVersion;
use serde_json::{Value, json};

use super::gateway::{ask, denials};
use super::mcp::McpClient;
use super::{Expecting as _, Failure, Stopped, Told, Walk, expect, told};
use crate::clock::Stopwatch;
use crate::oauth::{AuthorizationServer, KNOWN_CLIENT, Knobs, Token};
use crate::report;
use crate::stack::{AUTHORIZATION_SERVER, ISSUER, RESOURCE};
use crate::user_id;

pub(super) const ALICE: &str = "alice@example.com";

/// Longer than the filter's `cooldown` between two fetches of keys (10 s by default).
const COOLDOWN: Duration = Duration::from_secs(15);

/// A user with a token, and the id that follows from its claims.
pub(super) struct User {
    pub(super) token: Token,
    pub(super) id: String,
}

/// Takes the chapter.
///
/// # Errors
/// [`Stopped`] at the first step that fails.
pub(super) async fn chapter(walk: &mut Walk) -> Result<(), Stopped> {
    report::chapter("A token decides who comes in, and under which name");
    let http = Client::new();
    let metadata_url = walk.step("A request without a token", without_token(&http)).await?;
    let title = "The document that the challenge points to (RFC 9728)";
    walk.step(title, metadata(&http, &metadata_url)).await?;
    let title = "Alice logs in at the identity provider, by a client that it knows";
    let alice = walk.step(title, log_in(ISSUER)).await?;

    let title = "Her MCP client lists the tools through Envoy";
    walk.step(title, list_tools(&alice)).await?;
    walk.step("It asks the server who she is", whoami(&alice, ProtocolVersion::LATEST)).await?;
    let title = "So does a client of an older protocol version";
    walk.step(title, whoami(&alice, ProtocolVersion::V_2025_06_18)).await?;
    walk.step("She claims to be somebody else in x-user-id", spoof(&alice)).await?;

    for (title, order, reason) in [
        (
            "A forged token: a real key's id, another key's signature",
            json!({"forged": true}),
            "bad_signature",
        ),
        ("A token that expired two minutes ago", json!({"expires_in": -120}), "expired"),
        (
            "A token for another server",
            json!({"aud": "https://other.example/mcp"}),
            "wrong_audience",
        ),
    ] {
        walk.step(title, refused(&http, order, reason)).await?;
    }
    let title = "The identity provider rotates its keys; the next token passes, nothing restarts";
    walk.step(title, rotation(ISSUER)).await
}

async fn without_token(http: &Client) -> Result<Told<String>, Failure> {
    let answer = ask(http, None).await.expecting("an answer from the gateway")?;
    expect("status", &StatusCode::UNAUTHORIZED, &answer.status)?;
    let url = answer.parameter("resource_metadata");
    let url = url.expecting("a challenge with resource_metadata")?.to_owned();
    let text = format!("{}\nWWW-Authenticate: {}", answer.status, answer.challenge);
    Ok(Told { text, found: url })
}

async fn metadata(http: &Client, url: &str) -> Result<Told<()>, Failure> {
    let what = "RFC 9728 metadata";
    let answer = http.get(url).send().await.and_then(reqwest::Response::error_for_status);
    let document: Value = answer.expecting(what)?.json().await.expecting(what)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    expect("resource", &RESOURCE.to_owned(), &text(&document["resource"]))?;
    let servers = &document["authorization_servers"];
    expect("authorization servers", &json!([AUTHORIZATION_SERVER, ISSUER]), servers)?;
    let scopes = &document["scopes_supported"];
    let text =
        format!("{url}\nresource {RESOURCE}\nauthorization servers {servers}\nscopes {scopes}");
    Ok(told(text))
}

async fn log_in(issuer: &str) -> Result<Told<User>, Failure> {
    let user = alice_at(issuer).await?;
    let claims = user.token.claims().expecting("a JWT")?;
    let text = format!(
        "a token by authorization code and PKCE\nsub {}, aud {}, scope {}\nby these claims her \
         user id must be {}",
        claims["sub"], claims["aud"], claims["scope"], user.id
    );
    Ok(Told { text, found: user })
}

pub(super) async fn alice_at(issuer: &str) -> Result<User, Failure> {
    let provider = AuthorizationServer::discover(issuer).await;
    let provider = provider.expecting("the provider's metadata")?;
    let tokens = provider.log_in(KNOWN_CLIENT, ALICE, RESOURCE).await.expecting("a login")?;
    let token = tokens.access;
    let claims = token.claims().expecting("a JWT")?;
    let id = user_id::from_claims(&claims).expecting("a user in the claims")?;
    Ok(User { token, id })
}

async fn list_tools(alice: &User) -> Result<Told<()>, Failure> {
    let client = McpClient::connect(&alice.token).await.expecting("a connected MCP client")?;
    let tools = client.tools().await.expecting("a list of tools")?;
    if !tools.iter().any(|tool| tool == "whoami") {
        return Err(Failure::new("a tool whoami", tools.join(", ")));
    }
    Ok(told(format!("MCP {}: {}", client.version(), tools.join(", "))))
}

pub(super) async fn whoami(alice: &User, version: ProtocolVersion) -> Result<Told<()>, Failure> {
    let asked = version.to_string();
    let client = McpClient::connect_with(&alice.token, HashMap::new(), version).await;
    let client = client.expecting("a connected MCP client")?;
    expect("protocol version", &asked, &client.version())?;
    let who = client.whoami().await.expecting("an answer of whoami")?;
    let id = who["user_id"].as_str().unwrap_or_default().to_owned();
    expect("user id", &alice.id, &id)?;
    Ok(told(format!("MCP {asked}: {id}, as computed from the token\n{who}")))
}

async fn spoof(alice: &User) -> Result<Told<()>, Failure> {
    let claimed = ["x-user-id", "x_user_id", "X-USER-NAME"].map(|name| {
        (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_static("mallory-00000000"))
    });
    let mut headers = HashMap::new();
    for (name, value) in claimed {
        headers.insert(name.expecting("a header name")?, value);
    }
    let client = McpClient::connect_with(&alice.token, headers, ProtocolVersion::LATEST).await;
    let id = client.expecting("a connected MCP client")?.user_id().await;
    let id = id.expecting("an answer of whoami")?;
    expect("user id", &alice.id, &id)?;
    Ok(told(format!("sent x-user-id: mallory-00000000, the server still sees {id}")))
}

/// The status alone would not show why; the filter's own count of this reason does.
async fn refused(http: &Client, order: Value, reason: &str) -> Result<Told<()>, Failure> {
    let order = with_audience(order);
    let knobs = Knobs::of(ISSUER).expecting("an issuer")?;
    let token = knobs.token(order).await.expecting("a token to order")?;
    let before = denials(http, reason).await.expecting("the filter's metrics")?;
    let answer = ask(http, Some(&token)).await.expecting("an answer from the gateway")?;
    expect("status", &StatusCode::UNAUTHORIZED, &answer.status)?;
    let error = answer.parameter("error").expecting("a challenge with an error")?;
    expect("error", &"invalid_token", &error)?;
    let after = denials(http, reason).await.expecting("the filter's metrics")?;
    expect(&format!("count of denials for {reason}"), &(before + 1), &after)?;
    let sentence = answer.description();
    Ok(told(format!("{}, reason {reason}\n{error}: {sentence}", answer.status)))
}

fn with_audience(mut order: Value) -> Value {
    if order.get("aud").is_none() {
        order["aud"] = json!(RESOURCE);
    }
    order
}

async fn rotation(issuer: &str) -> Result<Told<()>, Failure> {
    let knobs = Knobs::of(ISSUER).expecting("an issuer")?;
    let kid = knobs.rotate().await.expecting("new keys")?;
    let alice = alice_at(issuer).await?;
    let waiting = Stopwatch::start();
    // A key id that the filter has never seen makes it fetch, each worker at most once a cooldown.
    let id = loop {
        match user_id_through_the_gateway(&alice.token).await {
            Ok(id) => break id,
            Err(error) if waiting.has_run(COOLDOWN) => {
                let expected = format!("the new key {kid} to be accepted within {COOLDOWN:?}");
                return Err(Failure::new(expected, format!("{error:#}")));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(250)).await,
        }
    };
    expect("user id", &alice.id, &id)?;
    Ok(told(format!("{id}, by the new key {kid}, accepted after {waiting}")))
}

async fn user_id_through_the_gateway(token: &Token) -> anyhow::Result<String> {
    McpClient::connect(token).await?.user_id().await
}
