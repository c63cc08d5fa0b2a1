//! Plain HTTP requests to the gateway, for answers that no MCP client shows: refusals and
//! metadata.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::header::WWW_AUTHENTICATE;
use reqwest::{Client, StatusCode};
use serde_json::Value;

use super::{Expecting as _, Failure, expect};
use crate::clock::Stopwatch;
use crate::oauth::Token;
use crate::stack::{ADMIN, RESOURCE};

/// How long a revocation may take to arrive.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many refusals in a row reach every worker of Envoy.
const REFUSALS: usize = 20;

/// What the gateway answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// `WWW-Authenticate`, empty if there is none.
    pub(crate) challenge: String,
    body: Value,
}

impl Answer {
    /// The challenge's parameter of this name (RFC 9110 section 11.2).
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let (_, after) = self.challenge.split_once(&format!("{name}=\""))?;
        after.split('"').next()
    }

    /// The sentence in the body.
    pub(crate) fn description(&self) -> &str {
        self.body["error_description"].as_str().unwrap_or("no description")
    }
}

/// Sends one MCP request through the gateway.
///
/// # Errors
/// If no answer comes.
pub(crate) async fn ask(http: &Client, token: Option<&Token>) -> anyhow::Result<Answer> {
    let ping = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let request =
        http.post(RESOURCE).header("accept", "application/json, text/event-stream").json(&ping);
    let request = match token {
        Some(token) => request.bearer_auth(token.as_str()),
        None => request,
    };
    let answer = request.send().await.context("the gateway does not answer")?;
    let status = answer.status();
    let challenge = answer.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
    let challenge = challenge.unwrap_or_default().to_owned();
    let body = answer.bytes().await?;
    Ok(Answer { status, challenge, body: serde_json::from_slice(&body).unwrap_or_default() })
}

/// Asks until `token`, whose session was just revoked, is refused by every worker. Returns how long
/// that took.
///
/// # Errors
/// If it still passes after [`PATIENCE`].
pub(super) async fn refused_for_good(http: &Client, token: &Token) -> Result<String, Failure> {
    let since = Stopwatch::start();
    let mut refused_after = None;
    let mut refusals = 0;
    while refusals < REFUSALS {
        if since.has_run(PATIENCE) {
            return Err(Failure::new("a refusal by every worker", "the token still passes"));
        }
        let answer = ask(http, Some(token)).await.expecting("an answer")?;
        if answer.status == StatusCode::UNAUTHORIZED {
            expect("description", &"The token's session was revoked.", &answer.description())?;
            refused_after.get_or_insert_with(|| since.to_string());
            refusals += 1;
        } else {
            refusals = 0;
            refused_after = None;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    Ok(refused_after.unwrap_or_default())
}

/// How often the filter has refused for `reason`, as its metrics have it.
///
/// # Errors
/// If Envoy's admin page does not answer.
pub(crate) async fn denials(http: &Client, reason: &str) -> anyhow::Result<u64> {
    let url = format!("{ADMIN}/stats?filter=mcp_auth");
    let stats = http.get(url).send().await.context("Envoy's admin page does not answer")?;
    Ok(counter(&stats.text().await?, &format!("mcp_auth.denied.{reason}")))
}

/// Envoy's line is `name: value`, the name with a name space for Wasm in front. A counter that
/// was never counted may be absent.
fn counter(stats: &str, name: &str) -> u64 {
    stats
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(found, _)| found.trim_start_matches("wasmcustom.") == name)
        .find_map(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Answer, StatusCode, Value, counter};

    #[test]
    fn a_challenges_parameters_are_read() {
        let answer = Answer {
            status: StatusCode::UNAUTHORIZED,
            challenge: r#"Bearer resource_metadata="http://a/b", scope="mcp:read mcp:write""#
                .into(),
            body: Value::Null,
        };
        assert_eq!(answer.parameter("resource_metadata"), Some("http://a/b"));
        assert_eq!(answer.parameter("scope"), Some("mcp:read mcp:write"));
        assert_eq!(answer.parameter("error"), None);
    }

    #[test]
    fn counters_are_found_by_their_whole_name() {
        let stats = "wasmcustom.mcp_auth.denied.expired: 3\nmcp_auth.denied.expired_x: 9\n";
        assert_eq!(counter(stats, "mcp_auth.denied.expired"), 3);
        assert_eq!(counter(stats, "mcp_auth.denied.expired_x"), 9);
        assert_eq!(counter(stats, "mcp_auth.denied.wrong_audience"), 0);
    }
}
