//! `GET /dev/stats`: how often each endpoint was asked.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};

use crate::{app::App, fault::Endpoint};

/// Counts since the start; an endpoint that was never asked is not named.
pub(crate) async fn show(State(app): State<Arc<App>>) -> Json<BTreeMap<Endpoint, u64>> {
    Json(app.endpoints.requests())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::{AUTHORIZE, Idp};

    #[tokio::test]
    async fn requests_are_counted_by_endpoint_faulty_ones_too() {
        let idp = Idp::new();
        idp.tokens(AUTHORIZE, "alice").await;
        idp.post_json("/dev/fault", &json!({"endpoint": "jwks", "mode": "fail"})).await;
        idp.get("/.well-known/jwks.json").await;
        let counted = json!({"authorize": 1, "jwks": 1, "login": 2, "token": 1});
        assert_eq!(idp.get("/dev/stats").await.json(), counted);
    }
}
