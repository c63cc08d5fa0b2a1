//! Refresh tokens: exchanged, raced for, stolen, and what the provider makes of them.

use crate::oauth::{error::OAuthError, logins::Renewal, refresh_token::RefreshToken};

use super::*;

#[tokio::test]
async fn a_refresh_keeps_the_session_and_changes_the_token() {
    let visit = Visit::start().await;
    let first = redeem(&visit, &code(&visit).await).await.issued();
    let second = refresh(&visit, text(&first, "refresh_token")).await.issued();
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_eq!(claims(&visit, &first).sid, claims(&visit, &second).sid);
    assert_ne!(claims(&visit, &first).jti, claims(&visit, &second).jti);
    assert!(is_alive(&visit, &second).await);
}

#[tokio::test]
async fn the_loser_of_a_race_gets_the_same_successor() {
    let visit = Visit::start().await;
    let first = redeem(&visit, &code(&visit).await).await.issued();
    let token = text(&first, "refresh_token").to_owned();
    let tries = (0..5).map(|_| {
        let (visit, token) = (visit.clone(), token.clone());
        tokio::spawn(async move { refresh(&visit, &token).await.issued() })
    });
    let mut successors = Vec::new();
    for attempt in tries.collect::<Vec<_>>() {
        successors.push(text(&attempt.await.unwrap(), "refresh_token").to_owned());
    }
    successors.dedup();
    assert_eq!(successors.len(), 1, "two successors of one token");
    let refreshes = visit.provider.calls("token") - 1;
    assert_eq!(refreshes, 1, "the provider was asked by each of them");
}

#[tokio::test]
async fn a_refresh_token_used_again_later_ends_the_login() {
    let visit = Visit::start().await;
    let first = redeem(&visit, &code(&visit).await).await.issued();
    let second = refresh(&visit, text(&first, "refresh_token")).await.issued();
    visit.server().clock.advance_secs(11);
    refresh(&visit, text(&first, "refresh_token")).await.assert_refused("invalid_grant");
    assert!(!is_alive(&visit, &second).await);
    refresh(&visit, text(&second, "refresh_token")).await.assert_refused("invalid_grant");
}

#[tokio::test]
async fn the_race_begins_when_a_slow_provider_has_answered() {
    let visit = Visit::start().await;
    let first = redeem(&visit, &code(&visit).await).await.issued();
    visit.provider.says().takes = Some((visit.server().clock.clone(), 9));
    let second = refresh(&visit, text(&first, "refresh_token")).await.issued();
    visit.server().clock.advance_secs(9);
    let raced = refresh(&visit, text(&first, "refresh_token")).await.issued();
    assert_eq!(raced["refresh_token"], second["refresh_token"]);
}

#[tokio::test]
async fn tokens_of_the_provider_are_kept_though_its_id_token_is_not_believed() {
    let visit = Visit::start().await;
    let first = redeem(&visit, &code(&visit).await).await.issued();
    visit.provider.says().tokens = json!({"refresh_token": "refresh-2"});
    visit.provider.says().claims = json!({"aud": "another client"});
    let refused = refresh(&visit, text(&first, "refresh_token")).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    visit.provider.says().claims = json!({});
    visit.provider.says().refresh_token = "refresh-2";
    refresh(&visit, text(&first, "refresh_token")).await.issued();
}

#[tokio::test]
async fn what_is_no_longer_offered_is_not_refreshed() {
    let visit = Visit::start().await;
    let asked = changed("scope", Some("mcp:read mcp:write"));
    let code = visit.log_in(&asked).await.reply()["code"].clone();
    let answer = redeem(&visit, &code).await.issued();
    let token = RefreshToken::parse(text(&answer, "refresh_token")).unwrap();
    let renewal = || Renewal {
        client_id: "client-1".to_owned(),
        token: token.clone(),
        scopes: Vec::new(),
        resource: None,
    };
    let mut logins = visit.server().logins.clone();
    logins.scopes = vec!["mcp:admin".to_owned()];
    assert!(matches!(logins.renew(renewal()).await, Err(OAuthError::InvalidGrant(_))));
    logins.scopes = vec!["mcp:read".to_owned()];
    let issued = logins.renew(renewal()).await.unwrap();
    assert_eq!(issued.access.scope, "mcp:read");
    logins.resources = vec!["https://other.example/mcp".to_owned()];
    let next = Renewal { token: issued.refresh, ..renewal() };
    assert!(matches!(logins.renew(next.clone()).await, Err(OAuthError::InvalidTarget(_))));
    assert!(is_alive(&visit, &answer).await, "it may have been a mistake");
    assert!(visit.server().logins.renew(next).await.is_ok());
}

#[tokio::test]
async fn another_provider_is_not_shown_the_tokens_of_the_one_before() {
    let visit = Visit::start().await;
    let answer = redeem(&visit, &code(&visit).await).await.issued();
    let other = Visit::start().await;
    let mut logins = visit.server().logins.clone();
    logins.provider = other.server().provider.clone();
    let token = RefreshToken::parse(text(&answer, "refresh_token")).unwrap();
    let client_id = "client-1".to_owned();
    let renewal = Renewal { client_id, token, scopes: Vec::new(), resource: None };
    assert!(matches!(logins.renew(renewal).await, Err(OAuthError::InvalidGrant(_))));
    assert_eq!(other.provider.calls("token"), 0);
}

#[tokio::test]
async fn a_refresh_token_whose_successor_was_used_ends_the_login() {
    let visit = Visit::start().await;
    let first = redeem(&visit, &code(&visit).await).await.issued();
    let second = refresh(&visit, text(&first, "refresh_token")).await.issued();
    let third = refresh(&visit, text(&second, "refresh_token")).await.issued();
    refresh(&visit, text(&first, "refresh_token")).await.assert_refused("invalid_grant");
    assert!(!is_alive(&visit, &third).await);
}

#[tokio::test]
async fn a_refresh_may_ask_for_less_but_not_for_more() {
    let visit = Visit::start().await;
    let asked = changed("scope", Some("mcp:read mcp:write"));
    let code = visit.log_in(&asked).await.reply()["code"].clone();
    let mut answer = redeem(&visit, &code).await.issued();
    assert_eq!(answer["scope"], "mcp:read mcp:write");
    let token = text(&answer, "refresh_token").to_owned();
    refresh_with(&visit, &token, &[("scope", "admin")]).await.assert_refused("invalid_scope");
    answer = refresh_with(&visit, &token, &[("scope", "mcp:read")]).await.issued();
    assert_eq!(answer["scope"], "mcp:read");
    answer = refresh(&visit, text(&answer, "refresh_token")).await.issued();
    assert_eq!(answer["scope"], "mcp:read mcp:write");
}

#[tokio::test]
async fn a_provider_that_is_away_costs_nobody_the_login() {
    let visit = Visit::start().await;
    let first = redeem(&visit, &code(&visit).await).await.issued();
    let token = text(&first, "refresh_token");
    for (status, error) in [(500, "server_error"), (429, "slow_down"), (401, "invalid_client")] {
        let status = StatusCode::from_u16(status).unwrap();
        visit.provider.says().token_failure = Some((status, json!({"error": error})));
        let answer = refresh(&visit, token).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{error}");
        assert_eq!(answer.json()["error"], "temporarily_unavailable");
    }
    visit.provider.says().token_failure = None;
    refresh(&visit, token).await.issued();
}

#[tokio::test]
async fn a_provider_that_ends_the_login_ends_it_here() {
    let visit = Visit::start().await;
    let first = redeem(&visit, &code(&visit).await).await.issued();
    let failure = (StatusCode::BAD_REQUEST, json!({"error": "invalid_grant"}));
    visit.provider.says().token_failure = Some(failure);
    refresh(&visit, text(&first, "refresh_token")).await.assert_refused("invalid_grant");
    assert!(!is_alive(&visit, &first).await);
}

#[tokio::test]
async fn a_login_without_a_refresh_token_upstream_ends_with_its_access_token() {
    let visit = Visit::start().await;
    visit.provider.says().tokens = json!({"refresh_token": null, "expires_in": 300});
    let first = redeem(&visit, &code(&visit).await).await.issued();
    let second = refresh(&visit, text(&first, "refresh_token")).await.issued();
    visit.server().clock.advance_secs(300);
    refresh(&visit, text(&second, "refresh_token")).await.assert_refused("invalid_grant");
}

#[tokio::test]
async fn a_session_that_an_operator_revoked_is_not_refreshed() {
    let visit = Visit::start().await;
    let first = redeem(&visit, &code(&visit).await).await.issued();
    let server = visit.server();
    let id = auth_core::session_id::SessionId::new(
        server.config.url.as_str(),
        &claims(&visit, &first).sid,
    );
    server.sessions.revoke(&id).await.unwrap();
    refresh(&visit, text(&first, "refresh_token")).await.assert_refused("invalid_grant");
}
