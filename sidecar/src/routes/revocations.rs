//! `GET /v1/revocations`

use auth_core::revocation::RevocationPage;
use axum::{Json, extract::State};

use super::{Internal, extract::Query};
use crate::error::Refusal;

pub(super) async fn answer(
    State(internal): State<Internal>,
    mut query: Query,
) -> Result<Json<RevocationPage>, Refusal> {
    let after = query.take("after")?;
    query.finish()?;
    Ok(Json(internal.sessions.revocations(after.as_deref()).await?))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use super::super::testing::{ID, Server, report};

    #[tokio::test]
    async fn the_feed_tells_what_happened_after_the_cursor() {
        let server = Server::start().await;
        let (_, empty) = server.get("/v1/revocations").await;
        assert_eq!((&empty["more"], &empty["entries"]), (&json!(false), &json!([])));
        let end = server.now() + 100;
        server.put(ID, &report(end)).await;
        server.delete(&format!("/v1/sessions/{ID}")).await;
        server.delete("/v1/sessions?user_id=alice-1").await;
        let cursor = empty["cursor"].as_str().unwrap();
        let (_, page) = server.get(&format!("/v1/revocations?after={cursor}")).await;
        let entries = page["entries"].as_array().unwrap();
        assert_eq!(entries[0], json!({"session_id": ID, "expires_at": end}));
        assert_eq!(entries[1]["user_id"], "alice-1");
        let issued_before = entries[1]["issued_before"].as_u64().unwrap();
        assert!(issued_before.abs_diff(server.now()) < 5);
        assert_eq!(entries[1]["expires_at"], issued_before + 60);
        assert_eq!(entries.len(), 2);
    }

    #[tokio::test]
    async fn a_page_has_at_most_a_thousand_entries() {
        let server = Server::start().await;
        for number in 0..1001 {
            server.delete(&format!("/v1/sessions/{number:04}-0123456789abcdef")).await;
        }
        let (_, first) = server.get("/v1/revocations").await;
        assert_eq!(first["entries"].as_array().unwrap().len(), 1000);
        assert_eq!(first["more"], true);
        let cursor = first["cursor"].as_str().unwrap();
        let (_, second) = server.get(&format!("/v1/revocations?after={cursor}")).await;
        assert_eq!(second["entries"].as_array().unwrap().len(), 1);
        assert_eq!(second["more"], false);
    }

    #[tokio::test]
    async fn cursors_of_a_lost_store_are_gone_and_other_texts_refused() {
        let server = Server::start().await;
        let lost = Server::start().await;
        let (_, page) = lost.get("/v1/revocations").await;
        let cursor = page["cursor"].as_str().unwrap();
        let (status, body) = server.get(&format!("/v1/revocations?after={cursor}")).await;
        assert_eq!((status, &body["error"]), (StatusCode::GONE, &json!("cursor_gone")));
        for query in ["after=", "after=nonsense", "after=%00", "before=x"] {
            let (status, _) = server.get(&format!("/v1/revocations?{query}")).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        }
    }
}
