//! A scripted OAuth client and its user: what an MCP client and a person with a browser do.

mod browser;
mod knobs;
mod server;

use std::fmt;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngCore as _;
use reqwest::Response;
use serde::Deserialize;
use serde_json::Value;

pub(crate) use self::knobs::Knobs;
pub(crate) use self::server::AuthorizationServer;

/// The client that the identity provider knows.
pub(crate) const KNOWN_CLIENT: &str = "demo-client";

/// A token. Never shown whole by accident.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct Token(String);

/// What a token endpoint answers (RFC 6749 section 5.1).
#[derive(Debug, Deserialize)]
pub(crate) struct Tokens {
    #[serde(rename = "access_token")]
    pub(crate) access: Token,
    #[serde(rename = "refresh_token")]
    pub(crate) refresh: Option<Token>,
}

impl Token {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What it says, unverified: the demo only compares with it.
    ///
    /// # Errors
    /// If it is no JWT.
    pub(crate) fn claims(&self) -> anyhow::Result<Value> {
        let payload = self.0.split('.').nth(1).context("the access token is no JWT")?;
        let json = URL_SAFE_NO_PAD.decode(payload).context("the access token is no JWT")?;
        serde_json::from_slice(&json).context("the access token's claims are no JSON")
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The JSON of an answer that has to be a good one; otherwise what it says instead.
async fn json<T: for<'de> Deserialize<'de>>(answer: Response) -> anyhow::Result<T> {
    let (status, url) = (answer.status(), answer.url().clone());
    if !status.is_success() {
        anyhow::bail!("{url} answered {status} {}", answer.text().await.unwrap_or_default());
    }
    answer.json().await.with_context(|| format!("the answer of {url}"))
}

fn random() -> String {
    let mut bytes = [0; 32];
    rand::thread_rng().fill_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::Token;

    #[test]
    fn a_token_is_never_shown_whole_and_its_claims_are_read() {
        let token = Token("e30.eyJzdWIiOiJhbGljZSJ9.c2ln".into());
        assert_eq!(format!("{token:?}"), "[redacted]");
        assert_eq!(token.claims().unwrap()["sub"], "alice");
        assert!(Token("opaque".into()).claims().is_err());
    }
}
