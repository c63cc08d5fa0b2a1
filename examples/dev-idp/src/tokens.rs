//! Access tokens and ID tokens: which claims they carry. Auth0's default token profile.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    app::App, audience::Audiences, client::ClientId, grants::Grant, keys::Algorithm,
    scope::ScopeSet, secret::Opaque,
};

/// An access token for the user of `grant`, good for `scope` at `audiences`.
pub(crate) fn access_token(
    app: &App,
    grant: &Grant,
    audiences: &Audiences,
    scope: &ScopeSet,
) -> String {
    let subject = grant.login.user.subject();
    let mut claims = access_claims(app, &grant.client, &subject, audiences, scope);
    if app.config.user_claims {
        claims.extend(grant.login.user.claims());
    }
    sign(app, &grant.client, claims)
}

/// An access token for a client that acts for itself; `sub` and `gty` are those of Auth0.
pub(crate) fn machine_token(
    app: &App,
    client: &ClientId,
    audiences: &Audiences,
    scope: &ScopeSet,
) -> String {
    let mut claims = access_claims(app, client, &format!("{client}@clients"), audiences, scope);
    claims.insert("gty".into(), json!("client-credentials"));
    sign(app, client, claims)
}

/// An ID token for the user of `grant`: OpenID Connect Core sections 2 and 3.1.3.6.
pub(crate) fn id_token(app: &App, grant: &Grant, scope: &ScopeSet, access_token: &str) -> String {
    let now = app.clock.now();
    let mut claims = object(json!({
        "iss": app.config.issuer.as_str(),
        "sub": grant.login.user.subject(),
        "aud": grant.client,
        "iat": now.as_secs(),
        "exp": now.after(app.config.access_token_lifetime).as_secs(),
        "auth_time": grant.login.auth_time.as_secs(),
        "sid": grant.login.sid,
        "at_hash": left_half(access_token),
    }));
    if let Some(nonce) = &grant.nonce {
        claims.insert("nonce".into(), json!(nonce));
    }
    claims.extend(grant.login.user.scoped_claims(scope));
    sign(app, &grant.client, claims)
}

/// The claims that every access token of this provider has.
pub(crate) fn access_claims(
    app: &App,
    client: &ClientId,
    subject: &str,
    audiences: &Audiences,
    scope: &ScopeSet,
) -> Map<String, Value> {
    let now = app.clock.now();
    let mut claims = object(json!({
        "iss": app.config.issuer.as_str(),
        "sub": subject,
        "aud": audiences.claim(scope, &app.config),
        "azp": client,
        "iat": now.as_secs(),
        "exp": now.after(app.config.access_token_lifetime).as_secs(),
        "jti": Opaque::random().expose(),
    }));
    if !scope.is_empty() {
        claims.insert("scope".into(), json!(scope.to_string()));
    }
    claims.extend(app.config.extra_claims.clone());
    claims
}

/// The header that every token of this provider has beside `alg`.
pub(crate) fn header(kid: &str) -> Map<String, Value> {
    object(json!({ "typ": "JWT", "kid": kid }))
}

fn sign(app: &App, client: &ClientId, claims: Map<String, Value>) -> String {
    let algorithm: Algorithm = app.config.algorithm_for(client);
    // The key is taken out of the lock: a signature takes a millisecond.
    let keys = app.keys().current().clone();
    keys.sign(algorithm, header(keys.kid(algorithm)), claims)
}

/// `at_hash`: both algorithms hash with SHA-256.
fn left_half(access_token: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(access_token)[..16])
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => unreachable!("a literal object is an object"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        client::Client,
        config::Config,
        testing::{AUTHORIZE, Idp, config},
    };

    #[tokio::test]
    async fn a_client_may_have_its_own_algorithm() {
        let es256 = Client { algorithm: Some(Algorithm::Es256), ..Client::demo() };
        let idp = Idp::with(Config { clients: vec![es256], ..config() });
        let tokens = idp.tokens(AUTHORIZE, "alice").await;
        for token in ["access_token", "id_token"] {
            let (header, _) = idp.verified(tokens[token].as_str().unwrap());
            assert_eq!(header["alg"], "ES256", "{token}");
        }
    }

    #[tokio::test]
    async fn user_claims_can_be_left_out_and_others_added() {
        let extra_claims = object(json!({ "https://x/org": "acme" }));
        let idp = Idp::with(Config { user_claims: false, extra_claims, ..config() });
        let tokens = idp.tokens(AUTHORIZE, "alice").await;
        let (_, access) = idp.verified(tokens["access_token"].as_str().unwrap());
        assert_eq!(access.get("email"), None);
        assert_eq!(access.get("preferred_username"), None);
        assert_eq!(access["https://x/org"], "acme");
        let (_, id) = idp.verified(tokens["id_token"].as_str().unwrap());
        assert_eq!(id["email"], "alice@example.com");
    }

    #[tokio::test]
    async fn only_grantable_scopes_reach_the_token() {
        let grant_scopes = Some(ScopeSet::parse("mcp:write").unwrap());
        let idp = Idp::with(Config { grant_scopes, ..config() });
        let tokens = idp.tokens(AUTHORIZE, "alice").await;
        assert_eq!(tokens["scope"], "openid profile email offline_access");
        let (_, access) = idp.verified(tokens["access_token"].as_str().unwrap());
        assert_eq!(access["scope"], tokens["scope"]);
    }

    #[tokio::test]
    async fn several_resources_become_an_array() {
        let idp = Idp::new();
        let query = format!("{AUTHORIZE}&resource=https://b.example/mcp");
        let tokens = idp.tokens(&query, "alice").await;
        let (_, access) = idp.verified(tokens["access_token"].as_str().unwrap());
        let userinfo = idp.app.config.userinfo_audience();
        assert_eq!(
            access["aud"],
            json!(["https://mcp.example/", "https://b.example/mcp", userinfo])
        );
    }
}
