//! Logout: Auth0's `/v2/logout`, and `/oidc/logout` as OpenID Connect RP-Initiated Logout has it.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use axum_extra::extract::CookieJar;
use serde_json::Value;
use url::Url;

use crate::{
    app::App,
    browser,
    client::ClientId,
    oauth_error::{ErrorCode, OAuthError},
    page,
    params::Params,
};

/// `client_id` and `returnTo`, both optional.
pub(crate) async fn auth0(State(app): State<Arc<App>>, jar: CookieJar, params: Params) -> Response {
    log_out(&app, jar, &params, "returnTo")
}

/// `client_id` or `id_token_hint`, `post_logout_redirect_uri` and `state`, all optional.
pub(crate) async fn oidc(State(app): State<Arc<App>>, jar: CookieJar, params: Params) -> Response {
    log_out(&app, jar, &params, "post_logout_redirect_uri")
}

/// The session ends even where the address to go to is refused.
fn log_out(app: &App, jar: CookieJar, params: &Params, target: &str) -> Response {
    if let Some(session) = browser::session(&jar) {
        app.grants().close_session(&session);
    }
    let jar = browser::forget(jar);
    match destination(app, params, target) {
        Ok(Some(url)) => (jar, Redirect::to(url.as_str())).into_response(),
        Ok(None) => (jar, page::logged_out()).into_response(),
        Err(error) => (jar, page::error(&error)).into_response(),
    }
}

fn destination(app: &App, params: &Params, target: &str) -> Result<Option<Url>, OAuthError> {
    let Some(uri) = params.one(target)? else { return Ok(None) };
    let refused = || {
        let text = format!("{target} {uri} is at no address of this client");
        OAuthError::new(ErrorCode::InvalidRequest, text)
    };
    let mut url = Url::parse(uri).map_err(|_| refused())?;
    let client = client(app, params)?;
    if !app.config.allows_logout_to(client.as_ref(), &url) {
        return Err(refused());
    }
    if let Some(state) = params.one("state")? {
        url.query_pairs_mut().append_pair("state", state);
    }
    Ok(Some(url))
}

/// The client by its id, or by an ID token it was given, which may have expired since.
fn client(app: &App, params: &Params) -> Result<Option<ClientId>, OAuthError> {
    if let Some(id) = params.one("client_id")? {
        return Ok(Some(ClientId::new(id)));
    }
    let Some(hint) = params.one("id_token_hint")? else { return Ok(None) };
    let claims = app.keys().verify(hint).ok_or_else(|| {
        OAuthError::new(ErrorCode::InvalidRequest, "id_token_hint was not issued here")
    })?;
    Ok(claims.get("aud").and_then(Value::as_str).map(ClientId::new))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use crate::testing::{AUTHORIZE, Idp};

    #[tokio::test]
    async fn a_logged_out_browser_must_log_in_again() {
        let idp = Idp::new();
        let silent = format!("{AUTHORIZE}&prompt=none");
        for logout in [
            "/v2/logout?client_id=demo-client&returnTo=http://localhost:1/bye",
            "/oidc/logout?post_logout_redirect_uri=http://localhost:1/bye&state=s",
        ] {
            let cookie = idp.log_in(AUTHORIZE, "alice").await.cookie();
            let answer = idp.get_as(logout, &cookie).await;
            assert!(answer.location().starts_with("http://localhost:1/bye"), "{logout}");
            let after = idp.get_as(&silent, &cookie).await;
            assert_eq!(after.redirected("error"), "login_required");
        }
    }

    #[tokio::test]
    async fn a_logout_never_leads_to_a_strange_address() {
        let idp = Idp::new();
        for target in ["https://evil.example/", "//evil.example", "javascript:alert(1)"] {
            let answer = idp.get(&format!("/v2/logout?returnTo={target}")).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{target}");
            assert!(!answer.headers.contains_key("location"));
        }
        let forged = "/oidc/logout?id_token_hint=x.y.z&post_logout_redirect_uri=http://localhost/";
        assert_eq!(idp.get(forged).await.status, StatusCode::BAD_REQUEST);
    }

    #[tokio::test]
    async fn an_id_token_names_the_client() {
        let idp = Idp::new();
        let tokens = idp.tokens(AUTHORIZE, "alice").await;
        let hint = tokens["id_token"].as_str().unwrap();
        let uri = format!(
            "/oidc/logout?id_token_hint={hint}&post_logout_redirect_uri=http://localhost/&state=s"
        );
        assert_eq!(idp.get(&uri).await.location(), "http://localhost/?state=s");
    }
}
