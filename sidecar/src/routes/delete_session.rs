//! `DELETE /v1/sessions/{session_id}`

use axum::{extract::State, http::StatusCode};

use super::{Internal, extract::Id};
use crate::error::Refusal;

pub(super) async fn answer(
    State(internal): State<Internal>,
    Id(id): Id,
) -> Result<StatusCode, Refusal> {
    internal.sessions.revoke(&id).await?;
    metrics::counter!("mcp_auth_revocations_total", "of" => "session").increment(1);
    tracing::info!(session_id = %id, "revoked a session");
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::super::testing::{ID, Server, report};

    #[tokio::test]
    async fn a_revoked_session_is_told_with_the_time() {
        let server = Server::start().await;
        let address = format!("/v1/sessions/{ID}");
        server.put(ID, &report(server.now() + 100)).await;
        assert_eq!(server.delete(&address).await.0, StatusCode::NO_CONTENT);
        assert_eq!(server.delete(&address).await.0, StatusCode::NO_CONTENT);
        let (status, session) = server.get(&address).await;
        assert_eq!(status, StatusCode::OK);
        assert!(session["revoked_at"].as_u64().unwrap().abs_diff(server.now()) < 5);
    }

    #[tokio::test]
    async fn a_session_never_seen_reads_back_as_its_revocation_alone() {
        let server = Server::start().await;
        let address = format!("/v1/sessions/{ID}");
        assert_eq!(server.delete(&address).await.0, StatusCode::NO_CONTENT);
        let (_, session) = server.get(&address).await;
        let members: Vec<&String> = session.as_object().unwrap().keys().collect();
        assert_eq!(members, ["revoked_at", "session_id"]);
    }
}
