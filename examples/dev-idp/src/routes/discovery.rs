//! `GET /.well-known/openid-configuration` and its RFC 8414 alias: what this provider can do.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::{Value, json};

use crate::app::App;

/// The metadata document: OpenID Connect Discovery section 3, RFC 8414 section 2.
pub(crate) async fn document(State(app): State<Arc<App>>) -> Json<Value> {
    let issuer = &app.config.issuer;
    let auth_methods = json!(["client_secret_basic", "client_secret_post", "none"]);
    Json(json!({
        "issuer": issuer.as_str(),
        "authorization_endpoint": issuer.endpoint("/authorize"),
        "token_endpoint": issuer.endpoint("/oauth/token"),
        "userinfo_endpoint": issuer.endpoint("/userinfo"),
        "revocation_endpoint": issuer.endpoint("/oauth/revoke"),
        "end_session_endpoint": issuer.endpoint("/oidc/logout"),
        "jwks_uri": issuer.endpoint("/.well-known/jwks.json"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": auth_methods.clone(),
        "revocation_endpoint_auth_methods_supported": auth_methods,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "sid",
            "email", "email_verified", "name", "nickname", "preferred_username",
        ],
        "authorization_response_iss_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    }))
}

#[cfg(test)]
mod tests {
    use crate::testing::Idp;

    #[tokio::test]
    async fn both_addresses_serve_the_same_document() {
        let idp = Idp::new();
        let oidc = idp.get("/.well-known/openid-configuration").await;
        let oauth = idp.get("/.well-known/oauth-authorization-server").await;
        assert_eq!(oidc.body, oauth.body);
        insta::assert_snapshot!(serde_json::to_string_pretty(&oidc.json()).unwrap());
    }

    #[tokio::test]
    async fn a_script_in_a_browser_may_read_it_but_not_turn_knobs() {
        let idp = Idp::new();
        let allowed = idp.get("/.well-known/openid-configuration").await;
        assert_eq!(allowed.headers["access-control-allow-origin"], "*");
        let stats = idp.get("/dev/stats").await;
        assert_eq!(stats.headers.get("access-control-allow-origin"), None);
    }
}
