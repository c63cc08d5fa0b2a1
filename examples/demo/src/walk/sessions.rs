//! The chapter of sessions: an operator sees who is in, and throws somebody out now.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, StatusCode};
use rmcp::model::ProtocolVersion;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::gateway::refused_for_good;
use super::tokens::{User, alice_at, whoami};
use super::{Expecting as _, Failure, Stopped, Told, Walk, expect, told};
use crate::clock::Stopwatch;
use crate::report;
use crate::stack::{ISSUER, SIDECAR};

/// How long a sighting may take to arrive.
const PATIENCE: Duration = Duration::from_secs(5);

/// Takes the chapter.
///
/// # Errors
/// [`Stopped`] at the first step that fails.
pub(super) async fn chapter(walk: &mut Walk) -> Result<(), Stopped> {
    report::chapter("An operator sees who is in, and throws somebody out now");
    let http = Client::new();
    let alice = walk.step("Alice logs in anew and calls", log_in()).await?;
    let title = "Her session is in the sidecar's list";
    let session = walk.step(title, listed(&http, &alice)).await?;
    let title = "It is revoked; her token is still valid, but refused";
    walk.step(title, revoked(&http, &alice, &session)).await
}

async fn log_in() -> Result<Told<User>, Failure> {
    let user = alice_at(ISSUER).await?;
    let Told { text, .. } = whoami(&user, ProtocolVersion::LATEST).await?;
    Ok(Told { text, found: user })
}

async fn listed(http: &Client, alice: &User) -> Result<Told<String>, Failure> {
    let what = "the session of Alice's newest token";
    let claims = alice.token.claims().expecting("a JWT")?;
    let id = session_id(&claims, alice.token.as_str());
    let waiting = Stopwatch::start();
    while !waiting.has_run(PATIENCE) {
        let answer = http.get(format!("{SIDECAR}/v1/sessions")).query(&[("user_id", &alice.id)]);
        let answer = answer.send().await.and_then(reqwest::Response::error_for_status);
        let list: Value = answer.expecting(what)?.json().await.expecting(what)?;
        let sessions = list["sessions"].as_array().cloned().unwrap_or_default();
        if sessions.iter().any(|session| session["session_id"] == *id) {
            let text = format!("session {id} of {}, {} in all", alice.id, sessions.len());
            return Ok(Told { text, found: id });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(Failure::new(what, "it did not appear in the list"))
}

/// Half a SHA-256 over `iss`, a NUL and what tells this login from others.
fn session_id(claims: &Value, token: &str) -> String {
    let distinguisher = ["sid", "jti"].iter().find_map(|name| claims[name].as_str());
    let input = [ISSUER, "\0", distinguisher.unwrap_or(token)].concat();
    URL_SAFE_NO_PAD.encode(&Sha256::digest(input)[..16])
}

async fn revoked(http: &Client, alice: &User, session: &str) -> Result<Told<()>, Failure> {
    let answer = http.delete(format!("{SIDECAR}/v1/sessions/{session}")).send().await;
    expect("status", &StatusCode::NO_CONTENT, &answer.expecting("an answer")?.status())?;
    let time = refused_for_good(http, &alice.token).await?;
    Ok(told(format!("401 Unauthorized, reason session_revoked, for good after {time}")))
}
