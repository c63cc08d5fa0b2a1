//! Calls to the identity provider: bounded in time and length, never redirected.

use std::{pin::Pin, time::Duration};

use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse, http};
use reqwest::{Client, Request, redirect::Policy};

/// How long one call may take.
pub(super) const CALL_WITHIN: Duration = Duration::from_secs(10);
/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The longest answer that is read.
const LONGEST_ANSWER: usize = 1024 * 1024;

/// The client that makes them.
#[derive(Clone)]
pub(super) struct Http(Client);

/// Why there is no answer to go by.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// It cannot be reached, or not in time.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// It says that it cannot answer now.
    #[error("it answered {0}")]
    Unable(u16),
    /// The answer does not end.
    #[error("its answer is longer than {LONGEST_ANSWER} bytes")]
    TooLong,
}

impl Http {
    pub(super) fn new() -> Self {
        let client = Client::builder()
            .redirect(Policy::none())
            .timeout(CALL_WITHIN)
            .connect_timeout(CONNECT_WITHIN)
            .user_agent(concat!("mcp-auth/", env!("CARGO_PKG_VERSION")))
            .build();
        Self(client.expect("these settings make a client"))
    }

    /// Sends a request. An answer of 5xx or 429 counts as none: what it says is not about the
    /// request.
    pub(super) async fn send(&self, request: HttpRequest) -> Result<HttpResponse, NoAnswer> {
        let request = Request::try_from(request).map_err(unreachable)?;
        let mut answer = self.0.execute(request).await.map_err(unreachable)?;
        let status = answer.status();
        if status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS {
            return Err(NoAnswer::Unable(status.as_u16()));
        }
        let headers = std::mem::take(answer.headers_mut());
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > LONGEST_ANSWER {
                return Err(NoAnswer::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        let mut read = HttpResponse::new(body);
        *read.status_mut() = status;
        *read.headers_mut() = headers;
        Ok(read)
    }

    /// The body that is found at an address.
    pub(super) async fn get(&self, address: &str) -> Result<Vec<u8>, NoAnswer> {
        let request = http::Request::get(address)
            .header(http::header::ACCEPT, "application/json")
            .body(Vec::new())
            .map_err(|refused| NoAnswer::Unreachable(refused.to_string()))?;
        let answer = self.send(request).await?;
        match answer.status() {
            http::StatusCode::OK => Ok(answer.into_body()),
            other => Err(NoAnswer::Unable(other.as_u16())),
        }
    }
}

/// Lets the crate make its calls by this.
impl<'c> AsyncHttpClient<'c> for Http {
    type Error = NoAnswer;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, NoAnswer>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

/// The whole chain of causes, without the address: it may hold what is nobody's business.
fn unreachable(failure: reqwest::Error) -> NoAnswer {
    use std::error::Error;

    let failure = failure.without_url();
    let mut text = failure.to_string();
    let mut cause = failure.source();
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        cause = deeper.source();
    }
    NoAnswer::Unreachable(text)
}
