//! `GET /v1/sessions`

use auth_core::session::Session;
use axum::{Json, extract::State};
use serde::Serialize;

use super::{
    Internal,
    extract::{Query, malformed},
};
use crate::{error::Refusal, sessions::PAGE};

const DEFAULT_LIMIT: usize = 100;

#[derive(Serialize)]
pub(super) struct Answer {
    sessions: Vec<Session>,
    next_cursor: Option<String>,
}

pub(super) async fn answer(
    State(internal): State<Internal>,
    mut query: Query,
) -> Result<Json<Answer>, Refusal> {
    let holder = query.take_holder()?;
    let cursor = query.take("cursor")?;
    let limit = limit(query.take("limit")?.as_deref())?;
    query.finish()?;
    let listing = internal.sessions.list(holder.as_ref(), cursor.as_deref(), limit).await?;
    Ok(Json(Answer { sessions: listing.sessions, next_cursor: listing.next_cursor }))
}

fn limit(text: Option<&str>) -> Result<usize, Refusal> {
    let Some(text) = text else { return Ok(DEFAULT_LIMIT) };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(limit) if digits && (1..=PAGE).contains(&limit) => Ok(limit),
        _ => Err(malformed("limit must be a number from 1 to 1000")),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use super::super::testing::{Server, report};

    #[tokio::test]
    async fn pages_follow_each_other_to_the_end() {
        let server = Server::start().await;
        for number in 0..5 {
            let mut body = report(server.now() + 100);
            body["user_id"] = json!(if number == 4 { "bob" } else { "alice" });
            server.put(&format!("session-{number}-012345678"), &body).await;
        }
        let (_, first) = server.get("/v1/sessions?user_id=alice&limit=3").await;
        assert_eq!(first["sessions"].as_array().unwrap().len(), 3);
        let cursor = first["next_cursor"].as_str().unwrap();
        let address = format!("/v1/sessions?user_id=alice&limit=3&cursor={cursor}");
        let (_, second) = server.get(&address).await;
        assert_eq!(second["sessions"].as_array().unwrap().len(), 1);
        assert_eq!(second["next_cursor"], json!(null));
        let (_, all) = server.get("/v1/sessions").await;
        assert_eq!(all["sessions"].as_array().unwrap().len(), 5);
        let (_, of_client) = server.get("/v1/sessions?client_id=client").await;
        assert_eq!(of_client, all);
    }

    #[tokio::test]
    async fn bad_queries_are_refused() {
        let server = Server::start().await;
        for query in [
            "limit=0",
            "limit=1001",
            "limit=-1",
            "limit=%2B1",
            "limit=ten",
            "limit=",
            "limit=1&limit=2",
            "cursor=",
            "cursor=nonsense",
            "user_id=",
            "user_id=a&client_id=b",
            "userid=a",
        ] {
            let (status, body) = server.get(&format!("/v1/sessions?{query}")).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
            assert_eq!(body["error"], "invalid_request");
        }
        for limit in ["1", "1000"] {
            let (status, _) = server.get(&format!("/v1/sessions?limit={limit}")).await;
            assert_eq!(status, StatusCode::OK);
        }
    }
}
