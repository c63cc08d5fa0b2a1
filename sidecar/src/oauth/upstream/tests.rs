//! The provider as we talk to it, and what it may try on us.

use std::time::Duration;

use auth_core::time::UnixTime;
use axum::http::StatusCode;
use p256::ecdsa::SigningKey;
use serde_json::json;

use super::{
    Authenticated, LoginFailure, Proof, RefreshFailure, Unnamed,
    testing::{TestProvider, jwk},
};
use crate::{
    clock::Clock,
    config::client_secret::ClientSecrets,
    oauth::{error::OAuthError, grant::UpstreamTokens, identity::Identity, opaque::Opaque},
    secret::Secret,
};

const NOW: UnixTime = UnixTime::from_secs(1_790_000_000);

#[tokio::test]
async fn a_login_brings_who_it_is_and_the_tokens() {
    let provider = start().await;
    let Authenticated { identity, upstream } = login(&provider).await.unwrap();
    assert_eq!(identity, alice(&provider));
    assert_eq!(upstream.access_token, "access-1");
    assert_eq!(upstream.expires_at, NOW + Duration::from_secs(600));
    assert_eq!(upstream.refresh_token.as_deref(), Some("refresh-1"));
    assert!(upstream.id_token.is_some());
    assert_eq!(provider.calls("userinfo"), 0, "nothing was missing");
    assert_eq!(provider.calls("metadata"), 1, "it is remembered");
}

#[tokio::test]
async fn the_browser_is_sent_with_all_that_binds_the_answer() {
    let provider = start().await;
    let mut config = provider.config();
    config.prompt = Some("login".to_owned());
    let upstream = super::Provider::new(
        &config,
        super::testing::CALLBACK.to_owned(),
        crate::config::values::HttpHosts::default(),
        Clock::standing_at(NOW),
    );
    let url = upstream.login_url(&Opaque::offered("the-state"), &proof()).await.unwrap();
    let mut query: Vec<String> =
        url.query_pairs().map(|(name, value)| format!("{name}={value}")).collect();
    query.sort_unstable();
    insta::assert_snapshot!(query.join("\n"), @r"
    audience=https://api.example/
    client_id=client
    code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM
    code_challenge_method=S256
    nonce=the-nonce
    prompt=login
    redirect_uri=https://auth.example.com/auth/callback
    response_type=code
    scope=openid profile email offline_access
    state=the-state
    ");
}

#[tokio::test]
async fn an_id_token_that_is_not_for_this_login_is_refused() {
    let provider = start().await;
    for claims in [
        json!({"iss": "https://other.example/"}),
        json!({"aud": "another-client"}),
        json!({"aud": []}),
        json!({"aud": ["client", "other"]}),
        json!({"aud": ["client", "other"], "azp": "other"}),
        json!({"azp": "other"}),
        json!({"nonce": "of another login"}),
        json!({"nonce": null}),
        json!({"exp": NOW.secs() - 60}),
    ] {
        provider.says().claims = claims.clone();
        let failure = login(&provider).await.unwrap_err();
        assert!(matches!(failure, LoginFailure::Unbelievable(_)), "{claims}: {failure:?}");
    }
    for claims in [json!({"aud": ["client", "other"], "azp": "client"}), json!({"aud": ["client"]})]
    {
        provider.says().claims = claims.clone();
        assert!(login(&provider).await.is_ok(), "{claims}");
    }
}

#[tokio::test]
async fn an_id_token_without_the_providers_signature_is_refused() {
    let provider = start().await;
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "HS256"}),
        json!({"alg": "RS256"}),
        json!({"alg": "ES384"}),
        json!({"crit": ["exp"]}),
        json!({"typ": "logout+jwt"}),
    ] {
        provider.says().header = header.clone();
        assert!(login(&provider).await.is_err(), "{header}");
    }
    provider.says().header = json!({});
    provider.rotate(false);
    let failure = login(&provider).await.unwrap_err();
    assert!(matches!(failure, LoginFailure::Unbelievable(_)), "{failure:?}");
}

#[tokio::test]
async fn keys_that_changed_are_read_again() {
    let provider = start().await;
    let upstream = provider.client();
    login_by(&provider, &upstream).await.unwrap();
    provider.rotate(true);
    login_by(&provider, &upstream).await.unwrap();
    assert_eq!(provider.calls("jwks"), 2);
}

#[tokio::test]
async fn odd_keys_beside_the_right_one_do_no_harm() {
    let provider = start().await;
    let other = SigningKey::random(&mut rand::rngs::OsRng);
    let mut same_id = jwk(&other);
    let private = json!({"kty": "EC", "crv": "P-256", "d": "AA", "x": "AA", "y": "AA"});
    let short = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"});
    let upstream = provider.client();
    login_by(&provider, &upstream).await.unwrap();
    let right = upstream.0.discovery.latest().unwrap().keys[0].clone();
    same_id["kid"] = serde_json::to_value(&right).unwrap()["kid"].clone();
    provider.says().odd_keys = vec![same_id, private, short, json!("no key"), json!({})];
    assert!(login(&provider).await.is_ok());
}

#[tokio::test]
async fn what_the_id_token_lacks_is_read_from_userinfo() {
    let provider = start().await;
    provider.says().claims = json!({"email": null, "email_verified": null, "name": null});
    provider.says().userinfo.1 =
        json!({"sub": "alice", "email": "a@x.example", "email_verified": "false", "name": "A"});
    let identity = login(&provider).await.unwrap().identity;
    let expected = Identity {
        email: Some("a@x.example".to_owned()),
        email_verified: Some(false),
        name: Some("A".to_owned()),
        ..alice(&provider)
    };
    assert_eq!(identity, expected);
}

#[tokio::test]
async fn userinfo_about_somebody_else_is_refused() {
    let provider = start().await;
    provider.says().claims = json!({"email": null});
    provider.says().userinfo.1 = json!({"sub": "mallory", "email": "alice@example.com"});
    let failure = login(&provider).await.unwrap_err();
    assert!(matches!(failure, LoginFailure::Unnamed(Unnamed::Mixed(_))), "{failure:?}");
}

#[tokio::test]
async fn userinfo_that_is_away_names_nobody_but_one_that_is_closed_adds_nothing() {
    let provider = start().await;
    provider.says().claims = json!({"email": null});
    provider.says().userinfo = (StatusCode::BAD_GATEWAY, json!({}));
    let failure = login(&provider).await.unwrap_err();
    assert!(matches!(OAuthError::from(failure), OAuthError::Provider(_)));
    provider.says().userinfo = (StatusCode::UNAUTHORIZED, json!({}));
    let identity = login(&provider).await.unwrap().identity;
    assert_eq!(identity, Identity { email: None, ..alice(&provider) });
}

#[tokio::test]
async fn a_code_of_another_login_is_refused() {
    let provider = start().await;
    let upstream = provider.client();
    let url = upstream.login_url(&Opaque::random(), &proof()).await.unwrap();
    let code = provider.login(&url);
    let other = Proof { nonce: Opaque::random(), verifier: Opaque::random() };
    let failure = upstream.finish_login(&code, &other).await.unwrap_err();
    assert!(matches!(failure, LoginFailure::Refused(_)), "{failure:?}");
}

#[tokio::test]
async fn only_the_providers_issuer_may_have_sent_the_answer() {
    let provider = start().await;
    let upstream = provider.client();
    let issuer = provider.issuer();
    assert!(upstream.may_have_sent(Some(&issuer)).await.unwrap());
    assert!(upstream.may_have_sent(None).await.unwrap());
    for other in ["https://evil.example/", issuer.trim_end_matches('/'), ""] {
        assert!(!upstream.may_have_sent(Some(other)).await.unwrap(), "{other}");
    }
    provider.says().metadata = json!({"authorization_response_iss_parameter_supported": true});
    assert!(!provider.client().may_have_sent(None).await.unwrap(), "it was promised");
}

#[tokio::test]
async fn metadata_that_cannot_be_trusted_is_not_used() {
    let provider = start().await;
    for metadata in [
        json!({"issuer": "https://other.example/"}),
        json!({"issuer": provider.issuer().trim_end_matches('/')}),
        json!({"token_endpoint": "http://idp.example/token"}),
        json!({"authorization_endpoint": "javascript:alert(1)"}),
        json!({"end_session_endpoint": "http://idp.example/logout"}),
        json!({"token_endpoint": null}),
        json!({"jwks_uri": null}),
    ] {
        provider.says().metadata = metadata.clone();
        let asked = provider.client().login_url(&Opaque::random(), &proof()).await;
        assert!(matches!(asked, Err(OAuthError::Provider(_))), "{metadata}");
    }
}

#[tokio::test]
async fn a_provider_that_is_away_is_asked_again_and_then_remembered() {
    let provider = start().await;
    let upstream = provider.client();
    provider.says().is_away = true;
    assert!(upstream.login_url(&Opaque::random(), &proof()).await.is_err());
    assert!(!upstream.is_known());
    provider.says().is_away = false;
    assert!(upstream.login_url(&Opaque::random(), &proof()).await.is_ok());
    assert!(upstream.is_known());
    provider.says().is_away = true;
    assert!(upstream.login_url(&Opaque::random(), &proof()).await.is_ok());
}

#[tokio::test]
async fn many_who_wait_ask_once() {
    let provider = start().await;
    let upstream = provider.client();
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let upstream = upstream.clone();
        asking.spawn(async move { upstream.may_have_sent(None).await });
    }
    assert!(asking.join_all().await.into_iter().all(|asked| asked.is_ok()));
    assert_eq!(provider.calls("metadata"), 1);
}

#[tokio::test]
async fn a_refresh_brings_tokens_and_who_it_is() {
    let provider = start().await;
    provider.says().tokens = json!({"access_token": "access-2"});
    let refreshed = provider.client().refresh("refresh-1").await.unwrap();
    assert_eq!(refreshed.upstream.access_token, "access-2");
    assert_eq!(refreshed.identity, Some(alice(&provider)));

    provider.says().tokens = json!({"id_token": null, "refresh_token": null});
    let refreshed = provider.client().refresh("refresh-1").await.unwrap();
    assert_eq!(refreshed.upstream.refresh_token.as_deref(), Some("refresh-1"), "it stays good");
    assert_eq!((refreshed.upstream.id_token, refreshed.identity), (None, None));
}

#[tokio::test]
async fn new_tokens_are_kept_though_userinfo_is_away() {
    let provider = start().await;
    provider.says().claims = json!({"email": null});
    provider.says().userinfo = (StatusCode::BAD_GATEWAY, json!({}));
    let refreshed = provider.client().refresh("refresh-1").await.unwrap();
    assert_eq!(refreshed.identity, None);
}

#[tokio::test]
async fn only_the_providers_own_word_ends_a_login() {
    let provider = start().await;
    let upstream = provider.client();
    let refresh = || async { upstream.refresh("refresh-1").await.unwrap_err() };
    let error = |code: &str| json!({"error": code});
    for code in ["invalid_grant", "login_required", "access_denied"] {
        provider.says().token_failure = Some((StatusCode::BAD_REQUEST, error(code)));
        assert!(matches!(refresh().await, RefreshFailure::Refused(_)), "{code}");
    }
    for (status, body) in [
        (StatusCode::INTERNAL_SERVER_ERROR, error("invalid_grant")),
        (StatusCode::TOO_MANY_REQUESTS, error("invalid_grant")),
        (StatusCode::UNAUTHORIZED, error("invalid_client")),
        (StatusCode::BAD_REQUEST, error("unauthorized_client")),
        (StatusCode::BAD_REQUEST, json!({})),
        (StatusCode::FOUND, error("invalid_grant_or_so")),
        (StatusCode::OK, json!({"access_token": "secret-token"})),
    ] {
        provider.says().token_failure = Some((status, body.clone()));
        let failure = refresh().await;
        assert!(matches!(failure, RefreshFailure::Unavailable(_)), "{status} {body}: {failure}");
        assert!(!format!("{failure:?}").contains("secret-token"), "{failure:?}");
    }
}

#[tokio::test]
async fn a_refresh_waits_for_the_secret_that_the_provider_knows_by_now() {
    let provider = start().await;
    let mut config = provider.config();
    config.client_secret.may_change = true;
    let upstream = provider.client_by(&config);
    upstream.refresh("refresh-1").await.unwrap();
    provider.says().secret = "hunter3";
    let refreshing = tokio::spawn(async move { upstream.refresh("refresh-1").await });
    while provider.calls("token") < 2 {
        tokio::task::yield_now().await;
    }
    config.client_secret.live.replace(ClientSecrets::new(Secret::new("hunter3"), None));
    refreshing.await.unwrap().unwrap();
}

#[tokio::test]
async fn where_the_secret_is_not_known_the_other_is_tried_at_once_and_from_then_on() {
    let provider = start().await;
    let config = provider.config();
    let both =
        |first, fallback| ClientSecrets::new(Secret::new(first), Some(Secret::new(fallback)));
    config.client_secret.live.replace(both("hunter2", "hunter3"));
    let upstream = provider.client_by(&config);
    provider.says().secret = "hunter3";
    upstream.refresh("refresh-1").await.unwrap();
    assert_eq!(provider.calls("token"), 2);
    upstream.refresh("refresh-1").await.unwrap();
    login_by(&provider, &upstream).await.unwrap();
    assert_eq!(provider.calls("token"), 4);
    provider.says().secret = "hunter4";
    let refused = upstream.refresh("refresh-1").await.unwrap_err();
    assert!(matches!(refused, RefreshFailure::Unavailable(_)), "{refused}");
    assert_eq!(provider.calls("token"), 6, "each was tried once");
}

#[tokio::test]
async fn a_secret_that_cannot_change_is_not_waited_for() {
    let provider = start().await;
    provider.says().secret = "hunter3";
    let refused = provider.client().refresh("refresh-1").await.unwrap_err();
    assert!(matches!(refused, RefreshFailure::Unavailable(_)), "{refused}");
    assert_eq!(provider.calls("token"), 1);
}

#[tokio::test]
async fn an_answer_without_end_is_not_read() {
    let provider = start().await;
    provider.says().tokens = json!({"more": "x".repeat(2 * 1024 * 1024)});
    let failure = login(&provider).await.unwrap_err();
    assert!(matches!(&failure, LoginFailure::Unavailable(why) if why.contains("longer than")));
}

#[tokio::test]
async fn tokens_are_revoked_at_the_provider() {
    let provider = start().await;
    let upstream = provider.client();
    let tokens = login_by(&provider, &upstream).await.unwrap().upstream;
    upstream.revoke(&tokens).await;
    assert_eq!(provider.calls("token=refresh-1&token_type_hint=refresh_token"), 1);
    upstream.revoke(&UpstreamTokens { refresh_token: None, ..tokens }).await;
    assert_eq!(provider.calls("token=access-1&token_type_hint=access_token"), 1);
}

async fn start() -> TestProvider {
    TestProvider::start(Clock::standing_at(NOW)).await
}

async fn login(provider: &TestProvider) -> Result<Authenticated, LoginFailure> {
    login_by(provider, &provider.client()).await
}

async fn login_by(
    provider: &TestProvider,
    upstream: &super::Provider,
) -> Result<Authenticated, LoginFailure> {
    let url = upstream.login_url(&Opaque::random(), &proof()).await.unwrap();
    upstream.finish_login(&provider.login(&url), &proof()).await
}

fn proof() -> Proof {
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    Proof { nonce: Opaque::offered("the-nonce"), verifier: Opaque::offered(verifier) }
}

fn alice(provider: &TestProvider) -> Identity {
    let text = |text: &str| Some(text.to_owned());
    Identity {
        issuer: provider.issuer(),
        subject: "alice".to_owned(),
        preferred_username: text("alice"),
        email: text("alice@example.com"),
        email_verified: Some(true),
        name: text("Alice Example"),
    }
}
