//! `GET` and `PUT /v1/mcp-sessions/{key}`

use auth_core::mcp::session::Binding;
use axum::{Json, extract::State, http::StatusCode};

use super::{
    Internal,
    extract::{Body, Id},
};
use crate::error::Refusal;

pub(super) async fn owner(
    State(internal): State<Internal>,
    Id(id): Id,
) -> Result<Json<Binding>, Refusal> {
    internal.mcp_sessions.owner(&id).await?.map(Json).ok_or(Refusal::UnknownSession)
}

pub(super) async fn bind(
    State(internal): State<Internal>,
    Id(id): Id,
    Body(binding): Body<Binding>,
) -> Result<(StatusCode, Json<Binding>), Refusal> {
    let is_new = internal.mcp_sessions.bind(&id, binding.owner).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(binding)))
}

#[cfg(test)]
mod tests {
    use auth_core::mcp::session::Owner;
    use axum::http::StatusCode;
    use serde_json::{Value, json};

    use super::super::testing::{ID, Server};

    #[tokio::test]
    async fn the_first_to_say_so_owns_a_session() {
        let server = Server::start().await;
        let (alice, bob) = (body("alice"), body("bob"));
        assert_eq!(server.get(&path(ID)).await.0, StatusCode::NOT_FOUND);
        assert_eq!(put(&server, ID, &alice).await.0, StatusCode::CREATED);
        assert_eq!(put(&server, ID, &alice).await.0, StatusCode::OK);
        let (status, answer) = put(&server, ID, &bob).await;
        assert_eq!((status, &answer["error"]), (StatusCode::CONFLICT, &json!("conflict")));
        assert_eq!(server.get(&path(ID)).await, (StatusCode::OK, alice));
        assert_eq!(put(&server, "fedcba9876543210", &bob).await.0, StatusCode::CREATED);
    }

    #[tokio::test]
    async fn of_many_who_come_at_once_one_owns_it() {
        let server = Server::start().await;
        let bodies: Vec<Value> = (0..20).map(|nth| body(&nth.to_string())).collect();
        let requests: Vec<_> = bodies
            .iter()
            .map(|body| tokio::spawn(server.request("PUT", &path(ID)).json(body).send()))
            .collect();
        let mut statuses = Vec::new();
        for request in requests {
            statuses.push(request.await.unwrap().unwrap().status());
        }
        let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
        assert_eq!(count(StatusCode::CREATED), 1);
        assert_eq!(count(StatusCode::CONFLICT), 19);
        let winner = statuses.iter().position(|status| *status == StatusCode::CREATED);
        assert_eq!(server.get(&path(ID)).await.1, bodies[winner.expect("one was first")]);
    }

    #[tokio::test]
    async fn what_is_no_owner_or_no_key_is_refused() {
        let server = Server::start().await;
        for bad in [json!({}), json!({"owner": 1}), json!({"owner": ""}), json!({"owner": "alice"})]
        {
            assert_eq!(put(&server, ID, &bad).await.0, StatusCode::BAD_REQUEST, "{bad}");
        }
        assert_eq!(put(&server, "short", &body("a")).await.0, StatusCode::BAD_REQUEST);
        assert_eq!(server.get(&path(ID)).await.0, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn it_needs_the_token_and_takes_no_other_method() {
        let server = Server::with_token("open-sesame").await;
        assert_eq!(server.get(&path(ID)).await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(put(&server, ID, &body("a")).await.0, StatusCode::UNAUTHORIZED);
        let (status, _) = server.send_with("DELETE", &path(ID), "Bearer open-sesame").await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    }

    async fn put(server: &Server, id: &str, body: &Value) -> (StatusCode, Value) {
        server.put_at(&path(id), body).await
    }

    fn path(id: &str) -> String {
        format!("/v1/mcp-sessions/{id}")
    }

    fn body(subject: &str) -> Value {
        json!({"owner": Owner::new("https://idp/", subject).to_string()})
    }
}
