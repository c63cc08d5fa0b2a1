//! `GET /healthz`: the provider is up.

/// Answers 200; there is nothing to wait for.
pub(crate) async fn ok() -> &'static str {
    "ok\n"
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use crate::testing::Idp;

    #[tokio::test]
    async fn health_is_answered() {
        assert_eq!(Idp::new().get("/healthz").await.status, StatusCode::OK);
    }
}
