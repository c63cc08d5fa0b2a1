//! The authorization code grant: RFC 6749 section 4.1.3 with RFC 7636.

use crate::{
    app::App, client::Client, oauth_error::OAuthError, params::Params,
    routes::token::TokenResponse, secret::Opaque,
};

/// Spends the code and issues what its login granted.
pub(super) fn redeem(
    app: &App,
    client: &Client,
    params: &Params,
) -> Result<TokenResponse, OAuthError> {
    let code = Opaque::presented(params.required("code")?);
    let redirect_uri = params.required("redirect_uri")?;
    let verifier = params.required("code_verifier")?;
    let now = app.clock.now();
    let (grant, refresh_token, audiences) = {
        let mut grants = app.grants();
        let (grant, family) = grants.redeem_code(&code, &client.id, redirect_uri, verifier, now)?;
        let audiences = grant.audiences.narrowed(params)?;
        let until = now.after(app.config.refresh_token_lifetime);
        let refresh_token = grant
            .scope
            .contains("offline_access")
            .then(|| grants.issue_refresh_token(grant.clone(), family, until));
        (grant, refresh_token, audiences)
    };
    Ok(TokenResponse::for_user(app, &grant, &audiences, &grant.scope, refresh_token))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use crate::testing::{AUTHORIZE, ISSUER, Idp, code_form};

    #[tokio::test]
    async fn a_login_yields_tokens_that_the_key_set_verifies() {
        let idp = Idp::new();
        let tokens = idp.tokens(AUTHORIZE, "alice@example.com").await;
        let (header, access) = idp.verified(tokens["access_token"].as_str().unwrap());
        assert_eq!(header["alg"], "RS256");
        assert_eq!(access["iss"], ISSUER);
        assert_eq!(
            access["aud"],
            json!(["https://mcp.example/", "http://127.0.0.1:9000/userinfo"])
        );
        assert_eq!(access["sub"], "auth0|ff8d9819fc0e12bf0d24892e");
        assert_eq!(access["azp"], "demo-client");
        assert_eq!(access["scope"], "openid profile email offline_access mcp:read");
        assert_eq!(access["exp"].as_i64().unwrap() - access["iat"].as_i64().unwrap(), 3600);
        assert_eq!(access["email"], "alice@example.com");
        assert_eq!(access["preferred_username"], "alice@example.com");
        assert_eq!(tokens["token_type"], "Bearer");
        assert!(tokens["refresh_token"].is_string());
    }

    #[tokio::test]
    async fn the_id_token_is_bound_to_nonce_client_and_access_token() {
        let idp = Idp::new();
        let tokens = idp.tokens(AUTHORIZE, "alice@example.com").await;
        let (_, id) = idp.verified(tokens["id_token"].as_str().unwrap());
        assert_eq!(id["nonce"], "n1");
        assert_eq!(id["aud"], "demo-client");
        assert_eq!(id["auth_time"], id["iat"]);
        assert_eq!(id["email_verified"], true);
        let access_token = tokens["access_token"].as_str().unwrap();
        assert_eq!(id["at_hash"], crate::testing::half_digest(access_token));
    }

    #[tokio::test]
    async fn without_openid_or_offline_access_there_is_an_access_token_only() {
        let idp = Idp::new();
        let query = AUTHORIZE.replace("openid%20profile%20email%20offline_access%20", "");
        let tokens = idp.tokens(&query, "alice").await;
        assert_eq!(tokens.get("id_token"), None);
        assert_eq!(tokens.get("refresh_token"), None);
        let (_, access) = idp.verified(tokens["access_token"].as_str().unwrap());
        assert_eq!(access["aud"], "https://mcp.example/");
        assert_eq!(access["scope"], "mcp:read");
    }

    #[tokio::test]
    async fn a_wrong_or_missing_verifier_spends_the_code() {
        let idp = Idp::new();
        let code = idp.log_in(AUTHORIZE, "alice").await.redirected("code");
        let wrong = code_form(&code).replace("dBjft", "xBjft");
        let answer = idp.post_form("/oauth/token", &wrong).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.json()["error"], "invalid_grant");
        let late = idp.post_form("/oauth/token", &code_form(&code)).await;
        assert_eq!(late.json()["error"], "invalid_grant");
        let missing = code_form(&code).replace("code_verifier", "x");
        let answer = idp.post_form("/oauth/token", &missing).await;
        assert_eq!(answer.json()["error"], "invalid_request");
    }

    #[tokio::test]
    async fn a_second_use_of_a_code_revokes_what_the_first_gave() {
        let idp = Idp::new();
        let code = idp.log_in(AUTHORIZE, "alice").await.redirected("code");
        let first = idp.post_form("/oauth/token", &code_form(&code)).await.json();
        let second = idp.post_form("/oauth/token", &code_form(&code)).await;
        assert_eq!(second.json()["error"], "invalid_grant");
        let refresh = first["refresh_token"].as_str().unwrap();
        assert_eq!(idp.refresh(refresh).await.json()["error"], "invalid_grant");
    }

    #[tokio::test]
    async fn a_code_lives_sixty_seconds() {
        let idp = Idp::new();
        let young = idp.log_in(AUTHORIZE, "alice").await.redirected("code");
        idp.wind(59);
        let old = idp.log_in(AUTHORIZE, "alice").await.redirected("code");
        let answer = idp.post_form("/oauth/token", &code_form(&young)).await;
        assert_eq!(answer.status, StatusCode::OK);
        idp.wind(60);
        let answer = idp.post_form("/oauth/token", &code_form(&old)).await;
        assert_eq!(answer.json()["error_description"], "expired");
    }

    #[tokio::test]
    async fn the_redirect_uri_must_be_the_same_again() {
        let idp = Idp::new();
        let code = idp.log_in(AUTHORIZE, "alice").await.redirected("code");
        let form = code_form(&code).replace("7777", "7778");
        assert_eq!(idp.post_form("/oauth/token", &form).await.json()["error"], "invalid_grant");
    }
}
