//! `POST /oauth/token`: RFC 6749 section 3.2. Authenticates the client and hands over to the
//! grant it uses, one file each.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::header::CACHE_CONTROL,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{
    app::App,
    audience::Audiences,
    client_auth::{BasicHeader, authenticate},
    grants::Grant,
    oauth_error::{ErrorCode, OAuthError},
    params::Params,
    scope::ScopeSet,
    secret::Opaque,
    tokens,
};

mod authorization_code;
mod client_credentials;
mod refresh_token;

/// Issues tokens for a form, or for a JSON object as Auth0 does.
pub(crate) async fn issue(
    State(app): State<Arc<App>>,
    header: BasicHeader,
    params: Params,
) -> Result<TokenResponse, OAuthError> {
    let client = authenticate(&app.config, &header, &params)?;
    let response = match params.required("grant_type")? {
        "authorization_code" => authorization_code::redeem(&app, client, &params),
        "refresh_token" => refresh_token::refresh(&app, client, &params),
        "client_credentials" => client_credentials::issue(&app, client, &params),
        other => Err(OAuthError::new(
            ErrorCode::UnsupportedGrantType,
            format!("grant_type {other} is not supported"),
        )),
    }?;
    tracing::info!(client = %client.id, scope = response.scope, "tokens issued");
    Ok(response)
}

/// RFC 6749 section 5.1. `scope` is always told.
#[derive(Serialize)]
pub(crate) struct TokenResponse {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

impl TokenResponse {
    /// Tokens for the user of `grant`; an ID token where `openid` is in `scope`.
    fn for_user(
        app: &App,
        grant: &Grant,
        audiences: &Audiences,
        scope: &ScopeSet,
        refresh_token: Option<Opaque>,
    ) -> Self {
        let access_token = tokens::access_token(app, grant, audiences, scope);
        let id_token =
            scope.contains("openid").then(|| tokens::id_token(app, grant, scope, &access_token));
        let refresh_token = refresh_token.map(|t| t.expose().to_owned());
        Self { refresh_token, id_token, ..Self::bare(app, access_token, scope) }
    }

    fn bare(app: &App, access_token: String, scope: &ScopeSet) -> Self {
        Self {
            access_token,
            token_type: "Bearer",
            expires_in: app.config.access_token_lifetime.as_secs(),
            scope: scope.to_string(),
            refresh_token: None,
            id_token: None,
        }
    }
}

impl IntoResponse for TokenResponse {
    fn into_response(self) -> Response {
        ([(CACHE_CONTROL, "no-store")], Json(self)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use crate::testing::Idp;

    #[tokio::test]
    async fn an_unknown_grant_is_refused() {
        let idp = Idp::new();
        let answer = idp.post_form("/oauth/token", "client_id=demo-client&grant_type=x").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.json()["error"], "unsupported_grant_type");
        assert_eq!(answer.headers["cache-control"], "no-store");
    }

    #[tokio::test]
    async fn a_client_that_fails_to_authenticate_is_challenged() {
        let idp = Idp::new();
        let answer = idp.post_form("/oauth/token", "client_id=mcp-auth&grant_type=x").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.json()["error"], "invalid_client");
        assert!(answer.headers.contains_key("www-authenticate"));
    }

    #[tokio::test]
    async fn json_is_understood_as_auth0_does() {
        let idp = Idp::new();
        let body = json!({
            "grant_type": "client_credentials",
            "client_id": "mcp-auth",
            "client_secret": "dev-secret",
            "audience": "https://mcp.example/",
        });
        let answer = idp.post_json("/oauth/token", &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }
}
