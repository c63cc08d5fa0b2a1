//! `GET /jwks.json` (RFC 7517 §5): what access tokens are verified with.

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use crate::oauth::AuthorizationServer;

/// How long it may be cached. A key that is to sign is published for longer before it does: it is
/// listed second first.
const CACHED: &str = "public, max-age=300";

pub(super) async fn answer(State(server): State<AuthorizationServer>) -> Response {
    ([(header::CACHE_CONTROL, CACHED)], Json(server.signing.published())).into_response()
}

#[cfg(test)]
mod tests {
    use crate::oauth::testing::TestServer;

    #[tokio::test]
    async fn the_public_keys_are_published_for_anybody_to_cache() {
        let secrets = format!("{},{}", "01".repeat(32), "02".repeat(32));
        let test = TestServer::with(&[("JWT_SIGNING_KEY", &secrets)]).await;
        let answer = test.request("GET", "/jwks.json").header("origin", "https://x.example");
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.headers()["cache-control"], "public, max-age=300");
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        assert_eq!(answer.headers()["content-type"], "application/json");
        let published: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(published, test.server.signing.published());
        let keys = published["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 2);
        assert!(keys.iter().all(|key| key.get("d").is_none()));
    }
}
