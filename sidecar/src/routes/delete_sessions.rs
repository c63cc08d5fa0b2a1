//! `DELETE /v1/sessions`

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{
    Internal,
    extract::{Query, malformed},
};
use crate::{error::Refusal, store::Holder};

pub(super) async fn answer(
    State(internal): State<Internal>,
    mut query: Query,
) -> Result<Json<Value>, Refusal> {
    let holder = query.take_holder()?.ok_or_else(|| malformed("user_id or client_id is needed"))?;
    query.finish()?;
    let revoked = internal.sessions.revoke_all(&holder).await?;
    let of = match &holder {
        Holder::User(id) => {
            tracing::info!(user_id = id, revoked, "revoked a user");
            "user"
        }
        Holder::Client(id) => {
            tracing::info!(client_id = id, revoked, "revoked a client");
            "client"
        }
    };
    metrics::counter!("mcp_auth_revocations_total", "of" => of).increment(1);
    Ok(Json(json!({"revoked": revoked})))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use super::super::testing::{ID, Server, report};

    #[tokio::test]
    async fn all_sessions_of_a_user_or_client_are_revoked() {
        let server = Server::start().await;
        for filter in ["user_id=alice-1", "client_id=client"] {
            let id = format!("{}-0123456789abcdef", filter.len());
            server.put(&id, &report(server.now() + 100)).await;
            let (status, body) = server.delete(&format!("/v1/sessions?{filter}")).await;
            assert_eq!((status, body), (StatusCode::OK, json!({"revoked": 1})));
            let (_, session) = server.get(&format!("/v1/sessions/{id}")).await;
            assert!(session["revoked_at"].is_u64());
        }
    }

    #[tokio::test]
    async fn both_filters_or_none_change_nothing() {
        let server = Server::start().await;
        server.put(ID, &report(server.now() + 100)).await;
        for query in ["", "?user_id=", "?user_id=alice-1&client_id=client", "?user_id=alice-1&x=y"]
        {
            let (status, _) = server.delete(&format!("/v1/sessions{query}")).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        }
        let (_, session) = server.get(&format!("/v1/sessions/{ID}")).await;
        assert_eq!(session["revoked_at"], json!(null));
    }
}
