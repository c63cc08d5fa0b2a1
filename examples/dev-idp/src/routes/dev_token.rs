//! `POST /dev/token`: any token one likes, good or bad, for tests and demos.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    app::App,
    audience::Audiences,
    client::{Client, ClientId},
    keys::{Algorithm, KeyPair},
    params::Params,
    scope::ScopeSet,
    tokens,
    user::{BadUsername, User},
};

/// The order, as JSON; all of it optional. Any other member overrides the claim of that name.
#[derive(Default, Deserialize)]
pub(crate) struct Order {
    /// Whose token; the first user of the login page where absent.
    user: Option<String>,
    /// Seconds until it expires, negative for one that has; the usual lifetime where absent.
    expires_in: Option<i64>,
    alg: Option<Algorithm>,
    /// Sign with a key that is not published, under the id of one that is.
    #[serde(default)]
    forged: bool,
    /// Claims to leave out.
    #[serde(default)]
    omit: Vec<String>,
    /// Header members to set, or with null to leave out.
    #[serde(default)]
    header: Map<String, Value>,
    #[serde(flatten)]
    claims: Map<String, Value>,
}

/// Answers like the token endpoint.
pub(crate) async fn issue(
    State(app): State<Arc<App>>,
    order: Option<Json<Order>>,
) -> Result<Json<Value>, BadOrder> {
    let Json(order) = order.unwrap_or_default();
    if order.header.contains_key("alg") {
        return Err(BadOrder::HeaderAlg);
    }
    let algorithm = order.alg.unwrap_or(app.config.algorithm);
    let published = app.keys().current().clone();
    let header = header(published.kid(algorithm), &order.header);
    let expires_in = order.expires_in.unwrap_or_else(|| lifetime(&app));
    let signer = if order.forged { forger(&app).await } else { published };
    let token = signer.sign(algorithm, header, claims(&app, order, expires_in)?);
    Ok(Json(json!({ "access_token": token, "token_type": "Bearer", "expires_in": expires_in })))
}

/// Why an order makes no sense.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadOrder {
    #[error("user: {0}")]
    User(#[from] BadUsername),
    #[error("header.alg follows from alg")]
    HeaderAlg,
    #[error("default audience: {0}")]
    Audience(String),
}

impl IntoResponse for BadOrder {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(json!({ "error": self.to_string() }))).into_response()
    }
}

fn claims(app: &App, order: Order, expires_in: i64) -> Result<Map<String, Value>, BadOrder> {
    let user = match &order.user {
        Some(name) => User::named(name)?,
        None => app.config.users.first().cloned().ok_or(BadUsername::Empty)?,
    };
    let audiences = Audiences::requested(&Params::default(), &app.config)
        .map_err(|e| BadOrder::Audience(e.description))?;
    let scope = ScopeSet::parse("openid profile email").unwrap_or_default();
    let client = app.config.clients.first().map_or_else(|| Client::demo().id, |c| c.id.clone());
    let mut claims = usual_claims(app, &client, &user, &audiences, &scope, expires_in);
    // Another subject is another person, of whom nothing else is known.
    if app.config.user_claims && !order.claims.contains_key("sub") {
        claims.extend(user.claims());
    }
    claims.extend(order.claims);
    claims.retain(|name, _| !order.omit.contains(name));
    app.grants().remember(user);
    Ok(claims)
}

fn usual_claims(
    app: &App,
    client: &ClientId,
    user: &User,
    audiences: &Audiences,
    scope: &ScopeSet,
    expires_in: i64,
) -> Map<String, Value> {
    let mut claims = tokens::access_claims(app, client, &user.subject(), audiences, scope);
    let now = app.clock.now();
    let exp = now.shifted(expires_in);
    // A token that has expired was issued a lifetime before it did.
    let iat = if expires_in > 0 { now } else { exp.shifted(-lifetime(app)) };
    claims.insert("exp".into(), json!(exp.as_secs()));
    claims.insert("iat".into(), json!(iat.as_secs()));
    claims
}

fn header(kid: &str, overrides: &Map<String, Value>) -> Map<String, Value> {
    let mut header = tokens::header(kid);
    header.extend(overrides.clone());
    header.retain(|_, value| !value.is_null());
    header
}

fn lifetime(app: &App) -> i64 {
    i64::try_from(app.config.access_token_lifetime.as_secs()).unwrap_or(i64::MAX)
}

async fn forger(app: &App) -> KeyPair {
    let made = app.forger.get_or_init(async || {
        tokio::task::spawn_blocking(KeyPair::generate)
            .await
            .expect("making keys neither panics nor is it cancelled")
    });
    made.await.clone()
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::{Value, json};

    use crate::testing::{Idp, decoded};

    async fn token(idp: &Idp, order: Value) -> String {
        let answer = idp.post_json("/dev/token", &order).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn without_an_order_it_is_the_first_users_good_token() {
        let idp = Idp::new();
        let answer = idp.post_form("/dev/token", "").await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let answer = idp.post("/dev/token").await.json();
        let token = answer["access_token"].as_str().unwrap();
        let (_, claims) = idp.verified(token);
        assert_eq!(claims["email"], "alice@example.com");
        assert_eq!(claims["azp"], "demo-client");
        assert_eq!(idp.userinfo(token).await.json()["email"], "alice@example.com");
    }

    #[tokio::test]
    async fn claims_lifetime_algorithm_and_header_follow_the_order() {
        let idp = Idp::new();
        let order = json!({
            "user": "bob", "aud": ["a", "b"], "iss": "https://other/", "expires_in": -5,
            "alg": "ES256", "omit": ["jti"], "header": {"typ": "at+jwt"}, "permissions": ["x"],
        });
        let token = token(&idp, order).await;
        let (header, claims) = idp.verified(&token);
        assert_eq!(header["alg"], "ES256");
        assert_eq!(header["typ"], "at+jwt");
        assert_eq!(claims["aud"], json!(["a", "b"]));
        assert_eq!(claims["iss"], "https://other/");
        assert_eq!(claims["permissions"], json!(["x"]));
        assert_eq!(claims["preferred_username"], "bob");
        assert_eq!(claims.get("jti"), None);
        assert_eq!(claims["exp"], idp.now() - 5);
        assert_eq!(claims["iat"], idp.now() - 5 - 3600);
    }

    #[tokio::test]
    async fn another_subject_is_another_person() {
        let idp = Idp::new();
        let (_, claims) = idp.verified(&token(&idp, json!({"sub": "auth0|x"})).await);
        assert_eq!(claims["sub"], "auth0|x");
        assert_eq!(claims.get("email"), None);
    }

    #[tokio::test]
    async fn a_forged_token_names_a_published_key_that_did_not_sign_it() {
        let idp = Idp::new();
        let jwks = idp.get("/.well-known/jwks.json").await.json();
        for (index, alg) in ["RS256", "ES256"].into_iter().enumerate() {
            let forged = token(&idp, json!({"forged": true, "alg": alg})).await;
            assert_eq!(decoded(&forged).0["kid"], jwks["keys"][index]["kid"]);
            assert!(idp.app.keys().verify(&forged).is_none());
        }
    }

    #[tokio::test]
    async fn a_header_member_can_be_left_out_but_alg_is_not_free() {
        let idp = Idp::new();
        let bare = token(&idp, json!({"header": {"kid": null}})).await;
        assert_eq!(decoded(&bare).0.get("kid"), None);
        let answer = idp.post_json("/dev/token", &json!({"header": {"alg": "none"}})).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    }
}
