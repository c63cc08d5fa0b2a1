//! `GET /.well-known/oauth-authorization-server` (RFC 8414) and its OpenID alias.

use auth_core::algorithm::Algorithm;
use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use crate::{config::values::GivenUrl, oauth::AuthorizationServer};

/// A changed configuration is known to everybody after so long.
const CACHED: &str = "public, max-age=300";

pub(super) async fn oauth(State(server): State<AuthorizationServer>) -> Response {
    answer(document(&server))
}

/// The same for clients that look for OpenID discovery only: they insist on two members that say
/// nothing here, because there are no ID tokens.
pub(super) async fn openid(State(server): State<AuthorizationServer>) -> Response {
    let mut document = document(&server);
    document.insert("subject_types_supported".to_owned(), json!(["public"]));
    document.insert("id_token_signing_alg_values_supported".to_owned(), json!(["ES256"]));
    answer(document)
}

fn answer(document: Map<String, Value>) -> Response {
    ([(header::CACHE_CONTROL, CACHED)], Json(document)).into_response()
}

fn document(server: &AuthorizationServer) -> Map<String, Value> {
    let config = &server.config;
    let endpoint = |path: &str| json!(server.endpoint(path));
    let resources: Vec<_> = config.resources.iter().map(GivenUrl::as_str).collect();
    let authentication = json!(["none", "private_key_jwt"]);
    let algorithms = json!(Algorithm::DEFAULT.map(Algorithm::name));
    let mut document = Map::new();
    let mut put = |name: &str, value: Value| {
        document.insert(name.to_owned(), value);
    };
    put("issuer", json!(config.url.as_str()));
    put("authorization_endpoint", endpoint("/authorize"));
    put("token_endpoint", endpoint("/token"));
    put("token_endpoint_auth_methods_supported", authentication.clone());
    put("token_endpoint_auth_signing_alg_values_supported", algorithms.clone());
    put("registration_endpoint", endpoint("/register"));
    put("revocation_endpoint", endpoint("/revoke"));
    put("revocation_endpoint_auth_methods_supported", authentication);
    put("revocation_endpoint_auth_signing_alg_values_supported", algorithms);
    if server.tokens.is_some() {
        put("introspection_endpoint", endpoint("/introspect"));
        put("introspection_endpoint_auth_methods_supported", json!(["Bearer"]));
    }
    put("jwks_uri", endpoint("/jwks.json"));
    put("scopes_supported", json!(config.scopes));
    put("response_types_supported", json!(["code"]));
    put("response_modes_supported", json!(["query"]));
    put("grant_types_supported", json!(["authorization_code", "refresh_token"]));
    put("code_challenge_methods_supported", json!(["S256"]));
    put("authorization_response_iss_parameter_supported", json!(true));
    put("client_id_metadata_document_supported", json!(true));
    put("protected_resources", json!(resources));
    document
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use crate::oauth::testing::TestServer;

    #[tokio::test]
    async fn the_document_is_complete() {
        let test = TestServer::start().await;
        let (status, document) = test.get("/.well-known/oauth-authorization-server").await;
        assert_eq!(status, StatusCode::OK);
        insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
    }

    #[tokio::test]
    async fn openid_clients_find_what_they_insist_on() {
        let test = TestServer::start().await;
        let (_, mut openid) = test.get("/.well-known/openid-configuration").await;
        let (_, oauth) = test.get("/.well-known/oauth-authorization-server").await;
        let openid = openid.as_object_mut().unwrap();
        assert!(openid.remove("subject_types_supported").is_some());
        assert!(openid.remove("id_token_signing_alg_values_supported").is_some());
        assert_eq!(&*openid, oauth.as_object().unwrap());
    }

    #[tokio::test]
    async fn an_issuer_with_a_path_is_found_in_every_place_that_clients_try() {
        for issuer in ["https://gateway.example/login/x", "https://gateway.example/login/x/"] {
            let test = TestServer::with(&[("MCP_AUTH_URL", issuer)]).await;
            for place in [
                "/.well-known/oauth-authorization-server/login/x",
                "/.well-known/openid-configuration/login/x",
                "/login/x/.well-known/openid-configuration",
                "/login/x/.well-known/oauth-authorization-server",
                "/.well-known/oauth-authorization-server",
            ] {
                let (status, document) = test.get(place).await;
                assert_eq!(status, StatusCode::OK, "{place}");
                assert_eq!(document["issuer"], issuer);
                assert_eq!(document["token_endpoint"], "https://gateway.example/login/x/token");
            }
        }
    }

    #[tokio::test]
    async fn a_trailing_slash_of_the_issuer_is_kept_byte_for_byte() {
        let test = TestServer::with(&[("MCP_AUTH_URL", "https://auth.example.com/")]).await;
        let (_, document) = test.get("/.well-known/oauth-authorization-server").await;
        assert_eq!(document["issuer"], "https://auth.example.com/");
        assert_eq!(document["token_endpoint"], "https://auth.example.com/token");
    }

    #[tokio::test]
    async fn without_a_token_there_is_no_introspection() {
        let with = TestServer::with(&[("MCP_AUTH_TOKEN", "t")]).await;
        let (_, document) = with.get("/.well-known/oauth-authorization-server").await;
        assert_eq!(document["introspection_endpoint"], "https://auth.example.com/introspect");
    }
}
