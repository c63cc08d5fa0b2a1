mod refresh;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::oauth::{
    access_token::AccessToken,
    testing::logins::{Got, Visit, changed, request},
};

/// RFC 7636, Appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const REDIRECT: &str = "http://127.0.0.1:4321/callback";

async fn code(visit: &Visit) -> String {
    visit.log_in(&request()).await.reply()["code"].clone()
}

async fn redeem(visit: &Visit, code: &str) -> Got {
    redeem_with(visit, code, &[]).await
}

/// With other values than the right ones; an empty one leaves the parameter out.
async fn redeem_with(visit: &Visit, code: &str, other: &[(&str, &str)]) -> Got {
    let right = [
        ("grant_type", "authorization_code"),
        ("client_id", "client-1"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
        ("resource", "https://mcp.example.com/mcp"),
    ];
    let kept = right.into_iter().filter(|row| other.iter().all(|it| it.0 != row.0));
    let form: Vec<_> = kept.chain(other.iter().copied()).filter(|row| !row.1.is_empty()).collect();
    visit.send("POST", "/token", &form).await
}

async fn refresh(visit: &Visit, token: &str) -> Got {
    refresh_with(visit, token, &[]).await
}

async fn refresh_with(visit: &Visit, token: &str, further: &[(&str, &str)]) -> Got {
    let form =
        [("grant_type", "refresh_token"), ("client_id", "client-1"), ("refresh_token", token)];
    visit.send("POST", "/token", &[&form[..], further].concat()).await
}

fn text<'a>(answer: &'a Value, member: &str) -> &'a str {
    answer[member].as_str().unwrap_or_else(|| panic!("no {member} in {answer}"))
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    fn issued(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        assert_eq!(self.header("cache-control"), "no-store");
        self.json()
    }

    fn assert_refused(&self, error: &str) {
        assert_eq!(self.status, StatusCode::BAD_REQUEST, "{}", self.body);
        assert_eq!(self.json()["error"], error);
    }
}

fn claims(visit: &Visit, answer: &Value) -> AccessToken {
    let server = visit.server();
    let token = text(answer, "access_token");
    AccessToken::read(&server.signing, server.config.url.as_str(), token).unwrap()
}

/// Whether the filter would find the session of the token alive.
async fn is_alive(visit: &Visit, answer: &Value) -> bool {
    visit.server().logins.worth(text(answer, "access_token")).await.unwrap().is_some()
}

#[tokio::test]
async fn a_code_becomes_tokens_and_a_session() {
    let visit = Visit::start().await;
    let answer = redeem(&visit, &code(&visit).await).await.issued();
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["scope"], "mcp:read");
    let claims = claims(&visit, &answer);
    assert_eq!(claims.aud, "https://mcp.example.com/mcp");
    assert_eq!(claims.idp_iss, visit.provider.issuer());
    assert_eq!(claims.client_id, "client-1");
    assert_eq!(json!(claims.exp - claims.iat), answer["expires_in"]);
    assert!(is_alive(&visit, &answer).await);
}

#[tokio::test]
async fn an_access_token_ends_with_the_one_of_the_provider() {
    let visit = Visit::start().await;
    visit.provider.says().tokens = json!({"expires_in": 120});
    let answer = redeem(&visit, &code(&visit).await).await.issued();
    assert_eq!(answer["expires_in"], 120);
}

#[tokio::test]
async fn what_differs_from_the_authorization_request_is_refused() {
    let visit = Visit::start().await;
    visit.keep_client(|client| client.client_id = "client-2".to_owned()).await;
    let code = code(&visit).await;
    for (name, value, error) in [
        ("client_id", "client-2", "invalid_grant"),
        ("redirect_uri", "http://127.0.0.1:9/callback", "invalid_grant"),
        ("redirect_uri", "", "invalid_grant"),
        ("code_verifier", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "invalid_grant"),
        ("code_verifier", "", "invalid_request"),
        ("code", "another", "invalid_grant"),
        ("resource", "https://other.example/", "invalid_target"),
        ("grant_type", "password", "unsupported_grant_type"),
        ("grant_type", "", "invalid_request"),
    ] {
        redeem_with(&visit, &code, &[(name, value)]).await.assert_refused(error);
    }
    let unknown = redeem_with(&visit, &code, &[("client_id", "nobody")]).await;
    assert_eq!(unknown.status, StatusCode::UNAUTHORIZED);
    assert_eq!(unknown.json()["error"], "invalid_client");
    redeem(&visit, &code).await.issued();
}

#[tokio::test]
async fn a_resource_is_named_at_the_token_endpoint_as_at_the_authorization_endpoint() {
    let spelling = "HTTPS://MCP.example.com:443/mcp";
    let visit = Visit::start().await;
    let code = visit.log_in(&changed("resource", Some(spelling))).await.reply()["code"].clone();
    let first = redeem_with(&visit, &code, &[("resource", spelling)]).await.issued();
    assert_eq!(claims(&visit, &first).aud, "https://mcp.example.com/mcp");
    let named = [("resource", spelling), ("resource", "https://mcp.example.com/mcp")];
    let second = refresh_with(&visit, text(&first, "refresh_token"), &named).await.issued();
    let token = text(&second, "refresh_token");
    for other in ["https://other.example/", "https://mcp.example.com/mcp/", "no URL"] {
        refresh_with(&visit, token, &[("resource", other)]).await.assert_refused("invalid_target");
    }
}

#[tokio::test]
async fn of_twenty_redemptions_at_once_one_succeeds() {
    let visit = Visit::start().await;
    let code = code(&visit).await;
    let tries = (0..20).map(|_| {
        let (visit, code) = (visit.clone(), code.clone());
        tokio::spawn(async move { redeem(&visit, &code).await.status })
    });
    let mut succeeded = 0;
    for attempt in tries.collect::<Vec<_>>() {
        match attempt.await.unwrap() {
            StatusCode::OK => succeeded += 1,
            other => assert_eq!(other, StatusCode::BAD_REQUEST),
        }
    }
    assert_eq!(succeeded, 1);
    redeem(&visit, &code).await.assert_refused("invalid_grant");
}

#[tokio::test]
async fn a_code_used_twice_ends_what_it_began() {
    let visit = Visit::start().await;
    let code = code(&visit).await;
    let answer = redeem(&visit, &code).await.issued();
    redeem(&visit, &code).await.assert_refused("invalid_grant");
    assert!(!is_alive(&visit, &answer).await);
    refresh(&visit, text(&answer, "refresh_token")).await.assert_refused("invalid_grant");
}

#[tokio::test]
async fn a_code_is_good_for_a_minute() {
    let visit = Visit::start().await;
    let code = code(&visit).await;
    visit.server().clock.advance_secs(60);
    redeem(&visit, &code).await.assert_refused("invalid_grant");
}

#[tokio::test]
async fn a_code_from_before_the_users_revocation_is_worth_nothing() {
    let visit = Visit::start().await;
    let code = code(&visit).await;
    let holder = crate::store::Holder::Client("client-1".to_owned());
    visit.server().sessions.revoke_all(&holder).await.unwrap();
    redeem(&visit, &code).await.assert_refused("invalid_grant");
}

#[tokio::test]
async fn either_token_revokes_the_login_and_only_for_its_client() {
    let visit = Visit::start().await;
    visit.keep_client(|client| client.client_id = "client-2".to_owned()).await;
    for which in ["access_token", "refresh_token"] {
        let answer = redeem(&visit, &code(&visit).await).await.issued();
        let token = text(&answer, which);
        let revoke = |client: &'static str| {
            let form = [("client_id", client), ("token", token)];
            let visit = visit.clone();
            async move { visit.send("POST", "/revoke", &form).await }
        };
        revoke("client-2").await.assert_refused("invalid_grant");
        assert!(is_alive(&visit, &answer).await);
        assert_eq!(revoke("client-1").await.status, StatusCode::OK);
        assert!(!is_alive(&visit, &answer).await, "{which}");
        refresh(&visit, text(&answer, "refresh_token")).await.assert_refused("invalid_grant");
    }
    let unknown = [("client_id", "client-1"), ("token", "nonsense")];
    assert_eq!(visit.send("POST", "/revoke", &unknown).await.status, StatusCode::OK);
}

#[tokio::test]
async fn introspection_asks_for_the_token_and_tells_what_is_alive() {
    let visit = Visit::with(&[("MCP_AUTH_TOKEN", "open-sesame")]).await;
    let answer = redeem(&visit, &code(&visit).await).await.issued();
    let ask = async |token: &str, authorization: &str| {
        let headers = [("authorization", authorization)];
        visit.send_with("POST", "/introspect", &[("token", token)], &headers).await
    };
    let access = text(&answer, "access_token");
    for wrong in ["Bearer open-sesam", "Basic open-sesame", ""] {
        assert_eq!(ask(access, wrong).await.status, StatusCode::UNAUTHORIZED);
    }
    let found = ask(access, "Bearer open-sesame").await.json();
    assert_eq!((&found["active"], &found["client_id"]), (&json!(true), &json!("client-1")));
    let found = ask(text(&answer, "refresh_token"), "Bearer open-sesame").await.json();
    assert_eq!(found["active"], true);
    assert_eq!(ask("nonsense", "Bearer open-sesame").await.json(), json!({"active": false}));
    let form = [("client_id", "client-1"), ("token", access)];
    visit.send("POST", "/revoke", &form).await;
    assert_eq!(ask(access, "Bearer open-sesame").await.json(), json!({"active": false}));
}

#[tokio::test]
async fn without_a_token_of_its_own_there_is_no_introspection() {
    let visit = Visit::start().await;
    let got = visit.send("POST", "/introspect", &[("token", "x")]).await;
    assert_eq!(got.status, StatusCode::NOT_FOUND);
}
