//! `POST /oauth/revoke`: RFC 7009.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use serde_json::Value;

use crate::{
    app::App,
    client_auth::{BasicHeader, authenticate},
    grants::{GrantRefused, Revoked},
    oauth_error::OAuthError,
    params::Params,
    secret::Opaque,
};

/// A refresh token takes its whole family along. An access token is from then on refused at
/// `/userinfo`; resource servers that only verify signatures cannot know. An unknown token is
/// answered like a revoked one (RFC 7009 section 2.2).
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    header: BasicHeader,
    params: Params,
) -> Result<StatusCode, OAuthError> {
    let client = authenticate(&app.config, &header, &params)?;
    let token = params.required("token")?;
    let mut grants = app.grants();
    match grants.revoke_refresh_token(&Opaque::presented(token), &client.id)? {
        Revoked::Family => return Ok(StatusCode::OK),
        Revoked::Nothing => {}
    }
    let Some(claims) = app.keys().verify(token) else { return Ok(StatusCode::OK) };
    let text = |claim| claims.get(claim).and_then(Value::as_str);
    if text("azp") != Some(client.id.as_str()) {
        return Err(GrantRefused::Unknown.into());
    }
    if let Some(jti) = text("jti") {
        grants.revoke_access_token(jti);
    }
    Ok(StatusCode::OK)
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use crate::testing::{AUTHORIZE, Idp};

    #[tokio::test]
    async fn a_revoked_refresh_token_takes_its_successors_along() {
        let idp = Idp::new();
        let first = idp.tokens(AUTHORIZE, "alice").await;
        let old = first["refresh_token"].as_str().unwrap();
        let second = idp.refresh(old).await.json();
        let form = format!("client_id=demo-client&token={old}");
        assert_eq!(idp.post_form("/oauth/revoke", &form).await.status, StatusCode::OK);
        let new = second["refresh_token"].as_str().unwrap();
        assert_eq!(idp.refresh(new).await.json()["error"], "invalid_grant");
    }

    #[tokio::test]
    async fn a_revoked_access_token_is_refused_at_userinfo() {
        let idp = Idp::new();
        let tokens = idp.tokens(AUTHORIZE, "alice").await;
        let token = tokens["access_token"].as_str().unwrap();
        assert_eq!(idp.userinfo(token).await.status, StatusCode::OK);
        let form = format!("client_id=demo-client&token={token}");
        assert_eq!(idp.post_form("/oauth/revoke", &form).await.status, StatusCode::OK);
        assert_eq!(idp.userinfo(token).await.status, StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn another_clients_token_is_left_alone_and_an_unknown_one_is_fine() {
        let idp = Idp::new();
        let tokens = idp.tokens(AUTHORIZE, "alice").await;
        let refresh = tokens["refresh_token"].as_str().unwrap();
        for token in [refresh, tokens["access_token"].as_str().unwrap()] {
            let form = format!("client_id=mcp-auth&client_secret=dev-secret&token={token}");
            let answer = idp.post_form("/oauth/revoke", &form).await;
            assert_eq!(answer.json()["error"], "invalid_grant");
        }
        assert_eq!(idp.refresh(refresh).await.status, StatusCode::OK);
        let unknown = idp.post_form("/oauth/revoke", "client_id=demo-client&token=x").await;
        assert_eq!(unknown.status, StatusCode::OK);
    }
}
