//! `/logout`: ends the login at the provider in this browser (RP-Initiated Logout §2), where the
//! provider offers that. Nothing is remembered of it here: logins of clients go on.

use axum::{extract::State, http::HeaderMap, response::Response};

use crate::oauth::{
    AuthorizationServer,
    error::OAuthError,
    pages,
    reply::{Refused, see_other},
    routes::consent::sent_by_us,
};

/// Where the provider sends the browser afterwards.
const DONE: &str = "/logout/done";

/// Asks first, so that no other site logs anybody out by a link.
pub(super) async fn ask(State(server): State<AuthorizationServer>) -> Response {
    match server.provider.logout_url(&server.endpoint(DONE)).await {
        Some(place) => {
            pages::logout::ask(&server.config.brand, &server.endpoint("/logout"), &place)
        }
        None => Refused::Page(OAuthError::UnknownAddress).answer(&server),
    }
}

/// Sends the browser to the provider, if a page of ours asked.
pub(super) async fn answer(
    State(server): State<AuthorizationServer>,
    headers: HeaderMap,
) -> Response {
    if let Err(refused) = sent_by_us(&headers, server.config.url.url()) {
        return refused.answer(&server);
    }
    match server.provider.logout_url(&server.endpoint(DONE)).await {
        Some(place) => see_other(place.as_str()),
        None => Refused::Page(OAuthError::UnknownAddress).answer(&server),
    }
}

/// Says that it is done.
pub(super) async fn done(State(server): State<AuthorizationServer>) -> Response {
    pages::logout::done(&server.config.brand)
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use crate::oauth::testing::logins::Visit;

    #[tokio::test]
    async fn users_are_asked_and_then_logged_out_at_the_provider() {
        let visit = Visit::start().await;
        let page = visit.send("GET", "/logout", &[]).await;
        assert!(page.body.contains("Log out?"));
        let answer = visit.send("POST", "/logout", &[]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        let place = answer.location().unwrap();
        assert_eq!(place.path(), "/logout");
        assert_eq!(answer.reply()["client_id"], "client");
        let done = &answer.reply()["post_logout_redirect_uri"];
        assert_eq!(done, "https://auth.example.com/logout/done");
        let done = visit.send("GET", "/logout/done", &[]).await;
        assert!(done.body.contains("You are logged out"));
    }

    #[tokio::test]
    async fn no_other_site_logs_anybody_out() {
        let visit = Visit::start().await;
        for foreign in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
            let answer = visit.send_with("POST", "/logout", &[], &[foreign]).await;
            assert_eq!((answer.status, answer.location()), (StatusCode::FORBIDDEN, None));
        }
    }

    #[tokio::test]
    async fn where_the_provider_has_no_logout_there_is_none() {
        let visit = Visit::start().await;
        visit.provider.says().metadata = json!({"end_session_endpoint": null});
        let page = visit.send("GET", "/logout", &[]).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
        assert!(page.header("content-type").starts_with("text/html"));
    }
}
