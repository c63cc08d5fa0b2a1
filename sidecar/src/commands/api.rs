//! Calls of a running service's internal API, in an operator's name.

use std::time::Duration;

use reqwest::{Client, Method, Response, Url, redirect::Policy};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    secret::Secret,
    text::{plain, root_cause},
};

/// Revoking a client with very many sessions takes longest.
const WITHIN: Duration = Duration::from_secs(40);

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// The address.
    #[error("MCP_AUTH_INTERNAL_URL is not an http: or https: URL")]
    Address,
    /// Nobody answers there.
    #[error("the internal API at {0} does not answer: {1}")]
    Unreachable(String, String),
    /// It refuses.
    #[error("{0}")]
    Refused(String),
    /// It answers something else than it should.
    #[error("the internal API answered what mcp-auth does not: {0}")]
    Unreadable(String),
}

pub(super) struct Api<'t> {
    client: Client,
    url: Url,
    token: Option<&'t Secret>,
}

impl<'t> Api<'t> {
    pub(super) fn new(url: &str, token: Option<&'t Secret>) -> Result<Self, NotDone> {
        let url = Url::parse(url).map_err(|_| NotDone::Address)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(NotDone::Address);
        }
        // The token goes where the operator said, and nowhere else.
        let client = Client::builder().timeout(WITHIN).redirect(Policy::none()).no_proxy().build();
        let client =
            client.map_err(|why| NotDone::Unreachable(url.to_string(), why.to_string()))?;
        Ok(Self { client, url, token })
    }

    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, NotDone> {
        let response = self.send(method, path, query).await?;
        response.json().await.map_err(|why| NotDone::Unreadable(why.to_string()))
    }

    pub(super) async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Response, NotDone> {
        #[derive(Deserialize)]
        struct Failure {
            error_description: String,
        }
        let mut url = self.url.clone();
        url.path_segments_mut().map_err(|()| NotDone::Address)?.pop_if_empty().extend(path);
        let mut request = self.client.request(method, url).query(query);
        if let Some(token) = self.token {
            request = request.bearer_auth(token.expose());
        }
        let response = request.send().await.map_err(|why| {
            NotDone::Unreachable(self.url.to_string(), root_cause(&why.without_url()))
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let told = response.json::<Failure>().await.map(|it| plain(&it.error_description));
        Err(NotDone::Refused(told.unwrap_or_else(|_| format!("status {status}"))))
    }
}
