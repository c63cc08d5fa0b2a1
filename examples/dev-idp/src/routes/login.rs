//! `/u/login`: the login page and its form. A name is all it takes.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use axum_extra::extract::CookieJar;

use crate::{
    app::App,
    browser,
    oauth_error::{ErrorCode, OAuthError},
    page,
    params::Params,
    return_to::ReturnTo,
    secret::Opaque,
    user::User,
};

/// `GET`: the page. Reading it twice does no harm.
pub(crate) async fn show(State(app): State<Arc<App>>, params: Params) -> Response {
    show_page(&app, &params, None).unwrap_or_else(|e| page::error(&e))
}

/// `POST`: `state` and `username`, or `action=deny`; `email_verified=false` is optional.
pub(crate) async fn submit(
    State(app): State<Arc<App>>,
    jar: CookieJar,
    params: Params,
) -> Response {
    decide(&app, jar, &params).unwrap_or_else(|e| page::error(&e))
}

fn show_page(app: &App, params: &Params, complaint: Option<&str>) -> Result<Response, OAuthError> {
    let id = params.required("state")?;
    let grants = app.grants();
    let request =
        grants.awaited(&Opaque::presented(id), app.clock.now()).ok_or_else(page_is_over)?;
    let hint = request.login_hint.as_deref().unwrap_or("");
    Ok(page::login(&app.config, id, request.client.as_str(), hint, complaint))
}

fn decide(app: &App, jar: CookieJar, params: &Params) -> Result<Response, OAuthError> {
    let id = Opaque::presented(params.required("state")?);
    let issuer = &app.config.issuer;
    if params.one("action")? == Some("deny") {
        let request = app.grants().take_awaited(&id, app.clock.now()).ok_or_else(page_is_over)?;
        let denied = OAuthError::new(ErrorCode::AccessDenied, "The user refused");
        let return_to = ReturnTo::resumed(&request.redirect_uri, request.state)?;
        return Ok(return_to.with_error(&denied, issuer));
    }
    let user = match User::named(params.one("username")?.unwrap_or("")) {
        Ok(user) => user.with_email_verified(params.one("email_verified")? != Some("false")),
        Err(bad) => return show_page(app, params, Some(&bad.to_string())),
    };
    let now = app.clock.now();
    let mut grants = app.grants();
    let request = grants.take_awaited(&id, now).ok_or_else(page_is_over)?;
    let return_to = ReturnTo::resumed(&request.redirect_uri, request.state.clone())?;
    tracing::info!(client = %request.client, user = user.username(), "logged in");
    let (session, login) = grants.open_session(user, now);
    let code = grants.issue_code(request, login, now);
    Ok((browser::remember(jar, &session, issuer), return_to.with_code(&code, issuer))
        .into_response())
}

fn page_is_over() -> OAuthError {
    OAuthError::new(
        ErrorCode::InvalidRequest,
        "this login page was used or has expired; go back to the application and start again",
    )
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use crate::testing::{AUTHORIZE, ISSUER, Idp};

    #[tokio::test]
    async fn the_page_says_what_it_is_and_needs_no_script() {
        let idp = Idp::new();
        let page = idp.login_page(&format!("{AUTHORIZE}&login_hint=%3Cb%3Ealice")).await;
        assert_eq!(page.status, StatusCode::OK);
        assert_eq!(page.headers["x-frame-options"], "DENY");
        assert!(!page.body.contains("<script"));
        let id = page.hidden("state");
        insta::assert_snapshot!(page.body.replace(&id, "STATE").replace("><", ">\n<"));
    }

    #[tokio::test]
    async fn a_login_returns_code_state_and_issuer() {
        let answer = Idp::new().log_in(AUTHORIZE, "alice@example.com").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert!(answer.location().starts_with("http://127.0.0.1:7777/cb?code="));
        assert_eq!(answer.redirected("state"), "s1");
        assert_eq!(answer.redirected("iss"), ISSUER);
        let cookie = answer.headers["set-cookie"].to_str().unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    }

    #[tokio::test]
    async fn a_page_is_good_for_one_login() {
        let idp = Idp::new();
        let form = format!("state={}&username=a", idp.login_page(AUTHORIZE).await.hidden("state"));
        let first = idp.post_form("/u/login", &form).await;
        assert_eq!(first.status, StatusCode::SEE_OTHER);
        let second = idp.post_form("/u/login", &form).await;
        assert_eq!(second.status, StatusCode::BAD_REQUEST);
        assert!(second.body.contains("start again"));
    }

    #[tokio::test]
    async fn a_useless_name_is_asked_again_on_the_same_page() {
        let idp = Idp::new();
        let id = idp.login_page(AUTHORIZE).await.hidden("state");
        let again = idp.post_form("/u/login", &format!("state={id}&username=%20")).await;
        assert_eq!(again.status, StatusCode::BAD_REQUEST);
        assert!(again.body.contains("type a user name"));
        let good = idp.post_form("/u/login", &format!("state={id}&username=bob")).await;
        assert_eq!(good.status, StatusCode::SEE_OTHER);
    }

    #[tokio::test]
    async fn a_refusal_is_told_to_the_client() {
        let idp = Idp::new();
        let id = idp.login_page(AUTHORIZE).await.hidden("state");
        let answer = idp.post_form("/u/login", &format!("state={id}&action=deny")).await;
        assert_eq!(answer.redirected("error"), "access_denied");
        assert_eq!(answer.redirected("state"), "s1");
    }
}
