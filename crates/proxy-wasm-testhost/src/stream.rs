//! One HTTP stream: how a test sends a request, plays the upstream, and sees what became of it.

use std::rc::Rc;

use crate::call::Response;
use crate::driver::Driver;
use crate::half::Direction;
use crate::headers::Headers;
use crate::state::StreamState;
use crate::wire::encode_path;

/// A request to be sent, made by `TestHost::request`.
#[must_use = "nothing happens before `send`"]
pub struct Request {
    driver: Rc<Driver>,
    headers: Headers,
    body: Option<Vec<u8>>,
    end_of_stream: bool,
    stream: StreamState,
}

impl Request {
    pub(crate) fn new(driver: Rc<Driver>, headers: Headers) -> Self {
        let stream = StreamState::default();
        Self { driver, headers, body: None, end_of_stream: true, stream }
    }

    /// Adds a header, as one more line on the wire.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.add(name, value.as_ref());
        self
    }

    /// Sends this body behind the headers, as one chunk that ends the request.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Some(body.as_ref().to_vec());
        self
    }

    /// Whether the headers end the request (the default). With `false`, the body follows by
    /// [`Stream::body`].
    pub fn end_of_stream(mut self, end: bool) -> Self {
        self.end_of_stream = end;
        self
    }

    /// Sets a property that the plugin can read in this stream, such as `["source", "address"]`.
    pub fn property<S: AsRef<str>>(
        mut self,
        path: impl IntoIterator<Item = S>,
        value: impl AsRef<[u8]>,
    ) -> Self {
        self.stream.properties.insert(encode_path(path), value.as_ref().to_vec());
        self
    }

    /// Sends it: creates the stream's context and runs the plugin's callbacks.
    #[track_caller]
    pub fn send(self) -> Stream {
        let end = self.end_of_stream && self.body.is_none();
        let id = self.driver.begin(self.stream, self.headers, end);
        let stream = Stream { driver: self.driver, id };
        if let Some(body) = self.body {
            stream.body(body, true);
        }
        stream
    }
}

/// A stream that was begun. It stays readable after its end.
pub struct Stream {
    driver: Rc<Driver>,
    id: u32,
}

/// What has become of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The plugin holds it, or holds the reply it made.
    Paused,
    /// It went upstream, with these headers.
    Forwarded(Headers),
    /// The plugin answered it.
    Replied(LocalReply),
    /// The plugin reset the stream.
    Reset,
    /// The client left before the plugin decided.
    Abandoned,
}

/// A local reply as the client gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalReply {
    /// HTTP status.
    pub status: u16,
    /// Headers without `:status`, after the plugin's own response callbacks.
    pub headers: Headers,
    /// Body.
    pub body: Vec<u8>,
    /// Response code details.
    pub details: String,
    /// gRPC status, where the plugin gave one.
    pub grpc_status: Option<i32>,
}

impl LocalReply {
    /// The body as text.
    ///
    /// # Panics
    /// If it is not UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }
}

impl Stream {
    pub(crate) fn new(driver: Rc<Driver>, id: u32) -> Self {
        Self { driver, id }
    }

    /// The context's number, as in [`LogLine`](crate::LogLine).
    pub fn id(&self) -> u32 {
        self.id
    }

    /// What has become of the request by now.
    pub fn outcome(&self) -> Outcome {
        self.look(|stream| match (&stream.reply, &stream.response.released) {
            _ if stream.reset => Outcome::Reset,
            (Some(_), Some(_)) => Outcome::Replied(local_reply(stream)),
            (None, _) if let Some(headers) = &stream.request.released => {
                Outcome::Forwarded(headers.clone())
            }
            _ if !stream.alive => Outcome::Abandoned,
            _ => Outcome::Paused,
        })
    }

    /// Whether the plugin holds the request.
    pub fn is_paused(&self) -> bool {
        self.outcome() == Outcome::Paused
    }

    /// The headers that went upstream, if they ever did: whatever came later does not undo it.
    /// `assert!(stream.forwarded().is_none())` is the test that nothing got past.
    pub fn forwarded(&self) -> Option<Headers> {
        self.look(|stream| stream.request.released.clone())
    }

    /// The body that went upstream so far.
    pub fn forwarded_body(&self) -> Vec<u8> {
        self.look(|stream| stream.request.released_body.clone())
    }

    /// The local reply.
    ///
    /// # Panics
    /// If the outcome is another one, and names it.
    #[track_caller]
    pub fn reply(&self) -> LocalReply {
        match self.outcome() {
            Outcome::Replied(reply) => reply,
            other => panic!("stream {} has no local reply but is {other:?}", self.id),
        }
    }

    /// The response that the client has got so far, local or from upstream.
    pub fn response(&self) -> Option<Response> {
        self.look(|stream| {
            let headers = stream.response.released.clone()?;
            Some(Response { headers, body: stream.response.released_body.clone() })
        })
    }

    /// A property, as the plugin or [`Request::property`] set it: Envoy's `wasm.<path>`.
    pub fn property<S: AsRef<str>>(&self, path: impl IntoIterator<Item = S>) -> Option<Vec<u8>> {
        let path = encode_path(path);
        self.look(|stream| stream.properties.get(&path).cloned())
    }

    /// The client sends a chunk of body. Without effect once the request is over.
    ///
    /// # Panics
    /// If the request has ended before.
    #[track_caller]
    pub fn body(&self, chunk: impl AsRef<[u8]>, end: bool) {
        assert!(!self.look(|s| s.request.ended), "stream {}: the request has ended", self.id);
        self.driver.data(self.id, Direction::Request, chunk.as_ref(), end);
    }

    /// The client ends the request with trailers. The plugin is called, but cannot read them here.
    ///
    /// # Panics
    /// If the request has ended before.
    #[track_caller]
    pub fn trailers(&self) {
        assert!(!self.look(|s| s.request.ended), "stream {}: the request has ended", self.id);
        self.driver.trailers(self.id);
    }

    /// The upstream answers in whole.
    ///
    /// # Panics
    /// As [`Stream::response_headers`].
    #[track_caller]
    pub fn respond(&self, response: Response) {
        let Response { headers, body } = response;
        self.upstream_headers(headers, body.is_empty());
        if !body.is_empty() {
            self.driver.data(self.id, Direction::Response, &body, true);
        }
    }

    /// The upstream sends response headers.
    ///
    /// # Panics
    /// If the request never went upstream, or was answered before.
    #[track_caller]
    pub fn response_headers<N: AsRef<str>, V: AsRef<[u8]>>(
        &self,
        headers: impl IntoIterator<Item = (N, V)>,
        end: bool,
    ) {
        self.upstream_headers(Headers::new(headers), end);
    }

    /// The upstream sends a chunk of response body.
    ///
    /// # Panics
    /// If there were no response headers, or the response has ended before.
    #[track_caller]
    pub fn response_body(&self, chunk: impl AsRef<[u8]>, end: bool) {
        let open = self.look(|s| s.response.headers.is_some() && !s.response.ended);
        assert!(open, "stream {}: no response is under way", self.id);
        self.driver.data(self.id, Direction::Response, chunk.as_ref(), end);
    }

    /// The client goes away (or the stream has run its course): the plugin logs, is done, and
    /// its context is deleted. Streams whose response is complete end by themselves.
    #[track_caller]
    pub fn close(&self) {
        self.driver.finish(self.id);
    }

    /// Whether the plugin still has the stream's context.
    pub fn is_alive(&self) -> bool {
        self.look(|stream| stream.alive)
    }

    #[track_caller]
    fn upstream_headers(&self, headers: Headers, end: bool) {
        let ready = self.look(|stream| {
            stream.alive && stream.request.released.is_some() && stream.response.headers.is_none()
        });
        assert!(
            ready,
            "stream {}: no upstream waits to answer, it is {:?}",
            self.id,
            self.outcome()
        );
        self.driver.headers(self.id, Direction::Response, headers, end);
    }

    fn look<T>(&self, look: impl FnOnce(&StreamState) -> T) -> T {
        self.driver.stream(self.id, |stream| look(stream))
    }
}

fn local_reply(stream: &StreamState) -> LocalReply {
    let mut headers = stream.response.released.clone().unwrap_or_default();
    let status = headers.get(":status").and_then(|status| status.parse().ok()).unwrap_or_default();
    headers.remove(":status");
    let reply = stream.reply.as_ref();
    LocalReply {
        status,
        headers,
        body: stream.response.released_body.clone(),
        details: reply.map(|reply| reply.details.clone()).unwrap_or_default(),
        grpc_status: reply.and_then(|reply| reply.grpc_status),
    }
}
