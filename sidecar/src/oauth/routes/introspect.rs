//! `POST /introspect` (RFC 7662): what a token is worth now, for resource servers that hold
//! `MCP_AUTH_TOKEN`. Without that variable there is no such address.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::IntoResponse,
};
use serde_json::{Value, json};

use crate::oauth::{
    AuthorizationServer, access_token::AccessToken, error::OAuthError, params::Params,
    refresh_token::RefreshToken,
};

pub(super) async fn answer(
    State(server): State<AuthorizationServer>,
    headers: HeaderMap,
    params: Params,
) -> Result<impl IntoResponse, OAuthError> {
    match &server.token {
        None => return Err(OAuthError::UnknownAddress),
        Some(token) if !token.is_borne_by(&headers) => return Err(OAuthError::Unauthenticated),
        Some(_) => {}
    }
    let found = described(&server, params.required("token")?).await?;
    let answer = found.unwrap_or_else(|| json!({"active": false}));
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)))
}

async fn described(server: &AuthorizationServer, token: &str) -> Result<Option<Value>, OAuthError> {
    let issuer = server.config.url.as_str();
    if let Some(token) = RefreshToken::parse(token) {
        let Some(login) = server.logins.of_refresh_token(&token).await? else { return Ok(None) };
        return Ok(Some(json!({
            "active": true,
            "token_type": "refresh_token",
            "iss": issuer,
            "sub": login.identity.subject,
            "aud": login.resource,
            "client_id": login.client_id,
            "scope": login.scopes.join(" "),
            "exp": login.refresh.expires_at.secs(),
        })));
    }
    let Some(claims) = AccessToken::read(&server.signing, issuer, token) else { return Ok(None) };
    let now = server.vault.now().await?.secs();
    if now >= claims.exp || !server.logins.honours(&claims).await? {
        return Ok(None);
    }
    let mut answer = json!({"active": true, "token_type": "Bearer"});
    let claims = serde_json::to_value(claims).expect("claims become JSON");
    if let (Value::Object(answer), Value::Object(claims)) = (&mut answer, claims) {
        answer.extend(claims);
    }
    Ok(Some(answer))
}
