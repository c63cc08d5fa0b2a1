//! `GET /.well-known/jwks.json`: the keys that verify this provider's tokens, RFC 7517.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::Value;

use crate::app::App;

/// The key set. No caching header: a rotation is to be seen at once.
pub(crate) async fn document(State(app): State<Arc<App>>) -> Json<Value> {
    Json(app.keys().jwks())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::Idp;

    #[tokio::test]
    async fn one_key_of_each_algorithm_is_published() {
        let jwks = Idp::new().get("/.well-known/jwks.json").await.json();
        let keys = jwks["keys"].as_array().unwrap();
        let kinds: Vec<_> = keys.iter().map(|k| (&k["kty"], &k["alg"], &k["use"])).collect();
        let (rsa, ec, sig) = (json!("RSA"), json!("EC"), json!("sig"));
        assert_eq!(kinds, [(&rsa, &json!("RS256"), &sig), (&ec, &json!("ES256"), &sig)]);
        assert_eq!(keys[0]["e"], "AQAB");
        assert_eq!(keys[1]["crv"], "P-256");
    }
}
