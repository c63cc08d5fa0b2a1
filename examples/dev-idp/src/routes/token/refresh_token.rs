//! The refresh grant, with rotation: RFC 6749 section 6, RFC 9700 section 4.14.2.

use crate::{
    app::App,
    client::Client,
    grants::GrantRefused,
    oauth_error::{ErrorCode, OAuthError},
    params::Params,
    routes::token::TokenResponse,
    scope::ScopeSet,
    secret::Opaque,
};

/// Spends the refresh token and issues its successor with a new access token. A request that
/// asks for too much is refused without spending it.
pub(super) fn refresh(
    app: &App,
    client: &Client,
    params: &Params,
) -> Result<TokenResponse, OAuthError> {
    let token = Opaque::presented(params.required("refresh_token")?);
    let (grant, audiences, scope, next) = {
        let mut grants = app.grants();
        let grant = grants.refreshable(&token, &client.id, app.clock.now())?;
        let audiences = grant.audiences.narrowed(params)?;
        let scope = narrowed(&grant.scope, params)?;
        let next = grants.rotate(&token).ok_or(GrantRefused::Unknown)?;
        (grant, audiences, scope, next)
    };
    Ok(TokenResponse::for_user(app, &grant, &audiences, &scope, Some(next)))
}

fn narrowed(granted: &ScopeSet, params: &Params) -> Result<ScopeSet, OAuthError> {
    let Some(asked) = params.one("scope")? else { return Ok(granted.clone()) };
    match ScopeSet::parse(asked) {
        Ok(asked) if asked.is_within(granted) => Ok(asked),
        Ok(_) => Err(OAuthError::new(ErrorCode::InvalidScope, "scope exceeds what was granted")),
        Err(bad) => Err(OAuthError::new(ErrorCode::InvalidScope, bad.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use crate::testing::{AUTHORIZE, Idp};

    #[tokio::test]
    async fn a_refresh_gives_new_tokens_for_the_same_login() {
        let idp = Idp::new();
        let first = idp.tokens(AUTHORIZE, "alice").await;
        idp.wind(10);
        let second = idp.refresh(first["refresh_token"].as_str().unwrap()).await.json();
        assert_ne!(first["refresh_token"], second["refresh_token"]);
        let (_, before) = idp.verified(first["id_token"].as_str().unwrap());
        let (_, after) = idp.verified(second["id_token"].as_str().unwrap());
        assert_eq!(before["sub"], after["sub"]);
        assert_eq!(before["auth_time"], after["auth_time"]);
        assert_eq!(after["iat"].as_i64().unwrap() - before["iat"].as_i64().unwrap(), 10);
    }

    #[tokio::test]
    async fn reuse_of_a_rotated_token_ends_the_family() {
        let idp = Idp::new();
        let first = idp.tokens(AUTHORIZE, "alice").await;
        let old = first["refresh_token"].as_str().unwrap();
        let second = idp.refresh(old).await.json();
        assert_eq!(idp.refresh(old).await.json()["error"], "invalid_grant");
        let new = second["refresh_token"].as_str().unwrap();
        assert_eq!(idp.refresh(new).await.json()["error"], "invalid_grant");
    }

    #[tokio::test]
    async fn scope_and_resource_may_shrink_but_not_grow() {
        let idp = Idp::new();
        let tokens = idp.tokens(AUTHORIZE, "alice").await;
        let token = tokens["refresh_token"].as_str().unwrap();
        let ask = async |more: &str| {
            let form = format!(
                "grant_type=refresh_token&client_id=demo-client&refresh_token={token}&{more}"
            );
            idp.post_form("/oauth/token", &form).await
        };
        assert_eq!(ask("scope=mcp:admin").await.json()["error"], "invalid_scope");
        assert_eq!(ask("resource=https://b/").await.json()["error"], "invalid_target");
        let less = ask("scope=mcp:read").await;
        assert_eq!(less.status, StatusCode::OK);
        assert_eq!(less.json()["scope"], "mcp:read");
    }

    #[tokio::test]
    async fn a_refresh_token_is_its_clients_own_and_ends() {
        let idp = Idp::new();
        let tokens = idp.tokens(AUTHORIZE, "alice").await;
        let token = tokens["refresh_token"].as_str().unwrap();
        let form = format!(
            "grant_type=refresh_token&refresh_token={token}&client_id=mcp-auth&client_secret=dev-secret"
        );
        assert_eq!(idp.post_form("/oauth/token", &form).await.json()["error"], "invalid_grant");
        idp.wind(30 * 24 * 60 * 60);
        assert_eq!(idp.refresh(token).await.json()["error_description"], "expired");
    }
}
