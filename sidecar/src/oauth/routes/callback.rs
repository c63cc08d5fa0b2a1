//! `/auth/callback`: the browser comes back from the provider, and goes on to the client with a
//! code of ours.

use axum::{extract::State, http::HeaderMap, response::Response};

use crate::oauth::{
    AuthorizationServer,
    error::OAuthError,
    grant::Grant,
    opaque::Opaque,
    params::Params,
    reply::Refused,
    request::AuthorizationRequest,
    transaction,
    upstream::{Authenticated, Proof},
};

/// Answers a GET.
pub(super) async fn answer(
    State(server): State<AuthorizationServer>,
    headers: HeaderMap,
    params: Result<Params, OAuthError>,
) -> Response {
    match finish(&server, &headers, params).await {
        Ok(onward) => onward,
        Err(refused) => refused.answer(&server),
    }
}

async fn finish(
    server: &AuthorizationServer,
    headers: &HeaderMap,
    params: Result<Params, OAuthError>,
) -> Result<Response, Refused> {
    let params = params.map_err(Refused::Page)?;
    let state = Opaque::offered(params.required("state").map_err(Refused::Page)?);
    let public_url = server.config.url.url();
    let taken = transaction::take(&state, &server.vault, headers, public_url).await;
    let (request, proof) = taken.map_err(Refused::Page)?;
    let reply_to = request.reply_to.clone();
    let refused = |error| Refused::Client(Box::new(reply_to.clone()), error);
    let authenticated = authenticate(server, &params, &proof).await.map_err(refused)?;
    let code = grant(server, request, authenticated).await.map_err(refused)?;
    Ok(reply_to.code(server.config.url.as_str(), &code))
}

/// Who logged in, if the answer is the provider's and says that somebody did.
async fn authenticate(
    server: &AuthorizationServer,
    params: &Params,
    proof: &Proof,
) -> Result<Authenticated, OAuthError> {
    if !server.provider.may_have_sent(params.one("iss")?).await? {
        let sentence = "the answer does not come from the identity provider that was asked";
        return Err(OAuthError::AccessDenied(sentence));
    }
    if let Some(error) = params.one("error")? {
        return Err(refusal(error, params.one("error_description")?));
    }
    let code = params.required("code")?;
    let finished = server.provider.finish_login(code, proof).await;
    finished.map_err(|failure| {
        tracing::warn!(cause = %failure, "a login at the identity provider came to nothing");
        OAuthError::from(failure)
    })
}

async fn grant(
    server: &AuthorizationServer,
    request: AuthorizationRequest,
    authenticated: Authenticated,
) -> Result<Opaque, OAuthError> {
    let Authenticated { identity, upstream } = authenticated;
    let user_id = identity.user_id(server.hash_digits);
    tracing::info!(client_id = request.client_id, user_id = user_id.as_str(), "a user logged in");
    if upstream.refresh_token.is_none() {
        tracing::info!(
            "the identity provider gave no refresh token, so the login ends with its access token: \
             OIDC_SCOPES may lack offline_access, or OIDC_PROMPT consent"
        );
    }
    // Within the second of a revocation this waits for the next: then the login is a new one.
    let granted_at = server.sessions.time_to_issue(user_id.as_str(), &request.client_id).await?;
    let grant = Grant {
        client_id: request.client_id,
        redirect_uri: request.reply_to.redirect_uri().to_owned(),
        redirect_uri_given: request.redirect_uri_given,
        code_challenge: request.code_challenge,
        scopes: request.scopes,
        resource: request.resource,
        identity,
        upstream,
        granted_at,
    };
    let code = grant.issue_code(&server.vault).await?;
    metrics::counter!("mcp_auth_logins_total", "outcome" => "finished").increment(1);
    Ok(code)
}

/// What the provider's refusal means for the client (RFC 6749 §4.1.2.1, OpenID Connect Core
/// §3.1.2.6). All but the user's own decision is between the provider and us.
fn refusal(error: &str, description: Option<&str>) -> OAuthError {
    match error {
        "access_denied"
        | "login_required"
        | "interaction_required"
        | "consent_required"
        | "account_selection_required" => {
            tracing::info!(error, description, "the identity provider logged nobody in");
            OAuthError::AccessDenied("the identity provider logged nobody in")
        }
        "temporarily_unavailable" => OAuthError::Provider(format!("it says {description:?}")),
        _ => OAuthError::ProviderFault(format!("it says {error:?}: {description:?}")),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::oauth::{
        grant,
        testing::logins::{CHALLENGE, Visit, changed, request},
    };

    #[tokio::test]
    async fn a_login_ends_at_the_client_with_a_code_its_state_and_our_issuer() {
        let visit = Visit::start().await;
        let answer = visit.log_in(&request()).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        let location = answer.location().unwrap();
        assert!(location.as_str().starts_with("http://127.0.0.1:4321/callback?"), "{location}");
        let query = answer.reply();
        assert_eq!(query["state"], "client state");
        assert_eq!(query["iss"], "https://auth.example.com");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cache-control"), "no-store");

        let key = grant::key(&Opaque::offered(&query["code"]));
        let grant: Grant = visit.server().vault.take(&key).await.unwrap().unwrap();
        assert_eq!(grant.client_id, "client-1");
        assert_eq!(grant.redirect_uri, "http://127.0.0.1:4321/callback");
        assert!(grant.redirect_uri_given);
        assert_eq!(grant.code_challenge, CHALLENGE);
        assert_eq!(grant.scopes, ["mcp:read"]);
        assert_eq!(grant.resource, "https://mcp.example.com/mcp");
        assert_eq!(grant.identity.subject, "alice");
        assert_eq!(grant.identity.issuer, visit.provider.issuer());
        assert_eq!(grant.upstream.refresh_token.as_deref(), Some("refresh-1"));
    }

    #[tokio::test]
    async fn an_answer_counts_once_among_twenty() {
        let visit = Visit::start().await;
        let callback = visit.callback(&request()).await;
        let mut going = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (visit, callback) = (visit.clone(), callback.clone());
            going.spawn(async move { visit.come_back(&callback).await });
        }
        let answers = going.join_all().await;
        let codes = answers.iter().filter(|answer| answer.location().is_some()).count();
        assert_eq!(codes, 1);
        let refused = answers.iter().filter(|answer| answer.status == StatusCode::BAD_REQUEST);
        assert_eq!(refused.count(), 19);
    }

    #[tokio::test]
    async fn an_answer_in_another_browser_is_refused_and_stays_good_in_its_own() {
        let visit = Visit::start().await;
        let callback = visit.callback(&request()).await;
        let stranger = visit.other_browser();
        assert_eq!(stranger.come_back(&callback).await.status, StatusCode::FORBIDDEN);
        stranger.open(&request()).await;
        assert_eq!(stranger.come_back(&callback).await.status, StatusCode::FORBIDDEN);
        assert_eq!(visit.come_back(&callback).await.status, StatusCode::SEE_OTHER);
    }

    #[tokio::test]
    async fn a_forged_or_late_answer_is_refused() {
        let visit = Visit::start().await;
        for forged in ["", "code=x", "state=guess&code=x", "state=&code=x"] {
            let answer = visit.come_back(forged).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{forged}");
            assert!(answer.location().is_none());
        }
        let callback = visit.callback(&request()).await;
        visit.server().clock.advance_secs(15 * 60);
        assert_eq!(visit.come_back(&callback).await.status, StatusCode::BAD_REQUEST);
    }

    #[tokio::test]
    async fn a_code_of_another_login_is_not_taken_for_this_one() {
        let visit = Visit::start().await;
        let (mine, theirs) = (visit.callback(&request()).await, visit.callback(&request()).await);
        let code = |callback: &str| callback.split('&').next().unwrap().to_owned();
        let injected = mine.replace(&code(&mine), &code(&theirs));
        assert_eq!(visit.come_back(&injected).await.reply()["error"], "access_denied");
    }

    #[tokio::test]
    async fn an_answer_of_another_provider_is_refused() {
        let visit = Visit::start().await;
        let callback = visit.callback(&request()).await;
        let mixed_up = format!("{callback}&iss=https%3A%2F%2Fevil.example%2F");
        assert_eq!(visit.come_back(&mixed_up).await.reply()["error"], "access_denied");
        assert_eq!(visit.provider.calls("token"), 0, "the code was shown to nobody");

        let callback = visit.callback(&request()).await;
        let named = format!("{callback}&iss={}", visit.provider.issuer());
        assert!(visit.come_back(&named).await.reply().contains_key("code"));
    }

    #[tokio::test]
    async fn a_token_with_another_nonce_is_refused() {
        let visit = Visit::start().await;
        visit.provider.says().claims = json!({"nonce": "replayed"});
        assert_eq!(visit.log_in(&request()).await.reply()["error"], "server_error");
    }

    #[tokio::test]
    async fn the_client_learns_why_the_provider_logged_nobody_in() {
        for (error, told) in [
            ("access_denied", "access_denied"),
            ("login_required", "access_denied"),
            ("temporarily_unavailable", "temporarily_unavailable"),
            ("unauthorized_client", "server_error"),
            ("<script>", "server_error"),
        ] {
            let visit = Visit::start().await;
            let callback = visit.callback(&request()).await;
            let state = callback.split('&').nth(1).unwrap();
            let answer = visit.come_back(&format!("error={error}&{state}")).await;
            assert_eq!(answer.reply()["error"], told, "{error}");
            assert_eq!(answer.reply()["state"], "client state");
        }
    }

    #[tokio::test]
    async fn looking_without_fetching_uses_nothing_up() {
        let visit = Visit::start().await;
        let callback = visit.callback(&request()).await;
        let head = visit.send("HEAD", &format!("/auth/callback?{callback}"), &[]).await;
        assert_eq!(head.status, StatusCode::METHOD_NOT_ALLOWED);
        assert!(visit.come_back(&callback).await.reply().contains_key("code"));
    }

    #[tokio::test]
    async fn a_client_without_state_gets_none() {
        let visit = Visit::start().await;
        let query = visit.log_in(&changed("state", None)).await.reply();
        assert!(query.contains_key("code") && !query.contains_key("state"));
    }

    #[tokio::test]
    async fn the_store_knows_neither_codes_nor_states() {
        let visit = Visit::start().await;
        let callback = visit.callback(&request()).await;
        let answer = visit.come_back(&callback).await;
        let raw = std::fs::read(visit.store_file()).unwrap();
        let found = |text: &str| raw.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(!found(&answer.reply()["code"]) && !found("alice@example.com"));
        assert!(!found(callback.split_once("state=").unwrap().1));
        assert!(found("code:"), "the file that is searched is the right one");
    }
}
