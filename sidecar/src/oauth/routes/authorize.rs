//! `/authorize` (RFC 6749 §3.1): checks what is asked, and asks the user. Nothing is stored, so
//! asking twice does no harm, and neither does asking very often.

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::Response,
};

use crate::oauth::{
    AuthorizationServer,
    browser::Browser,
    client_address::ClientAddress,
    error::OAuthError,
    pages,
    params::Params,
    reply::{Refused, see_other},
    request::AuthorizationRequest,
    transaction::Asked,
};

/// What fits into an address wherever it has to pass.
const LONGEST_QUERY: usize = 8 * 1024;

/// Answers a GET.
pub(super) async fn answer(
    State(server): State<AuthorizationServer>,
    address: ClientAddress,
    headers: HeaderMap,
    params: Result<Params, OAuthError>,
) -> Response {
    match ask(&server, address, &headers, params).await {
        Ok(page) => page,
        Err(refused) => refused.answer(&server),
    }
}

/// Turns a form into a GET: with that a browser sends our cookie, whichever site the form was on.
pub(super) async fn from_form(
    State(server): State<AuthorizationServer>,
    params: Result<Params, OAuthError>,
) -> Response {
    let refused = |error| Refused::Page(error).answer(&server);
    match params.map(|params| params.encoded()) {
        Ok(query) if query.len() <= LONGEST_QUERY => {
            see_other(&format!("{}?{query}", server.endpoint("/authorize")))
        }
        Ok(_) => refused(OAuthError::InvalidRequest("the request is too long".to_owned())),
        Err(error) => refused(error),
    }
}

async fn ask(
    server: &AuthorizationServer,
    address: ClientAddress,
    headers: &HeaderMap,
    params: Result<Params, OAuthError>,
) -> Result<Response, Refused> {
    let params = params.map_err(Refused::Page)?;
    server.admit(address, &params).map_err(Refused::Page)?;
    let client_id = params.required("client_id").map_err(Refused::Page)?;
    let client = server.clients.find(client_id).await.map_err(Refused::Page)?;
    let request = AuthorizationRequest::read(&params, &client, &server.config)?;

    let public_url = server.config.url.url();
    let browser = Browser::of(headers, public_url);
    let asked = Asked::new(request, &browser, server.clock.now());
    let form = (server.endpoint("/consent"), asked.seal(&server.vault));
    let form = (form.0.as_str(), form.1.as_str());
    let mut page = pages::consent::page(&server.config, &client, &asked.request, form);
    page.headers_mut().append(header::SET_COOKIE, browser.cookie(public_url));
    Ok(page)
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use crate::oauth::testing::logins::{CHALLENGE, Visit, changed, request};

    #[tokio::test]
    async fn the_user_is_asked_and_shown_who_asks_for_what() {
        let visit = Visit::start().await;
        let page = visit.open(&request()).await;
        assert_eq!(page.status, StatusCode::OK);
        for shown in ["Test client", "mcp:read", "https://mcp.example.com/mcp", "127.0.0.1"] {
            assert!(page.body.contains(shown), "{shown}");
        }
        assert!(page.body.contains("Any program on this computer"), "loopback is warned of");
    }

    #[tokio::test]
    async fn the_page_runs_no_script_is_not_framed_and_not_kept() {
        let visit = Visit::start().await;
        let page = visit.open(&request()).await;
        let policy = page.header("content-security-policy");
        let (sources, rest) = policy.split_once("; form-action ").unwrap();
        assert!(sources.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert_eq!(sources.matches(';').count(), 1, "nothing else is loaded");
        let provider = visit.provider.issuer();
        let rest = rest.replace(provider.trim_end_matches('/'), "PROVIDER");
        insta::assert_snapshot!(rest, @"'self' https: PROVIDER http://127.0.0.1:4321; base-uri 'none'; frame-ancestors 'none'");
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("cache-control"), "no-store");
        assert!(!page.body.contains("<script") && !page.body.contains("style="));
    }

    #[tokio::test]
    async fn what_a_client_calls_itself_is_text() {
        let visit = Visit::start().await;
        visit
            .keep_client(|client| client.name = Some("<script>alert(1)</script>".to_owned()))
            .await;
        let page = visit.open(&request()).await;
        assert!(page.body.contains("&lt;script&gt;") && !page.body.contains("<script>"));
    }

    #[tokio::test]
    async fn asking_stores_nothing_and_a_second_time_does_no_harm() {
        let visit = Visit::start().await;
        let first = visit.open(&request()).await;
        let second = visit.open(&request()).await;
        let head = visit.send("HEAD", "/authorize", &request()).await;
        assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""));
        for page in [first, second] {
            assert_eq!(visit.allow(&page).await.status, StatusCode::SEE_OTHER);
        }
    }

    #[tokio::test]
    async fn nobody_is_redirected_to_an_address_that_is_not_the_clients() {
        let visit = Visit::start().await;
        for (name, value) in [
            ("client_id", None),
            ("client_id", Some("unknown")),
            ("redirect_uri", Some("https://evil.example/callback")),
            ("redirect_uri", Some("http://127.0.0.1/callback/..%2f")),
            ("redirect_uri", Some("http://127.0.0.1.evil.example/callback")),
            ("redirect_uri", Some("http://127.0.0.1@evil.example/callback")),
            ("redirect_uri", Some("http://127.0.0.1/callback#x")),
            ("redirect_uri", Some("javascript:alert(1)")),
        ] {
            let page = visit.open(&changed(name, value)).await;
            assert_eq!(page.status, StatusCode::BAD_REQUEST, "{name}={value:?}");
            assert!(page.header("content-type").starts_with("text/html"));
            assert!(page.location().is_none() && page.body.contains("That did not work"));
        }
        let twice = [request(), vec![("redirect_uri", "https://evil.example/")]].concat();
        assert_eq!(visit.open(&twice).await.status, StatusCode::BAD_REQUEST);
    }

    #[tokio::test]
    async fn a_redirect_uri_may_be_left_out_if_there_is_one() {
        let visit = Visit::start().await;
        let without = changed("redirect_uri", None);
        assert_eq!(visit.open(&without).await.status, StatusCode::OK);
        visit
            .keep_client(|client| client.redirect_uris.push("https://a.example/".to_owned()))
            .await;
        assert_eq!(visit.open(&without).await.status, StatusCode::BAD_REQUEST);
    }

    #[tokio::test]
    async fn errors_go_to_the_client_with_its_state_and_our_issuer() {
        let visit = Visit::start().await;
        for (name, value, error) in [
            ("response_type", None, "invalid_request"),
            ("response_type", Some("token"), "unsupported_response_type"),
            ("response_mode", Some("fragment"), "invalid_request"),
            ("code_challenge", None, "invalid_request"),
            ("code_challenge", Some("short"), "invalid_request"),
            ("code_challenge_method", None, "invalid_request"),
            ("code_challenge_method", Some("plain"), "invalid_request"),
            ("scope", Some("mcp:admin"), "invalid_scope"),
            ("scope", Some("mcp:read mcp:rea"), "invalid_scope"),
            ("resource", None, "invalid_target"),
            ("resource", Some("https://other.example/mcp"), "invalid_target"),
            ("resource", Some("https://mcp.example.com/"), "invalid_target"),
            ("resource", Some("https://mcp.example.com/mcp/"), "invalid_target"),
        ] {
            let answer = visit.open(&changed(name, value)).await;
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{name}={value:?}");
            let query = answer.reply();
            assert_eq!(query["error"], error, "{name}={value:?}");
            assert_eq!(query["state"], "client state");
            assert_eq!(query["iss"], "https://auth.example.com");
            assert!(!query.contains_key("code"));
        }
        for (name, value) in [("state", "2"), ("code_challenge", CHALLENGE), ("scope", "mcp:read")]
        {
            let twice = [request(), vec![(name, value)]].concat();
            assert_eq!(visit.open(&twice).await.reply()["error"], "invalid_request", "{name}");
        }
        let other = [request(), vec![("resource", "https://other.example/mcp")]].concat();
        assert_eq!(visit.open(&other).await.reply()["error"], "invalid_target");
        let same = [request(), vec![("resource", "https://mcp.example.com/mcp")]].concat();
        assert_eq!(visit.open(&same).await.status, StatusCode::OK);
    }

    #[tokio::test]
    async fn nobody_is_sent_on_to_a_website_without_being_asked() {
        let visit = Visit::start().await;
        let website = "https://looks-like.example/login?x=%22%3E";
        visit.keep_client(|client| client.redirect_uris.push(website.to_owned())).await;
        let mut asked = changed("redirect_uri", Some(website));
        assert_eq!(visit.open(&asked).await.status, StatusCode::OK);
        asked.retain(|(name, _)| *name != "scope");
        asked.push(("scope", "mcp:admin"));
        let page = visit.open(&asked).await;
        assert_eq!((page.status, page.location()), (StatusCode::BAD_REQUEST, None));
        assert!(!page.headers.contains_key("refresh") && !page.body.contains("http-equiv"));
        let link =
            "<a href=\"https://looks-like.example/login?x=%22%3E&amp;error=invalid_scope&amp;";
        assert!(page.body.contains(link), "{}", page.body);
        assert!(page.body.contains("Go on to <strong>looks-like.example</strong>"));
        assert!(page.body.contains("state=client+state&amp;iss="));
    }

    #[tokio::test]
    async fn scopes_for_other_servers_are_dropped_and_the_first_is_the_default() {
        let visit = Visit::start().await;
        for (asked, shown) in [
            (
                Some("openid profile email offline_access mcp:write"),
                "<li><code>mcp:write</code></li>",
            ),
            (Some("openid"), "<li><code>mcp:read</code></li>"),
            (Some("mcp:read mcp:read"), "<ul><li><code>mcp:read</code></li></ul>"),
            (None, "<ul><li><code>mcp:read</code></li></ul>"),
        ] {
            let page = visit.open(&changed("scope", asked)).await;
            assert!(page.body.contains(shown), "{asked:?}: {}", page.body);
            assert!(!page.body.contains("openid"));
        }
    }

    #[tokio::test]
    async fn a_form_becomes_a_get() {
        let visit = Visit::start().await;
        let answer = visit.send("POST", "/authorize", &request()).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        let location = answer.location().unwrap();
        assert_eq!(
            (location.host_str(), location.path()),
            (Some("auth.example.com"), "/authorize")
        );
        let query: Vec<(String, String)> = location.query_pairs().into_owned().collect();
        let query: Vec<(&str, &str)> =
            query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(query, request());
        let state = "s".repeat(9000);
        let long = changed("state", Some(&state));
        assert_eq!(visit.send("POST", "/authorize", &long).await.status, StatusCode::BAD_REQUEST);
    }
}
