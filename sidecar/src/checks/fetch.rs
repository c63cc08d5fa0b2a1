//! Calls that checks make: bounded in time and length, never redirected.

use std::{error::Error, time::Duration};

use reqwest::{Client, StatusCode, header::HeaderMap, redirect::Policy, tls::TlsInfo};
use serde_json::{Map, Value};
use url::Url;

use crate::secret::Secret;

/// The longest answer that is read, of anybody but Envoy.
const LONGEST: usize = 1024 * 1024;
/// The longest that Envoy's description of itself may be: with Istio it names every service.
pub(super) const LONGEST_DUMP: usize = 256 * 1024 * 1024;

/// Makes the calls.
#[derive(Clone, Debug)]
pub struct Fetcher {
    outward: Client,
    direct: Client,
}

/// An answer.
#[derive(Debug)]
pub struct Page {
    /// Its status.
    pub status: StatusCode,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
    /// The certificate of the server, DER.
    pub certificate: Option<Vec<u8>>,
}

impl Fetcher {
    /// A fetcher whose calls take `within` at most.
    pub fn new(within: Duration) -> Self {
        let client = || {
            Client::builder()
                .redirect(Policy::none())
                .timeout(within)
                .tls_info(true)
                .user_agent(concat!("mcp-auth/", env!("CARGO_PKG_VERSION")))
        };
        Self {
            outward: client().build().expect("these settings make a client"),
            direct: client().no_proxy().build().expect("these settings make a client"),
        }
    }

    /// Gets what the world sees at an address, by the proxy of the environment if there is one.
    ///
    /// # Errors
    /// A sentence that says why there is no answer.
    pub async fn get(&self, url: &str) -> Result<Page, String> {
        read(self.outward.get(url), LONGEST).await
    }

    /// Gets what is at an address of the own network, with a token if there is one.
    ///
    /// # Errors
    /// A sentence that says why there is no answer.
    pub async fn get_direct(
        &self,
        base: &Url,
        path_and_query: &str,
        token: Option<&Secret>,
        longest: usize,
    ) -> Result<Page, String> {
        let url = format!("{}{path_and_query}", base.as_str().trim_end_matches('/'));
        let mut request = self.direct.get(url);
        if let Some(token) = token {
            request = request.bearer_auth(token.expose());
        }
        read(request, longest).await
    }

    /// The same where an answer is short.
    ///
    /// # Errors
    /// A sentence that says why there is no answer.
    pub async fn get_short(
        &self,
        base: &Url,
        path_and_query: &str,
        token: Option<&Secret>,
    ) -> Result<Page, String> {
        self.get_direct(base, path_and_query, token, LONGEST).await
    }
}

impl Page {
    /// Its body as a JSON object.
    ///
    /// # Errors
    /// A sentence that says what it is instead.
    pub fn object(&self) -> Result<Map<String, Value>, String> {
        if self.status != StatusCode::OK {
            return Err(format!("the answer is {}", self.status));
        }
        serde_json::from_slice(&self.body).map_err(|_| "the answer is no JSON object".to_owned())
    }
}

async fn read(request: reqwest::RequestBuilder, longest: usize) -> Result<Page, String> {
    let mut answer = request.send().await.map_err(causes)?;
    let info = answer.extensions().get::<TlsInfo>();
    let certificate = info.and_then(TlsInfo::peer_certificate).map(<[u8]>::to_vec);
    let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(causes)? {
        if body.len() + chunk.len() > longest {
            return Err(format!("the answer is longer than {longest} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Page { status, headers, body, certificate })
}

/// The innermost cause says most; the address may hold what is nobody's business.
fn causes(failure: reqwest::Error) -> String {
    if failure.is_timeout() {
        return "it does not answer in time".to_owned();
    }
    let failure = failure.without_url();
    let mut cause: &dyn Error = &failure;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
