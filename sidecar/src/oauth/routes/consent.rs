//! `/consent`: the user's answer, from the form of our own page in the browser that was asked.

use axum::{extract::State, http::HeaderMap, response::Response};

use crate::oauth::{
    AuthorizationServer,
    client_address::ClientAddress,
    error::OAuthError,
    opaque::Opaque,
    params::Params,
    reply::{Refused, see_other},
    transaction::Asked,
    upstream::Proof,
};

/// Answers a POST.
pub(super) async fn answer(
    State(server): State<AuthorizationServer>,
    address: ClientAddress,
    headers: HeaderMap,
    params: Result<Params, OAuthError>,
) -> Response {
    match decide(&server, address, &headers, params).await {
        Ok(onward) => onward,
        Err(refused) => refused.answer(&server),
    }
}

async fn decide(
    server: &AuthorizationServer,
    address: ClientAddress,
    headers: &HeaderMap,
    params: Result<Params, OAuthError>,
) -> Result<Response, Refused> {
    let params = params.map_err(Refused::Page)?;
    let sealed = params.required("consent").map_err(Refused::Page)?;
    let now = server.clock.now();
    let here = (headers, server.config.url.url());
    let asked = Asked::open(sealed, &server.vault, here, now).map_err(Refused::Page)?;
    let reply_to = Box::new(asked.request.reply_to.clone());
    match params.one("decision").map_err(Refused::Page)? {
        Some("allow") => {}
        Some("deny") => {
            let denied = OAuthError::AccessDenied("the user did not allow it");
            return Err(Refused::Client(reply_to, denied));
        }
        Some(_) | None => {
            let sentence = "the form says neither allow nor deny".to_owned();
            return Err(Refused::Page(OAuthError::InvalidRequest(sentence)));
        }
    }
    // From here on something is stored.
    server.logins.check(address).map_err(Refused::Page)?;
    to_provider(server, asked).await.map_err(|error| Refused::Client(reply_to, error))
}

/// Sends the browser to log in, with values that nobody knows and that are good once.
async fn to_provider(server: &AuthorizationServer, asked: Asked) -> Result<Response, OAuthError> {
    let state = Opaque::random();
    let proof = Proof { nonce: Opaque::random(), verifier: Opaque::random() };
    let login = server.provider.login_url(&state, &proof).await?;
    asked.agreed(&state, &proof, &server.vault, server.clock.now()).await?;
    metrics::counter!("mcp_auth_logins_total", "outcome" => "allowed").increment(1);
    Ok(see_other(login.as_str()))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use crate::oauth::testing::logins::{Visit, request};

    #[tokio::test]
    async fn who_allows_is_sent_to_the_provider_with_fresh_values() {
        let visit = Visit::start().await;
        let page = visit.open(&request()).await;
        let mut seen = std::collections::HashSet::new();
        for _ in 0..2 {
            let answer = visit.allow(&page).await;
            assert_eq!(answer.status, StatusCode::SEE_OTHER);
            let query = answer.reply();
            assert!(answer.location().unwrap().as_str().starts_with(&visit.provider.issuer()));
            assert_eq!(query["redirect_uri"], "https://auth.example.com/auth/callback");
            assert_eq!(query["scope"], "openid profile email offline_access");
            assert!(!query["scope"].contains("mcp:"), "scopes of ours stay here");
            for name in ["state", "nonce", "code_challenge"] {
                assert!(seen.insert(query[name].clone()), "{name} is used twice");
            }
        }
    }

    #[tokio::test]
    async fn who_denies_goes_back_to_the_client() {
        let visit = Visit::start().await;
        let page = visit.open(&request()).await;
        let answer = visit.decide(&page, "deny").await;
        let query = answer.reply();
        assert_eq!(
            (query["error"].as_str(), query["state"].as_str()),
            ("access_denied", "client state")
        );
        assert_eq!(visit.provider.calls("metadata"), 0);
    }

    #[tokio::test]
    async fn a_form_without_the_browser_that_was_asked_is_refused() {
        let visit = Visit::start().await;
        let page = visit.open(&request()).await;
        let consent = page.consent();
        let form = [("consent", consent.as_str()), ("decision", "allow")];
        let without_cookie = visit.other_browser().send("POST", "/consent", &form).await;
        assert_eq!(without_cookie.status, StatusCode::FORBIDDEN);
        let other = visit.other_browser();
        other.open(&request()).await;
        assert_eq!(other.send("POST", "/consent", &form).await.status, StatusCode::FORBIDDEN);
        assert!(without_cookie.location().is_none());
    }

    #[tokio::test]
    async fn a_form_that_we_did_not_make_is_refused() {
        let visit = Visit::start().await;
        let consent = visit.open(&request()).await.consent();
        let cut = &consent[..consent.len() - 4];
        for form in [
            vec![("decision", "allow")],
            vec![("consent", "x"), ("decision", "allow")],
            vec![("consent", cut), ("decision", "allow")],
            vec![("consent", consent.as_str())],
            vec![("consent", consent.as_str()), ("decision", "maybe")],
            vec![("consent", consent.as_str()), ("decision", "allow"), ("decision", "deny")],
        ] {
            let answer = visit.send("POST", "/consent", &form).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{form:?}");
            assert!(answer.location().is_none());
        }
        let by_link = [("consent", consent.as_str()), ("decision", "allow")];
        let by_link = visit.send("GET", "/consent", &by_link).await;
        assert_eq!(by_link.status, StatusCode::METHOD_NOT_ALLOWED);
    }

    #[tokio::test]
    async fn a_form_is_good_for_a_quarter_of_an_hour() {
        let visit = Visit::start().await;
        let page = visit.open(&request()).await;
        visit.server().clock.advance_secs(15 * 60 - 1);
        assert_eq!(visit.allow(&page).await.status, StatusCode::SEE_OTHER);
        visit.server().clock.advance_secs(1);
        assert_eq!(visit.allow(&page).await.status, StatusCode::BAD_REQUEST);
    }

    #[tokio::test]
    async fn an_address_cannot_fill_the_store_with_logins() {
        let visit = Visit::with(&[("MCP_REGISTRATIONS_PER_MINUTE", "1")]).await;
        let page = visit.open(&request()).await;
        for _ in 0..10 {
            assert_eq!(visit.allow(&page).await.status, StatusCode::SEE_OTHER);
        }
        let refused = visit.allow(&page).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(refused.header("retry-after").parse::<u64>().is_ok());
    }

    #[tokio::test]
    async fn the_client_learns_that_the_provider_is_away() {
        let visit = Visit::start().await;
        visit.provider.says().is_away = true;
        let page = visit.open(&request()).await;
        assert_eq!(visit.allow(&page).await.reply()["error"], "temporarily_unavailable");
    }
}
