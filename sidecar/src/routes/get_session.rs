//! `GET /v1/sessions/{session_id}`

use auth_core::session::KnownSession;
use axum::{Json, extract::State};

use super::{Internal, extract::Id};
use crate::error::Refusal;

pub(super) async fn answer(
    State(internal): State<Internal>,
    Id(id): Id,
) -> Result<Json<KnownSession>, Refusal> {
    internal.sessions.get(&id).await?.map(Json).ok_or(Refusal::UnknownSession)
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use super::super::testing::{ID, Server, report};

    #[tokio::test]
    async fn a_recorded_session_is_told_whole() {
        let server = Server::start().await;
        let expires_at = server.now() + 100;
        let (_, put) = server.put(ID, &report(expires_at)).await;
        let (status, got) = server.get(&format!("/v1/sessions/{ID}")).await;
        assert_eq!((status, &got), (StatusCode::OK, &put));
        let created_at = got["created_at"].as_u64().unwrap();
        assert!(created_at.abs_diff(server.now()) < 5);
        let whole = json!({
            "session_id": ID, "user_id": "alice-1", "username": "alice", "issuer": "https://idp/",
            "token_issuer": null, "subject": null, "client_id": "client",
            "scopes": ["mcp:read"], "created_at": created_at, "last_seen_at": created_at,
            "expires_at": expires_at, "revoked_at": null,
        });
        assert_eq!(got, whole);
    }

    #[tokio::test]
    async fn unknown_sessions_are_404_and_other_texts_400() {
        let server = Server::start().await;
        let (status, body) = server.get(&format!("/v1/sessions/{ID}")).await;
        assert_eq!((status, &body["error"]), (StatusCode::NOT_FOUND, &json!("not_found")));
        for id in ["short", "has%2Fslash-has-slash", "%FF%FF%FF%FF-0123456789abcdef"] {
            let (status, body) = server.get(&format!("/v1/sessions/{id}")).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{id}");
            assert_eq!(body["error"], "invalid_request");
        }
    }

    #[tokio::test]
    async fn unknown_addresses_and_methods_are_answered_in_json() {
        let server = Server::start().await;
        let (status, body) = server.get("/v1/nothing").await;
        assert_eq!((status, &body["error"]), (StatusCode::NOT_FOUND, &json!("not_found")));
        for (method, path, allowed) in [
            ("POST", format!("/v1/sessions/{ID}"), "GET,HEAD,PUT,DELETE"),
            ("PUT", "/v1/sessions".to_owned(), "GET,HEAD,DELETE"),
            ("DELETE", "/v1/revocations".to_owned(), "GET,HEAD"),
            ("POST", "/healthz".to_owned(), "GET,HEAD"),
        ] {
            let response = server.request(method, &path).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_eq!(response.headers()["allow"], allowed);
            let body: serde_json::Value = response.json().await.unwrap();
            assert_eq!(body["error"], "method_not_allowed");
        }
    }
}
