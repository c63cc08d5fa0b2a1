//! `/userinfo`: the claims of the token's user, OpenID Connect Core section 5.3.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header::WWW_AUTHENTICATE},
    response::{IntoResponse, Response},
};
use axum_extra::{
    TypedHeader,
    headers::{Authorization, authorization::Bearer},
};
use serde_json::{Map, Value, json};

use crate::{app::App, scope::ScopeSet};

/// `sub`, and what the scopes of the access token open.
pub(crate) async fn claims(
    State(app): State<Arc<App>>,
    bearer: Option<TypedHeader<Authorization<Bearer>>>,
) -> Result<Json<Map<String, Value>>, Refused> {
    let TypedHeader(Authorization(bearer)) = bearer.ok_or(Refused::NoToken)?;
    let token = app.keys().verify(bearer.token()).ok_or(Refused::InvalidToken)?;
    check(&app, &token)?;
    let scope = ScopeSet::parse(text(&token, "scope")).map_err(|_| Refused::InvalidToken)?;
    if !scope.contains("openid") {
        return Err(Refused::InsufficientScope);
    }
    let subject = text(&token, "sub");
    let user = app.grants().user(subject).cloned().ok_or(Refused::InvalidToken)?;
    let mut claims = user.scoped_claims(&scope);
    claims.insert("sub".into(), json!(subject));
    Ok(Json(claims))
}

/// Why no claims are given: RFC 6750 section 3.1.
#[derive(Debug)]
pub(crate) enum Refused {
    NoToken,
    InvalidToken,
    InsufficientScope,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::NoToken => {
                let challenge = [(WWW_AUTHENTICATE, "Bearer")];
                return (StatusCode::UNAUTHORIZED, challenge).into_response();
            }
            Self::InvalidToken => (StatusCode::UNAUTHORIZED, "invalid_token"),
            Self::InsufficientScope => (StatusCode::FORBIDDEN, "insufficient_scope"),
        };
        let challenge = [(WWW_AUTHENTICATE, format!("Bearer error=\"{error}\""))];
        (status, challenge, Json(json!({ "error": error }))).into_response()
    }
}

/// The signature holds; the rest must as well. An ID token is no access token: its audience is
/// the client.
fn check(app: &App, token: &Map<String, Value>) -> Result<(), Refused> {
    let userinfo = json!(app.config.userinfo_audience());
    let for_us = match token.get("aud") {
        Some(Value::Array(audiences)) => audiences.contains(&userinfo),
        Some(audience) => *audience == userinfo,
        None => false,
    };
    let live = token.get("exp").and_then(Value::as_i64) > Some(app.clock.now().as_secs());
    let ours = text(token, "iss") == app.config.issuer.as_str();
    if app.grants().is_revoked(text(token, "jti")) || !live || !ours {
        return Err(Refused::InvalidToken);
    }
    // A token for other audiences only was issued without `openid`.
    if for_us { Ok(()) } else { Err(Refused::InsufficientScope) }
}

fn text<'a>(token: &'a Map<String, Value>, claim: &str) -> &'a str {
    token.get(claim).and_then(Value::as_str).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use crate::testing::{AUTHORIZE, Idp};

    #[tokio::test]
    async fn the_users_claims_are_given_by_scope() {
        let idp = Idp::new();
        let tokens = idp.tokens(AUTHORIZE, "alice").await;
        let answer = idp.userinfo(tokens["access_token"].as_str().unwrap()).await;
        assert_eq!(answer.json()["sub"].as_str().unwrap().get(..6), Some("auth0|"));
        assert_eq!(answer.json()["email"], "alice@example.com");
        let tokens = idp.tokens(&AUTHORIZE.replace("%20email", ""), "alice").await;
        let answer = idp.userinfo(tokens["access_token"].as_str().unwrap()).await;
        assert_eq!(answer.json().get("email"), None);
        assert_eq!(answer.json()["preferred_username"], "alice");
    }

    #[tokio::test]
    async fn anything_but_a_live_access_token_with_openid_is_refused() {
        let idp = Idp::new();
        let none = idp.get("/userinfo").await;
        assert_eq!(none.status, StatusCode::UNAUTHORIZED);
        assert_eq!(none.headers["www-authenticate"], "Bearer");
        let tokens = idp.tokens(AUTHORIZE, "alice").await;
        let token = tokens["access_token"].as_str().unwrap();
        assert_eq!(idp.userinfo(&format!("{token}x")).await.status, StatusCode::UNAUTHORIZED);
        let id_token = tokens["id_token"].as_str().unwrap();
        assert_eq!(idp.userinfo(id_token).await.status, StatusCode::FORBIDDEN);
        let query = AUTHORIZE.replace("openid%20", "");
        let without = idp.tokens(&query, "alice").await;
        let answer = idp.userinfo(without["access_token"].as_str().unwrap()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert_eq!(answer.json()["error"], "insufficient_scope");
        idp.wind(3600);
        assert_eq!(idp.userinfo(token).await.status, StatusCode::UNAUTHORIZED);
    }
}
