//! The chapter of clients that nobody knows: they find the authorization server, register, send the
//! user's browser through a login, refresh, and go again. It is what MCP clients do by themselves.

use reqwest::Client;
use rmcp::model::ProtocolVersion;
use serde_json::Value;

use super::gateway::{ask, refused_for_good};
use super::tokens::{ALICE, User, alice_at, whoami};
use super::{Expecting as _, Failure, Stopped, Told, Walk, expect, told};
use crate::oauth::{AuthorizationServer, Token, Tokens};
use crate::report;
use crate::stack::{AUTHORIZATION_SERVER, ISSUER, RESOURCE};

/// Takes the chapter.
///
/// # Errors
/// [`Stopped`] at the first step that fails.
pub(super) async fn chapter(walk: &mut Walk) -> Result<(), Stopped> {
    report::chapter("A client that nobody knows finds its way in by itself");
    let title = "It is refused, and follows what it is told to the authorization server (RFC 8414)";
    let server = walk.step(title, discover()).await?;
    let id = walk.step("It registers itself (RFC 7591)", register(&server)).await?;
    let title = "In her browser Alice allows it, and logs in at the identity provider";
    let tokens = walk.step(title, log_in(&server, &id)).await?;
    let title = "To the MCP server she is who she is with the provider's own tokens";
    walk.step(title, same_user(&tokens.access)).await?;
    let title = "It refreshes its tokens; the session stays";
    let tokens = walk.step(title, refresh(&server, &id, &tokens)).await?;
    let title = "It revokes its login (RFC 7009); its access token is still valid, but refused";
    walk.step(title, revoke(&server, &id, &tokens)).await
}

async fn discover() -> Result<Told<AuthorizationServer>, Failure> {
    let http = Client::new();
    let answer = ask(&http, None).await.expecting("an answer from the gateway")?;
    let url = answer.parameter("resource_metadata").expecting("a challenge with its document")?;
    let what = "RFC 9728 metadata";
    let document: Value =
        http.get(url).send().await.expecting(what)?.json().await.expecting(what)?;
    let issuer = document["authorization_servers"][0].as_str().unwrap_or_default().to_owned();
    expect("authorization server", &AUTHORIZATION_SERVER.to_owned(), &issuer)?;
    let server = AuthorizationServer::discover(&issuer).await.expecting("its metadata")?;
    Ok(Told { text: issuer, found: server })
}

async fn register(server: &AuthorizationServer) -> Result<Told<String>, Failure> {
    let id = server.register("Demo client").await.expecting("a client id")?;
    Ok(Told { text: format!("client_id {id}"), found: id })
}

async fn log_in(server: &AuthorizationServer, id: &str) -> Result<Told<Tokens>, Failure> {
    let tokens = server.log_in(id, ALICE, RESOURCE).await.expecting("a login")?;
    let claims = tokens.access.claims().expecting("a JWT")?;
    let text = format!(
        "an access token for {} and a refresh token\niss {}, idp_iss {}, scope {}",
        claims["aud"], claims["iss"], claims["idp_iss"], claims["scope"]
    );
    Ok(Told { text, found: tokens })
}

async fn same_user(token: &Token) -> Result<Told<()>, Failure> {
    let User { id, .. } = alice_at(ISSUER).await?;
    whoami(&User { token: token.clone(), id }, ProtocolVersion::LATEST).await
}

async fn refresh(
    server: &AuthorizationServer,
    id: &str,
    tokens: &Tokens,
) -> Result<Told<Tokens>, Failure> {
    let refresh_token = tokens.refresh.as_ref().expecting("a refresh token")?;
    let next = server.refresh(id, refresh_token).await.expecting("the next tokens")?;
    let session = |token: &Token| {
        let claims = token.claims().expecting("a JWT")?;
        Ok::<_, Failure>(claims["sid"].as_str().unwrap_or_default().to_owned())
    };
    let sid = session(&next.access)?;
    expect("sid", &session(&tokens.access)?, &sid)?;
    same_user(&next.access).await?;
    Ok(Told { text: format!("both are new, sid {sid} is as before"), found: next })
}

async fn revoke(
    server: &AuthorizationServer,
    id: &str,
    tokens: &Tokens,
) -> Result<Told<()>, Failure> {
    let refresh_token = tokens.refresh.as_ref().expecting("a refresh token")?;
    server.revoke(id, refresh_token).await.expecting("a revocation")?;
    let time = refused_for_good(&Client::new(), &tokens.access).await?;
    Ok(told(format!("401 Unauthorized, reason session_revoked, for good after {time}")))
}
