//! `POST /register` (RFC 7591): anybody may register a client, so many times a minute.

use axum::{
    Json,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::oauth::{
    AuthorizationServer,
    client::Metadata,
    client_address::ClientAddress,
    error::OAuthError,
    params::{body, is_media_type},
};

pub(super) async fn answer(
    State(server): State<AuthorizationServer>,
    address: ClientAddress,
    request: Request,
) -> Result<Response, OAuthError> {
    server.registrations.check(address)?;
    if !is_media_type(request.headers(), "application/json") {
        let why = "the body must be application/json".to_owned();
        return Err(OAuthError::InvalidClientMetadata(why));
    }
    let metadata = Metadata::of_registration(&body(request).await?, &server.config.scopes)?;
    let mut told = metadata.registered();
    let client = server.clients.register(metadata).await?;
    tracing::info!(client_id = client.client_id, name = ?client.name, "a client has registered");
    told.insert("client_id".to_owned(), json!(client.client_id));
    told.insert("client_id_issued_at".to_owned(), json!(server.clock.now().secs()));
    let uncached = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, uncached, Json(told)).into_response())
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::{Value, json};

    use crate::oauth::{client::Authentication, testing::TestServer};

    const CALLBACK: &str = "http://127.0.0.1/callback";

    async fn register(test: &TestServer, metadata: &Value) -> (StatusCode, Value) {
        test.post_json("/register", metadata).await
    }

    #[tokio::test]
    async fn a_client_is_registered_and_found() {
        let test = TestServer::start().await;
        let metadata = json!({
            "redirect_uris": [CALLBACK, "https://app.example/callback"],
            "client_name": "  My\nApp\u{202e}  ",
            "scope": "openid mcp:write unknown",
            "application_type": "native",
            "token_endpoint_auth_method": "none",
            "grant_types": [
                "authorization_code", "refresh_token",
                "urn:ietf:params:oauth:grant-type:device_code",
            ],
            "response_types": ["code"],
            "contacts": ["someone@example.com"],
            "software_id": "x",
        });
        let (status, mut told) = register(&test, &metadata).await;
        assert_eq!(status, StatusCode::CREATED, "{told}");
        let client_id = told["client_id"].take();
        let client = test.server.clients.find(client_id.as_str().unwrap()).await.unwrap();
        assert_eq!(client.name.as_deref(), Some("My App"));
        assert_eq!(client.redirect_uris, [CALLBACK, "https://app.example/callback"]);
        assert_eq!(client.authentication, Authentication::None);
        insta::assert_snapshot!(serde_json::to_string_pretty(&told).unwrap());
    }

    #[tokio::test]
    async fn a_client_that_asks_for_a_secret_becomes_public_and_is_told_so() {
        let test = TestServer::start().await;
        for method in [None, Some("client_secret_basic"), Some("client_secret_post")] {
            let metadata =
                json!({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": method});
            let (status, told) = register(&test, &metadata).await;
            assert_eq!(status, StatusCode::CREATED);
            assert_eq!(told["token_endpoint_auth_method"], "none");
            assert!(told.get("client_secret").is_none());
        }
    }

    #[tokio::test]
    async fn a_client_may_register_its_keys() {
        let test = TestServer::start().await;
        let key = json!({
            "kty": "OKP", "crv": "Ed25519", "kid": "1",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        });
        let with = |extra: Value| {
            let mut metadata = json!({
                "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt",
            });
            metadata.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            metadata
        };
        let (status, told) = register(&test, &with(json!({"jwks": {"keys": [key]}}))).await;
        assert_eq!(status, StatusCode::CREATED, "{told}");
        assert_eq!(told["jwks"]["keys"][0]["kid"], "1");
        for bad in [
            json!({}),
            json!({"jwks": {"keys": []}}),
            json!({"jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}}),
            json!({"jwks": {"keys": [key]}, "jwks_uri": "https://app.example/jwks"}),
            json!({"jwks_uri": "http://app.example/jwks"}),
        ] {
            let (status, told) = register(&test, &with(bad.clone())).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}");
            assert_eq!(told["error"], "invalid_client_metadata");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_registered_is_refused_by_its_member() {
        let test = TestServer::start().await;
        let many = vec![CALLBACK; 33];
        for (metadata, error, member) in [
            (json!({}), "invalid_redirect_uri", "redirect_uris"),
            (json!({"redirect_uris": []}), "invalid_redirect_uri", "redirect_uris"),
            (json!({"redirect_uris": many}), "invalid_redirect_uri", "redirect_uris"),
            (
                json!({"redirect_uris": [CALLBACK, "http://evil.example/"]}),
                "invalid_redirect_uri",
                "redirect_uris[1]",
            ),
            (
                json!({"redirect_uris": [CALLBACK], "application_type": "web"}),
                "invalid_redirect_uri",
                "application_type",
            ),
            (json!({"redirect_uris": [1]}), "invalid_client_metadata", "the body"),
            (json!([]), "invalid_client_metadata", "the body"),
            (
                json!({"redirect_uris": [CALLBACK], "application_type": "x"}),
                "invalid_client_metadata",
                "application_type",
            ),
            (
                json!({"redirect_uris": [CALLBACK], "grant_types": ["client_credentials"]}),
                "invalid_client_metadata",
                "grant_types",
            ),
            (
                json!({"redirect_uris": [CALLBACK], "response_types": ["token"]}),
                "invalid_client_metadata",
                "response_types",
            ),
            (
                json!({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "client_secret_jwt"}),
                "invalid_client_metadata",
                "token_endpoint_auth_method",
            ),
        ] {
            let (status, told) = register(&test, &metadata).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{metadata}");
            assert_eq!(told["error"], error, "{metadata}");
            assert!(told["error_description"].as_str().unwrap().contains(member), "{told}");
        }
    }

    #[tokio::test]
    async fn bodies_are_json_and_not_too_long() {
        let test = TestServer::start().await;
        let body = json!({"redirect_uris": [CALLBACK]}).to_string();
        for (content_type, wanted) in [
            ("application/json; charset=utf-8", StatusCode::CREATED),
            ("text/plain", StatusCode::BAD_REQUEST),
        ] {
            let sent = test.request("POST", "/register").header("content-type", content_type);
            assert_eq!(sent.body(body.clone()).send().await.unwrap().status(), wanted);
        }
        let long = json!({"redirect_uris": [CALLBACK], "contacts": "x".repeat(16 * 1024)});
        assert_eq!(register(&test, &long).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn an_address_registers_so_many_clients_a_minute_behind_a_proxy_too() {
        let test = TestServer::with(&[("MCP_REGISTRATIONS_PER_MINUTE", "2")]).await;
        let metadata = json!({"redirect_uris": [CALLBACK]});
        let from = |address: &'static str| {
            let sent = test.request("POST", "/register").header("x-forwarded-for", address);
            sent.json(&metadata).send()
        };
        for wanted in [StatusCode::CREATED, StatusCode::CREATED, StatusCode::TOO_MANY_REQUESTS] {
            let answer = from("6.6.6.6, 198.51.100.1").await.unwrap();
            assert_eq!(answer.status(), wanted);
            assert_eq!(
                answer.headers().contains_key("retry-after"),
                wanted == StatusCode::TOO_MANY_REQUESTS
            );
        }
        // A forged first entry is no new address; another client has a bucket of its own.
        assert_eq!(from("7.7.7.7, 198.51.100.1").await.unwrap().status(), 429);
        assert_eq!(from("198.51.100.2").await.unwrap().status(), 201);
    }

    #[tokio::test]
    async fn the_store_sees_neither_the_client_nor_its_id() {
        let test = TestServer::start().await;
        let secret_name = "Very-Special-Name";
        let (_, told) =
            register(&test, &json!({"redirect_uris": [CALLBACK], "client_name": secret_name}))
                .await;
        let stored = test.stored_bytes();
        let contains = |text: &str| stored.windows(text.len()).any(|it| it == text.as_bytes());
        assert!(!contains(secret_name) && !contains(told["client_id"].as_str().unwrap()));
        assert!(contains("client:"));
    }
}
