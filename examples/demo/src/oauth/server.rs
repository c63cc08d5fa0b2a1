//! An authorization server as its clients meet it.

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, Url};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::browser::Browser;
use super::{Token, Tokens, json, random};

/// Nothing listens there: the scripted browser stops before it follows.
const REDIRECT_URI: &str = "http://127.0.0.1:7777/callback";
/// What is asked for.
pub(super) const SCOPES: &str = "openid profile email offline_access mcp:read mcp:write";

/// An authorization server, known by its own metadata (RFC 8414, OpenID Connect Discovery).
#[derive(Debug)]
pub(crate) struct AuthorizationServer {
    http: Client,
    metadata: Metadata,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    registration_endpoint: Option<Url>,
    revocation_endpoint: Option<Url>,
}

impl AuthorizationServer {
    /// Reads the metadata of `issuer`.
    ///
    /// # Errors
    /// If there is none, or it is another issuer's.
    pub(crate) async fn discover(issuer: &str) -> anyhow::Result<Self> {
        let http = Client::new();
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let metadata: Metadata = json(http.get(&url).send().await?).await?;
        ensure!(metadata.issuer == issuer, "{url} belongs to {}", metadata.issuer);
        Ok(Self { http, metadata })
    }

    /// Registers a public client (RFC 7591). Returns its id.
    ///
    /// # Errors
    /// If the server registers nobody, or refuses.
    pub(crate) async fn register(&self, name: &str) -> anyhow::Result<String> {
        #[derive(Deserialize)]
        struct Registered {
            client_id: String,
        }
        let endpoint = self.metadata.registration_endpoint.clone();
        let endpoint = endpoint.context("the server registers no clients")?;
        let client = json!({
            "client_name": name,
            "redirect_uris": [REDIRECT_URI],
            "token_endpoint_auth_method": "none",
        });
        let answer = self.http.post(endpoint).json(&client).send().await?;
        Ok(json::<Registered>(answer).await?.client_id)
    }

    /// Logs `username` in by authorization code and PKCE (RFC 7636), and asks for tokens that are
    /// good at `resource` (RFC 8707).
    ///
    /// # Errors
    /// In words, if any part of that went another way.
    pub(crate) async fn log_in(
        &self,
        client_id: &str,
        username: &str,
        resource: &str,
    ) -> anyhow::Result<Tokens> {
        let (verifier, state) = (random(), random());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let request = [
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", REDIRECT_URI),
            ("scope", SCOPES),
            ("state", &state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("resource", resource),
            ("audience", resource),
        ];
        let mut authorize = self.metadata.authorization_endpoint.clone();
        authorize.query_pairs_mut().extend_pairs(request);
        let callback = Browser::of(username)?.go(authorize, REDIRECT_URI).await?;
        let code = self.code_from(&callback, &state)?;
        self.token(&[
            ("grant_type", "authorization_code"),
            ("client_id", client_id),
            ("redirect_uri", REDIRECT_URI),
            ("code", &code),
            ("code_verifier", &verifier),
            ("resource", resource),
        ])
        .await
    }

    /// The next tokens (RFC 6749 section 6).
    ///
    /// # Errors
    /// If the server refuses.
    pub(crate) async fn refresh(
        &self,
        client_id: &str,
        refresh_token: &Token,
    ) -> anyhow::Result<Tokens> {
        self.token(&[
            ("grant_type", "refresh_token"),
            ("client_id", client_id),
            ("refresh_token", refresh_token.as_str()),
        ])
        .await
    }

    /// Ends the login that a token belongs to (RFC 7009).
    ///
    /// # Errors
    /// If the server cannot, or refuses.
    pub(crate) async fn revoke(&self, client_id: &str, token: &Token) -> anyhow::Result<()> {
        let endpoint = self.metadata.revocation_endpoint.clone();
        let endpoint = endpoint.context("the server revokes nothing")?;
        let form = [("client_id", client_id), ("token", token.as_str())];
        self.http.post(endpoint).form(&form).send().await?.error_for_status()?;
        Ok(())
    }

    async fn token(&self, grant: &[(&str, &str)]) -> anyhow::Result<Tokens> {
        json(self.http.post(self.metadata.token_endpoint.clone()).form(grant).send().await?).await
    }

    /// The code in the redirect back to the client, if the redirect is the server's answer to
    /// this very request (RFC 6749 section 10.12, RFC 9207).
    fn code_from(&self, callback: &Url, state: &str) -> anyhow::Result<String> {
        let given = |name| {
            let mut pairs = callback.query_pairs();
            pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        if let Some(error) = given("error") {
            bail!("the authorization server refused: {error}");
        }
        ensure!(given("state").as_deref() == Some(state), "the login came back with another state");
        if let Some(iss) = given("iss") {
            ensure!(iss == self.metadata.issuer, "the login came back from {iss}");
        }
        given("code").context("the login came back without a code")
    }
}

#[cfg(test)]
mod tests {
    use super::{AuthorizationServer, Client, Metadata, Url};

    #[test]
    fn a_callback_counts_only_with_our_state_and_the_servers_name() {
        let url = |text: &str| Url::parse(text).unwrap();
        let server = AuthorizationServer {
            http: Client::new(),
            metadata: Metadata {
                issuer: "http://a/".into(),
                authorization_endpoint: url("http://a/authorize"),
                token_endpoint: url("http://a/token"),
                registration_endpoint: None,
                revocation_endpoint: None,
            },
        };
        let code =
            |query: &str| server.code_from(&url(&format!("http://127.0.0.1/cb?{query}")), "s");
        assert_eq!(code("code=c&state=s&iss=http://a/").unwrap(), "c");
        assert_eq!(code("code=c&state=s").unwrap(), "c");
        for refused in ["code=c&state=t", "code=c", "code=c&state=s&iss=http://b/", "state=s"] {
            assert!(code(refused).is_err(), "{refused}");
        }
        assert!(code("error=access_denied&state=s").unwrap_err().to_string().contains("denied"));
    }
}
