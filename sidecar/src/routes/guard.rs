//! Who may call: holders of the token, and no web page of somebody else.

use axum::{
    extract::{Request, State},
    http::HeaderMap,
    middleware::Next,
    response::Response,
};

use super::Internal;
use crate::error::Refusal;

/// Asks for the bearer token, if there is one.
pub(super) async fn bearer(
    State(internal): State<Internal>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    match &internal.tokens {
        Some(tokens) if !tokens.is_borne_by(request.headers()) => Err(Refusal::Unauthenticated),
        Some(_) | None => Ok(next.run(request).await),
    }
}

/// Refuses what a browser sends on behalf of another site. Without a token the listener is on
/// loopback, where any page the operator visits could reach it, also under a name of its own that
/// it lets point there. Browsers do not mark what a page asks of its own site without TLS, so then
/// nobody may ask under a name that a stranger's name server could answer for.
pub(super) async fn same_origin(
    State(internal): State<Internal>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let headers = request.headers();
    let site = text(headers, "sec-fetch-site");
    let origin = text(headers, "origin");
    let host = text(headers, "host").unwrap_or_default();
    let changes = !matches!(request.method().as_str(), "GET" | "HEAD" | "OPTIONS");
    let foreign_site = matches!(site, Some("cross-site" | "same-site"));
    let foreign_origin = origin.is_some_and(|origin| !is_at(origin, host));
    if foreign_origin || (foreign_site && changes) {
        return Err(Refusal::Forbidden("this was sent by a page of another site"));
    }
    let from_browser = site.is_some() || origin.is_some();
    let may_be_a_strangers = !is_literal(host) && (from_browser || host.contains('.'));
    if internal.tokens.is_none() && may_be_a_strangers {
        return Err(Refusal::Forbidden("without a token, open this by its address"));
    }
    Ok(next.run(request).await)
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"))
}

fn is_at(origin: &str, host: &str) -> bool {
    origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) == Some(host)
}

/// `localhost` or an IP address, neither of which a stranger's name server answers for.
fn is_literal(host: &str) -> bool {
    url::Url::parse(&format!("http://{host}")).is_ok_and(|url| match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(_) | url::Host::Ipv6(_)) => true,
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use super::super::testing::Server;

    #[tokio::test]
    async fn only_the_exact_token_opens_the_api() {
        let server = Server::with_token("open-sesame").await;
        let with = |value: &'static str| server.send_with("GET", "/v1/sessions", value);
        for wrong in ["", "Bearer", "Bearer open-sesam", "Bearer open-sesame2", "Basic open-sesame"]
        {
            let (status, body) = with(wrong).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{wrong}");
            assert_eq!(body["error"], "invalid_token");
        }
        assert_eq!(with("Bearer open-sesame").await.0, StatusCode::OK);
        assert_eq!(with("bearer open-sesame").await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn health_needs_no_token_and_metrics_do() {
        let server = Server::with_token("open-sesame").await;
        assert_eq!(server.get("/healthz").await.0, StatusCode::OK);
        assert_eq!(server.get("/readyz").await.0, StatusCode::OK);
        assert_eq!(server.get("/metrics").await.0, StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn pages_of_other_sites_are_refused() {
        let server = Server::start().await;
        let host = server.host();
        let own = format!("http://{host}");
        for (headers, status) in [
            (vec![("origin", "https://evil.example")], StatusCode::FORBIDDEN),
            (vec![("sec-fetch-site", "cross-site")], StatusCode::FORBIDDEN),
            (
                vec![("host", "evil.example"), ("sec-fetch-site", "same-origin")],
                StatusCode::FORBIDDEN,
            ),
            (vec![("host", "evil.example")], StatusCode::FORBIDDEN),
            (vec![("host", "evil.example:8082")], StatusCode::FORBIDDEN),
            (vec![("host", "mcp-auth")], StatusCode::NO_CONTENT),
            (
                vec![("origin", own.as_str()), ("sec-fetch-site", "same-origin")],
                StatusCode::NO_CONTENT,
            ),
        ] {
            let request = server.request("DELETE", "/v1/sessions/0123456789abcdef");
            let request = headers
                .iter()
                .fold(request, |request, (name, value)| request.header(*name, *value));
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), status, "{headers:?}");
        }
        let (_, body) = server.get("/v1/revocations").await;
        assert_eq!(body["entries"].as_array().map(Vec::len), Some(1), "{}", json!(body));
    }
}
