//! The client credentials grant: RFC 6749 section 4.4.

use crate::{
    app::App,
    audience::Audiences,
    client::Client,
    oauth_error::{ErrorCode, OAuthError},
    params::Params,
    routes::token::TokenResponse,
    scope::ScopeSet,
    tokens,
};

/// An access token for the client itself, which must be confidential.
pub(super) fn issue(
    app: &App,
    client: &Client,
    params: &Params,
) -> Result<TokenResponse, OAuthError> {
    if client.secret.is_none() {
        let text = "a public client cannot use client_credentials";
        return Err(OAuthError::new(ErrorCode::UnauthorizedClient, text));
    }
    let audiences = Audiences::requested(params, &app.config)?;
    if audiences.is_empty() {
        let text =
            "No audience parameter was provided, and no default audience has been configured";
        return Err(OAuthError::new(ErrorCode::AccessDenied, text));
    }
    let scope = ScopeSet::parse(params.one("scope")?.unwrap_or(""))
        .map_err(|e| OAuthError::new(ErrorCode::InvalidScope, e.to_string()))?
        .granted(app.config.grant_scopes.as_ref())
        .without_user_scopes();
    let token = tokens::machine_token(app, &client.id, &audiences, &scope);
    Ok(TokenResponse::bare(app, token, &scope))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use crate::testing::Idp;

    const MACHINE: &str =
        "grant_type=client_credentials&client_id=mcp-auth&client_secret=dev-secret";

    #[tokio::test]
    async fn a_confidential_client_gets_a_token_for_itself() {
        let idp = Idp::new();
        let form = format!("{MACHINE}&audience=https://mcp.example/&scope=mcp:read%20openid");
        let tokens = idp.post_form("/oauth/token", &form).await.json();
        let (_, access) = idp.verified(tokens["access_token"].as_str().unwrap());
        assert_eq!(access["sub"], "mcp-auth@clients");
        assert_eq!(access["gty"], "client-credentials");
        assert_eq!(access["aud"], "https://mcp.example/");
        assert_eq!(access["scope"], "mcp:read");
        assert_eq!(access.get("email"), None);
        assert_eq!(tokens.get("refresh_token"), None);
    }

    #[tokio::test]
    async fn a_public_client_or_a_missing_audience_is_refused() {
        let idp = Idp::new();
        let public = "grant_type=client_credentials&client_id=demo-client&audience=https://a/";
        let answer = idp.post_form("/oauth/token", public).await;
        assert_eq!(answer.json()["error"], "unauthorized_client");
        let answer = idp.post_form("/oauth/token", MACHINE).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert_eq!(answer.json()["error"], "access_denied");
    }
}
