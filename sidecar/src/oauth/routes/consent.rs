//! `/consent`: the user's answer, from the form of our own page in the browser that was asked.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use url::Url;

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
    let public_url = server.config.url.url();
    sent_by_us(headers, public_url)?;
    let sealed = params.required("consent").map_err(Refused::Page)?;
    let now = server.clock.now();
    let here = (headers, public_url);
    let asked = Asked::open(sealed, &server.vault, here, now).await.map_err(Refused::Page)?;
    let reply_to = Box::new(asked.request.reply_to.clone());
    // From here on something is stored.
    server.approvals.check(address).map_err(Refused::Page)?;
    match params.one("decision").map_err(Refused::Page)? {
        Some("allow") => {}
        Some("deny") => {
            asked.denied(&server.vault, now).await.map_err(Refused::Page)?;
            let denied = OAuthError::AccessDenied("the user did not allow it");
            return Err(Refused::Client(reply_to, denied));
        }
        Some(_) | None => {
            let sentence = "the form says neither allow nor deny".to_owned();
            return Err(Refused::Page(OAuthError::InvalidRequest(sentence)));
        }
    }
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

/// Whether a page of ours sent the form, as far as the browser tells (RFC 9700 §4.7). Older ones
/// do not, and then the cookie has to do alone.
pub(super) fn sent_by_us(headers: &HeaderMap, public_url: &Url) -> Result<(), Refused> {
    let origin = public_url.origin().ascii_serialization();
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let is_ours = |value: &HeaderValue| value.as_bytes() == origin.as_bytes();
    let is_from_here = headers.get_all(header::ORIGIN).iter().all(is_ours)
        && matches!(site, None | Some(b"same-origin" | b"none"));
    let foreign = || OAuthError::AccessDenied("the form was sent by a page of another site");
    is_from_here.then_some(()).ok_or_else(|| Refused::Page(foreign()))
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
    async fn after_a_no_the_form_is_good_for_nothing() {
        let visit = Visit::start().await;
        let (page, other) = (visit.open(&request()).await, visit.open(&request()).await);
        visit.decide(&page, "deny").await;
        for decision in ["allow", "deny"] {
            let answer = visit.decide(&page, decision).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{decision}");
            assert!(answer.location().is_none());
        }
        assert_eq!(visit.allow(&other).await.status, StatusCode::SEE_OTHER);
    }

    #[tokio::test]
    async fn a_form_of_another_site_is_refused_though_the_cookie_came_with_it() {
        let visit = Visit::start().await;
        let consent = visit.open(&request()).await.consent();
        let form = [("consent", consent.as_str()), ("decision", "allow")];
        for (name, value, status) in [
            ("origin", "https://evil.example", StatusCode::FORBIDDEN),
            ("origin", "https://auth.example.com.evil.example", StatusCode::FORBIDDEN),
            ("origin", "null", StatusCode::FORBIDDEN),
            ("sec-fetch-site", "cross-site", StatusCode::FORBIDDEN),
            ("sec-fetch-site", "same-site", StatusCode::FORBIDDEN),
            ("sec-fetch-site", "same-origin", StatusCode::SEE_OTHER),
            ("origin", "https://auth.example.com", StatusCode::SEE_OTHER),
        ] {
            let answer = visit.send_with("POST", "/consent", &form, &[(name, value)]).await;
            assert_eq!(answer.status, status, "{name}: {value}");
        }
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
