//! `PUT /v1/sessions/{session_id}`

use auth_core::session::{Session, SessionReport};
use axum::{Json, extract::State, http::StatusCode};

use super::{
    Internal,
    extract::{Body, Id},
};
use crate::error::Refusal;

pub(super) async fn answer(
    State(internal): State<Internal>,
    Id(id): Id,
    Body(report): Body<SessionReport>,
) -> Result<(StatusCode, Json<Session>), Refusal> {
    let (session, is_new) = internal.sessions.put(&id, report).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(session)))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::{Value, json};

    use super::super::testing::{ID, Server, report};

    #[tokio::test]
    async fn a_session_is_created_and_then_refreshed() {
        let server = Server::start().await;
        let body = report(server.now() + 100);
        assert_eq!(server.put(ID, &body).await.0, StatusCode::CREATED);
        let (status, first) = server.put(ID, &body).await;
        assert_eq!(status, StatusCode::OK);
        // What was read may be written back.
        assert_eq!(server.put(ID, &first).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn times_of_the_caller_are_ignored() {
        let server = Server::start().await;
        let mut body = report(server.now() + 100);
        body["created_at"] = json!("yesterday");
        body["last_seen_at"] = json!(1);
        body["revoked_at"] = json!(1);
        let (status, session) = server.put(ID, &body).await;
        assert_eq!(status, StatusCode::CREATED);
        assert!(session["created_at"].as_u64().unwrap() > 1);
        assert_eq!(session["revoked_at"], Value::Null);
    }

    #[tokio::test]
    async fn bad_bodies_are_refused_and_change_nothing() {
        let server = Server::start().await;
        let end = server.now() + 100;
        assert_eq!(server.put(ID, &report(end)).await.0, StatusCode::CREATED);
        for (member, value) in [
            ("user_id", Value::Null),
            ("user_id", json!(7)),
            ("user_id", json!("")),
            ("issuer", json!(["https://idp/"])),
            ("expires_at", json!("tomorrow")),
            ("expires_at", json!(1.5)),
            ("expires_at", json!(-1)),
            ("expires_at", json!(1)),
            ("expires_at", json!(u64::MAX)),
            ("scopes", json!("mcp:read")),
            ("scopes", json!([1])),
            ("client_id", json!({})),
            ("session_id", json!("another-0123456789")),
        ] {
            let mut body = report(end + 1);
            body[member] = value.clone();
            let (status, answer) = server.put(ID, &body).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{member}: {value}");
            assert_eq!(answer["error"], "invalid_request");
        }
        for text in ["", "{", "[]", "null", "\u{0}"] {
            let request = server.request("PUT", &format!("/v1/sessions/{ID}"));
            let response = request.body(text).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{text}");
        }
        let (_, session) = server.get(&format!("/v1/sessions/{ID}")).await;
        assert_eq!(session["expires_at"], end);
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_413() {
        let server = Server::start().await;
        let mut body = report(server.now() + 100);
        body["username"] = json!("x".repeat(65 * 1024));
        let (status, answer) = server.put(ID, &body).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(answer["error"], "payload_too_large");
    }

    #[tokio::test]
    async fn conflicts_are_409() {
        let server = Server::start().await;
        let body = report(server.now() + 100);
        server.put(ID, &body).await;
        for (member, code) in [("user_id", "conflict"), ("issuer", "conflict")] {
            let mut other = body.clone();
            other[member] = json!("https://other/");
            let (status, answer) = server.put(ID, &other).await;
            assert_eq!((status, &answer["error"]), (StatusCode::CONFLICT, &json!(code)));
        }
        server.delete(&format!("/v1/sessions/{ID}")).await;
        let (status, answer) = server.put(ID, &body).await;
        assert_eq!((status, &answer["error"]), (StatusCode::CONFLICT, &json!("session_revoked")));
    }
}
