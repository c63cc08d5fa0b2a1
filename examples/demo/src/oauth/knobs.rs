//! The development knobs of `dev-idp`.

use anyhow::Context as _;
use reqwest::{Client, Url};
use serde_json::{Value, json};

use super::{Token, Tokens, json, server::SCOPES};

/// The knobs of one provider.
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
    pub(crate) async fn token(&self, claims: Value) -> anyhow::Result<Token> {
        let mut order = json!({ "user": "alice@example.com", "scope": SCOPES });
        if let (Value::Object(order), Value::Object(claims)) = (&mut order, claims) {
            order.extend(claims);
        }
        let answer = self.http.post(self.issuer.join("dev/token")?).json(&order).send().await?;
        Ok(json::<Tokens>(answer).await?.access)
    }

    /// Throws the provider's signing keys away and makes new ones. Returns the new key's id.
    ///
    /// # Errors
    /// If the provider refuses.
    pub(crate) async fn rotate(&self) -> anyhow::Result<String> {
        let keys: Value =
            json(self.http.post(self.issuer.join("dev/rotate")?).send().await?).await?;
        Ok(keys["RS256"].as_str().context("no new key was named")?.to_owned())
    }
}
