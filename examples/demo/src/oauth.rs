//! A scripted user: an OAuth client, the browser in which its user logs in, and the knobs of the
//! development identity provider.

use std::fmt;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngCore as _;
use reqwest::header::LOCATION;
use reqwest::{Client, Response, redirect};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

const CLIENT_ID: &str = "demo-client";
/// Nothing listens there: the scripted browser stops before it follows.
const REDIRECT_URI: &str = "http://127.0.0.1:7777/callback";
const SCOPES: &str = "openid profile email offline_access mcp:read mcp:write";

/// An access token. Never shown whole by accident.
#[derive(Clone)]
pub(crate) struct AccessToken(String);

impl AccessToken {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What it says, unverified: the demo only compares with it.
    ///
    /// # Errors
    /// If it is no JWT.
    pub(crate) fn claims(&self) -> anyhow::Result<Value> {
        let payload = self.0.split('.').nth(1).context("the access token is no JWT")?;
        let json = URL_SAFE_NO_PAD.decode(payload).context("the access token is no JWT")?;
        serde_json::from_slice(&json).context("the access token's claims are no JSON")
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// An authorization server, known by its own metadata (OpenID Connect Discovery).
#[derive(Debug)]
pub(crate) struct Provider {
    http: Client,
    metadata: Metadata,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
}

impl Provider {
    /// Reads the metadata of `issuer`.
    ///
    /// # Errors
    /// If there is none, or it is another issuer's.
    pub(crate) async fn discover(issuer: &str) -> anyhow::Result<Self> {
        let http = Client::builder().redirect(redirect::Policy::none()).build()?;
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let answer = http.get(&url).send().await?.error_for_status()?;
        let metadata: Metadata = answer.json().await.with_context(|| url.clone())?;
        ensure!(metadata.issuer == issuer, "{url} belongs to {}", metadata.issuer);
        Ok(Self { http, metadata })
    }

    /// Logs `username` in by authorization code and PKCE (RFC 7636), and asks for a token that is
    /// good at `resource` (RFC 8707).
    ///
    /// # Errors
    /// In words, if any part of that went another way.
    pub(crate) async fn log_in(
        &self,
        username: &str,
        resource: &str,
    ) -> anyhow::Result<AccessToken> {
        let (verifier, state) = (random(), random());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let request = [
            ("response_type", "code"),
            ("client_id", CLIENT_ID),
            ("redirect_uri", REDIRECT_URI),
            ("scope", SCOPES),
            ("state", &state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("resource", resource),
            ("audience", resource),
        ];
        let authorize = self.http.get(self.metadata.authorization_endpoint.clone());
        let login_page = redirected(&authorize.query(&request).send().await?)?;
        let callback = self.submit_login(&login_page, username).await?;
        let code = self.code_from(&callback, &state)?;

        let exchange = [
            ("grant_type", "authorization_code"),
            ("client_id", CLIENT_ID),
            ("redirect_uri", REDIRECT_URI),
            ("code", &code),
            ("code_verifier", &verifier),
            ("resource", resource),
        ];
        let answer = self.http.post(self.metadata.token_endpoint.clone()).form(&exchange);
        token(answer.send().await?).await
    }

    /// What a person does on the login page. Returns where the browser is sent next.
    async fn submit_login(&self, page: &Url, username: &str) -> anyhow::Result<Url> {
        let html = self.http.get(page.clone()).send().await?.error_for_status()?.text().await?;
        let (_, after) = html
            .split_once(r#"name="state" value=""#)
            .with_context(|| format!("{page} shows no login form"))?;
        let state = after.split('"').next().unwrap_or_default();
        let form = [("state", state), ("username", username)];
        redirected(&self.http.post(page.clone()).form(&form).send().await?)
    }

    /// The code in the redirect back to the client, if the redirect is the provider's answer to
    /// this very request (RFC 6749 section 10.12, RFC 9207).
    fn code_from(&self, callback: &Url, state: &str) -> anyhow::Result<String> {
        let given = |name| {
            let mut pairs = callback.query_pairs();
            pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        if let Some(error) = given("error") {
            bail!("the identity provider refused: {error}");
        }
        ensure!(given("state").as_deref() == Some(state), "the login came back with another state");
        if let Some(iss) = given("iss") {
            ensure!(iss == self.metadata.issuer, "the login came back from {iss}");
        }
        given("code").context("the login came back without a code")
    }
}

/// The development knobs of `dev-idp`.
#[derive(Debug)]
pub(crate) struct Knobs {
    http: Client,
    issuer: Url,
}

impl Knobs {
    /// Of the provider at `issuer`.
    ///
    /// # Errors
    /// If `issuer` is no URL.
    pub(crate) fn of(issuer: &str) -> anyhow::Result<Self> {
        Ok(Self { http: Client::new(), issuer: Url::parse(issuer)? })
    }

    /// A token to order: a good one but for what `claims` say.
    ///
    /// # Errors
    /// If the provider refuses.
    pub(crate) async fn token(&self, claims: Value) -> anyhow::Result<AccessToken> {
        let mut order = json!({ "user": "alice@example.com", "scope": SCOPES });
        if let (Value::Object(order), Value::Object(claims)) = (&mut order, claims) {
            order.extend(claims);
        }
        token(self.http.post(self.issuer.join("dev/token")?).json(&order).send().await?).await
    }

    /// Throws the provider's signing keys away and makes new ones. Returns the new key's id.
    ///
    /// # Errors
    /// If the provider refuses.
    pub(crate) async fn rotate(&self) -> anyhow::Result<String> {
        let answer = self.http.post(self.issuer.join("dev/rotate")?).send().await?;
        let keys: Value = answer.error_for_status()?.json().await?;
        Ok(keys["RS256"].as_str().context("no new key was named")?.to_owned())
    }
}

fn random() -> String {
    let mut bytes = [0; 32];
    rand::thread_rng().fill_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn redirected(answer: &Response) -> anyhow::Result<Url> {
    let url = answer.url();
    let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok());
    match to {
        Some(to) if answer.status().is_redirection() => Ok(url.join(to)?),
        _ => bail!("{url} answered {} instead of a redirect", answer.status()),
    }
}

async fn token(answer: Response) -> anyhow::Result<AccessToken> {
    let status = answer.status();
    if !status.is_success() {
        bail!("no token: {status} {}", answer.text().await.unwrap_or_default());
    }
    let TokenAnswer { access_token } = answer.json().await.context("no token in the answer")?;
    Ok(AccessToken(access_token))
}

#[cfg(test)]
mod tests {
    use super::{AccessToken, Client, Metadata, Provider, Url};

    #[test]
    fn a_token_is_never_shown_whole_and_its_claims_are_read() {
        let token = AccessToken("e30.eyJzdWIiOiJhbGljZSJ9.c2ln".into());
        assert_eq!(format!("{token:?}"), "[redacted]");
        assert_eq!(token.claims().unwrap()["sub"], "alice");
        assert!(AccessToken("opaque".into()).claims().is_err());
    }

    #[test]
    fn a_callback_counts_only_with_our_state_and_the_providers_name() {
        let url = |text: &str| Url::parse(text).unwrap();
        let provider = Provider {
            http: Client::new(),
            metadata: Metadata {
                issuer: "http://a/".into(),
                authorization_endpoint: url("http://a/authorize"),
                token_endpoint: url("http://a/token"),
            },
        };
        let code =
            |query: &str| provider.code_from(&url(&format!("http://127.0.0.1/cb?{query}")), "s");
        assert_eq!(code("code=c&state=s&iss=http://a/").unwrap(), "c");
        assert_eq!(code("code=c&state=s").unwrap(), "c");
        for refused in ["code=c&state=t", "code=c", "code=c&state=s&iss=http://b/", "state=s"] {
            assert!(code(refused).is_err(), "{refused}");
        }
        assert!(code("error=access_denied&state=s").unwrap_err().to_string().contains("denied"));
    }
}
