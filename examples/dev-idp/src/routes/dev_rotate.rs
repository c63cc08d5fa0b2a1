//! `POST /dev/rotate`: new signing keys at once.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::App,
    keys::{Algorithm, KeyPair},
};

/// What is to become of the keys in use.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    /// Keep them in the key set, so that their tokens still verify.
    #[serde(default)]
    keep_old: bool,
}

/// Answers the ids of the keys that sign from now on.
pub(crate) async fn rotate(
    State(app): State<Arc<App>>,
    Query(rotation): Query<Rotation>,
) -> Json<Value> {
    let next = tokio::task::spawn_blocking(KeyPair::generate)
        .await
        .expect("making keys neither panics nor is it cancelled");
    let (rs256, es256) = (next.kid(Algorithm::Rs256), next.kid(Algorithm::Es256));
    tracing::info!(rs256, es256, keep_old = rotation.keep_old, "keys rotated");
    let answer = json!({ "RS256": rs256, "ES256": es256, "kept_old": rotation.keep_old });
    app.keys_mut().rotate(next, rotation.keep_old);
    Json(answer)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::{AUTHORIZE, Idp};

    #[tokio::test]
    async fn new_keys_sign_at_once_and_old_ones_go_unless_kept() {
        let idp = Idp::new();
        let first = idp.tokens(AUTHORIZE, "alice").await;
        let first = first["access_token"].as_str().unwrap();
        let kept = idp.post_json("/dev/rotate?keep_old=true", &json!({})).await.json();
        let second = idp.tokens(AUTHORIZE, "alice").await;
        let second = second["access_token"].as_str().unwrap();
        assert_eq!(idp.verified(second).0["kid"], kept["RS256"]);
        idp.verified(first);
        idp.post_json("/dev/rotate", &json!({})).await;
        for old in [first, second] {
            assert!(idp.app.keys().verify(old).is_none());
        }
        let jwks = idp.get("/.well-known/jwks.json").await.json();
        assert_eq!(jwks["keys"].as_array().unwrap().len(), 2);
    }
}
