//! `/authorize`: checks an authorization request and sends its user to the login page, or
//! straight back where the browser is logged in already. RFC 6749 section 4.1.1, OpenID Connect
//! Core section 3.1.2.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use axum_extra::extract::CookieJar;

use crate::{
    app::App,
    audience::Audiences,
    browser,
    client::Client,
    clock::UnixTime,
    grants::{AuthorizationRequest, Login},
    oauth_error::{ErrorCode, OAuthError},
    page,
    params::Params,
    pkce::Challenge,
    return_to::ReturnTo,
    scope::ScopeSet,
};

/// Takes the request by query or by form.
pub(crate) async fn begin(State(app): State<Arc<App>>, jar: CookieJar, params: Params) -> Response {
    let (client, return_to) = match ReturnTo::verified(&params, &app.config) {
        Ok(verified) => verified,
        Err(error) => return page::error(&error),
    };
    match next(&app, &jar, &params, client) {
        Ok(Next::LogIn(request)) => {
            let id = app.grants().await_login(request, app.clock.now());
            Redirect::to(&format!("/u/login?state={}", id.expose())).into_response()
        }
        Ok(Next::Return(request, login)) => {
            let code = app.grants().issue_code(request, login, app.clock.now());
            return_to.with_code(&code, &app.config.issuer)
        }
        Err(error) => return_to.with_error(&error, &app.config.issuer),
    }
}

enum Next {
    LogIn(AuthorizationRequest),
    Return(AuthorizationRequest, Login),
}

fn next(app: &App, jar: &CookieJar, params: &Params, client: &Client) -> Result<Next, OAuthError> {
    let request = read_request(app, params, client)?;
    let prompt = Prompt::parse(params.one("prompt")?)?;
    let oldest = oldest_login(params, app.clock.now())?;
    let login = browser::session(jar)
        .and_then(|id| app.grants().session(&id, app.clock.now()).cloned())
        .filter(|login| login.auth_time >= oldest);
    match (prompt, login) {
        (Prompt::WhenNeeded | Prompt::Never, Some(login)) => Ok(Next::Return(request, login)),
        (Prompt::Never, None) => Err(OAuthError::new(ErrorCode::LoginRequired, "Login required")),
        (Prompt::WhenNeeded, None) | (Prompt::Always, _) => Ok(Next::LogIn(request)),
    }
}

fn read_request(
    app: &App,
    params: &Params,
    client: &Client,
) -> Result<AuthorizationRequest, OAuthError> {
    refuse_what_is_not_served(params)?;
    let challenge =
        Challenge::parse(params.one("code_challenge")?, params.one("code_challenge_method")?)
            .map_err(|e| OAuthError::new(ErrorCode::InvalidRequest, e.to_string()))?;
    let scope = ScopeSet::parse(params.one("scope")?.unwrap_or(""))
        .map_err(|e| OAuthError::new(ErrorCode::InvalidScope, e.to_string()))?;
    let text = |name| Ok::<_, OAuthError>(params.one(name)?.map(str::to_owned));
    Ok(AuthorizationRequest {
        client: client.id.clone(),
        redirect_uri: params.required("redirect_uri")?.to_owned(),
        state: text("state")?,
        nonce: text("nonce")?,
        scope: scope.granted(app.config.grant_scopes.as_ref()),
        audiences: Audiences::requested(params, &app.config)?,
        challenge,
        login_hint: text("login_hint")?,
    })
}

fn refuse_what_is_not_served(params: &Params) -> Result<(), OAuthError> {
    let refused = |code, text: &str| Err(OAuthError::new(code, text));
    if params.one("request")?.is_some() {
        return refused(ErrorCode::RequestNotSupported, "request objects are not supported");
    }
    if params.one("request_uri")?.is_some() {
        return refused(ErrorCode::RequestUriNotSupported, "request_uri is not supported");
    }
    if params.required("response_type")? != "code" {
        return refused(ErrorCode::UnsupportedResponseType, "response_type must be code");
    }
    match params.one("response_mode")? {
        None | Some("query") => Ok(()),
        Some(_) => refused(ErrorCode::InvalidRequest, "response_mode must be query"),
    }
}

/// `prompt`: OpenID Connect Core section 3.1.2.1.
enum Prompt {
    WhenNeeded,
    Always,
    Never,
}

impl Prompt {
    fn parse(value: Option<&str>) -> Result<Self, OAuthError> {
        let values: Vec<&str> = value.unwrap_or("").split_ascii_whitespace().collect();
        match values[..] {
            [] => Ok(Self::WhenNeeded),
            ["none"] => Ok(Self::Never),
            _ if values.iter().all(|v| ["login", "consent", "select_account"].contains(v)) => {
                Ok(Self::Always)
            }
            _ => Err(OAuthError::new(
                ErrorCode::InvalidRequest,
                "prompt must be none alone, or of login, consent and select_account",
            )),
        }
    }
}

/// The earliest login that `max_age` accepts.
fn oldest_login(params: &Params, now: UnixTime) -> Result<UnixTime, OAuthError> {
    let Some(max_age) = params.one("max_age")? else { return Ok(UnixTime::from_secs(0)) };
    let seconds: u32 = max_age.parse().map_err(|_| {
        OAuthError::new(ErrorCode::InvalidRequest, "max_age must be a number of seconds")
    })?;
    Ok(now.shifted(-i64::from(seconds)))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use crate::testing::{AUTHORIZE, ISSUER, Idp};

    #[tokio::test]
    async fn a_valid_request_leads_to_the_login_page() {
        let answer = Idp::new().get(AUTHORIZE).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert!(answer.location().starts_with("/u/login?state="));
    }

    #[tokio::test]
    async fn requests_without_pkce_s256_are_sent_back_with_an_error() {
        let idp = Idp::new();
        for without in ["&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "=S256"] {
            let answer = idp.get(&AUTHORIZE.replace(without, "")).await;
            assert_eq!(answer.redirected("error"), "invalid_request", "{without}");
            assert_eq!(answer.redirected("state"), "s1");
            assert_eq!(answer.redirected("iss"), ISSUER);
        }
        let plain = idp.get(&AUTHORIZE.replace("S256", "plain")).await;
        assert_eq!(plain.redirected("error"), "invalid_request");
    }

    #[tokio::test]
    async fn an_unverified_address_is_never_redirected_to() {
        let idp = Idp::new();
        for (from, to) in [
            ("demo-client", "nobody"),
            ("http%3A%2F%2F127.0.0.1%3A7777%2Fcb", "https%3A%2F%2Fevil.example%2Fcb"),
            ("&redirect_uri", "&x"),
            ("state=s1", "state=s1&state=s2"),
        ] {
            let answer = idp.get(&AUTHORIZE.replace(from, to)).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{to}");
            assert!(!answer.headers.contains_key("location"));
            assert!(answer.body.contains("This request cannot be answered"));
        }
    }

    #[tokio::test]
    async fn what_is_not_served_is_named_in_the_error() {
        let idp = Idp::new();
        for (from, to, error) in [
            ("response_type=code", "response_type=token", "unsupported_response_type"),
            ("response_type=code&", "", "invalid_request"),
            ("response_type=code", "response_type=code&request=x", "request_not_supported"),
            ("response_type=code", "response_type=code&request_uri=x", "request_uri_not_supported"),
            ("response_type=code", "response_type=code&response_mode=fragment", "invalid_request"),
            ("response_type=code", "response_type=code&prompt=none%20login", "invalid_request"),
            ("response_type=code", "response_type=code&max_age=x", "invalid_request"),
            ("scope=openid", "scope=%22", "invalid_scope"),
            ("response_type=code", "response_type=code&resource=mcp", "invalid_target"),
        ] {
            let answer = idp.get(&AUTHORIZE.replace(from, to)).await;
            assert_eq!(answer.redirected("error"), error, "{to}");
        }
    }

    #[tokio::test]
    async fn a_logged_in_browser_is_sent_straight_back_unless_a_prompt_says_otherwise() {
        let idp = Idp::new();
        let cookie = idp.log_in(AUTHORIZE, "alice").await.cookie();
        let silent = idp.get_as(&format!("{AUTHORIZE}&prompt=none"), &cookie).await;
        assert_eq!(silent.redirected("code").len(), 43);
        let asked = idp.get_as(&format!("{AUTHORIZE}&prompt=login"), &cookie).await;
        assert!(asked.location().starts_with("/u/login"));
        idp.wind(30);
        let stale = idp.get_as(&format!("{AUTHORIZE}&max_age=20&prompt=none"), &cookie).await;
        assert_eq!(stale.redirected("error"), "login_required");
        let stranger = idp.get(&format!("{AUTHORIZE}&prompt=none")).await;
        assert_eq!(stranger.redirected("error"), "login_required");
    }

    #[tokio::test]
    async fn the_request_may_come_as_a_form() {
        let query = AUTHORIZE.strip_prefix("/authorize?").unwrap();
        let answer = Idp::new().post_form("/authorize", query).await;
        assert!(answer.location().starts_with("/u/login?state="));
    }
}
