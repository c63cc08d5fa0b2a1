//! HTTP calls that the plugin dispatches, and the answers a test gives them.

use std::time::Duration;

use thiserror::Error;

use crate::headers::Headers;

/// A dispatched HTTP call, as the plugin made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The host's number of the call, which the plugin's callback gets too.
    pub token: u32,
    /// The upstream cluster.
    pub cluster: String,
    /// Request headers, pseudo-headers included.
    pub headers: Headers,
    /// Request body.
    pub body: Vec<u8>,
    /// Request trailers.
    pub trailers: Headers,
    /// After this time the host answers with a synthetic 504; `None` waits for ever.
    pub timeout: Option<Duration>,
    /// Whether it outlives every stream. Envoy cancels a call that a stream has made, itself or as
    /// the effective context, when the stream ends.
    pub by_root: bool,
}

impl Call {
    /// The `:path` of the call.
    pub fn path(&self) -> &str {
        self.headers.get(":path").unwrap_or_default()
    }

    /// The `:method` of the call.
    pub fn method(&self) -> &str {
        self.headers.get(":method").unwrap_or_default()
    }
}

/// A response: to a call of the plugin, or of the upstream to a forwarded request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// A response without body.
    pub fn new(status: u16) -> Self {
        Self { headers: Headers::new([(":status", status.to_string())]), body: Vec::new() }
    }

    /// A 200 with this body.
    pub fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::new(200).body(body)
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.add(name, value.as_ref());
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }
}

/// How a call fails, each with what Envoy then tells the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No answer in time: a synthetic 504 with a text body.
    Timeout,
    /// Connection refused, or no healthy upstream: a synthetic 503 with a text body.
    Refused,
    /// Broken off in the middle of the response: no headers, no body.
    Reset,
    /// A body over the limit of the host: no headers, no body.
    TooLarge,
}

impl Failure {
    /// The response Envoy makes up, and `None` where the callback comes empty-handed.
    pub(crate) fn synthetic_response(self) -> Option<Response> {
        let (status, body) = match self {
            Self::Timeout => (504, "upstream request timeout"),
            Self::Refused => (
                503,
                "upstream connect error or disconnect/reset before headers. \
                 reset reason: connection failure",
            ),
            Self::Reset | Self::TooLarge => return None,
        };
        Some(
            Response::new(status)
                .header("content-length", body.len().to_string())
                .header("content-type", "text/plain")
                .body(body),
        )
    }
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallState {
    /// The plugin waits for its callback.
    InFlight,
    /// The plugin had its callback, which for a call of a stream that is gone means that the
    /// SDK dropped it.
    Answered,
}

/// Why the host does not deliver an answer. Envoy calls back once for each call.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Undelivered {
    /// The call had its callback already.
    #[error("call {0} has been answered already; a host calls back once")]
    AlreadyAnswered(u32),
    /// No such call was dispatched by this host's plugin.
    #[error("call {0} was never dispatched here")]
    Unknown(u32),
}
