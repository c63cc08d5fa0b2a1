//! `POST /introspect` (RFC 7662): what a token is worth now, for resource servers that hold
//! `MCP_AUTH_TOKEN`. Without that variable there is no such address.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::IntoResponse,
};
use serde_json::{Value, json};

use crate::oauth::{AuthorizationServer, error::OAuthError, logins::Worth, params::Params};

pub(super) async fn answer(
    State(server): State<AuthorizationServer>,
    headers: HeaderMap,
    params: Params,
) -> Result<impl IntoResponse, OAuthError> {
    match &server.tokens {
        None => return Err(OAuthError::UnknownAddress),
        Some(tokens) if !tokens.is_borne_by(&headers) => return Err(OAuthError::Unauthenticated),
        Some(_) => {}
    }
    let worth = server.logins.worth(params.required("token")?).await?;
    let answer = worth.map_or_else(|| json!({"active": false}), |worth| described(&server, worth));
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)))
}

fn described(server: &AuthorizationServer, worth: Worth) -> Value {
    match worth {
        Worth::Refresh(login) => json!({
            "active": true,
            "token_type": "refresh_token",
            "iss": server.config.url.as_str(),
            "sub": login.identity.subject,
            "aud": login.resource,
            "client_id": login.client_id,
            "scope": login.scopes.join(" "),
            "exp": login.refresh.expires_at.secs(),
        }),
        Worth::Access(claims) => {
            let mut answer = serde_json::to_value(claims).expect("claims become JSON");
            answer["active"] = json!(true);
            answer["token_type"] = json!("Bearer");
            answer
        }
    }
}
