//! Drives the plugin: enters it, then does what it asked for, as Envoy's filter manager would.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::abi::exports::{Answer, Entry};
use crate::call::{CallState, Failure, Response, Undelivered};
use crate::half::Direction;
use crate::headers::Headers;
use crate::plugin::{self, Plugin};
use crate::state::{Deferred, ROOT, Replied, ReplyRequest, State, StreamState};

/// The plugin, the host's state and the order between them.
pub(crate) struct Driver {
    plugin: Plugin,
    state: Arc<Mutex<State>>,
}

/// Which callback the plugin has just answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Callback {
    Headers,
    Body,
}

impl Driver {
    pub(crate) fn new(state: State) -> Self {
        let state = Arc::new(Mutex::new(state));
        Self { plugin: Plugin::new(Arc::clone(&state)), state }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        plugin::lock(&self.state)
    }

    /// Looks at or changes one stream.
    pub(crate) fn stream<T>(&self, id: u32, look: impl FnOnce(&mut StreamState) -> T) -> T {
        look(self.state().streams.get_mut(&id).expect("a stream is never forgotten"))
    }

    /// Enters the plugin, then does what it asked for.
    #[track_caller]
    pub(crate) fn enter(&self, entry: Entry) -> Answer {
        self.state().enter_context(entry.context());
        let answer = self.plugin.enter(entry);
        let deferred = self.state().take_deferred();
        for deferred in deferred {
            match deferred {
                Deferred::Continue(id, direction) => self.resume(id, direction),
                Deferred::Reply(id, reply) => self.reply(id, reply),
                Deferred::Reset(id) if id != ROOT => self.stream(id, |stream| stream.reset = true),
                Deferred::Reset(_) => {}
                Deferred::QueueReady(queue) => {
                    self.enter(Entry::QueueReady { context: ROOT, queue });
                }
                Deferred::ForgetCallResponse => self.state().call_response = None,
            }
        }
        answer
    }

    /// Begins a stream with its request headers.
    #[track_caller]
    pub(crate) fn begin(&self, stream: StreamState, headers: Headers, end: bool) -> u32 {
        let id = {
            let mut state = self.state();
            let id = state.streams.keys().next_back().map_or(ROOT, |id| *id) + 1;
            state.streams.insert(id, StreamState { alive: true, ..stream });
            id
        };
        self.enter(Entry::ContextCreate { context: id, parent: ROOT });
        self.headers(id, Direction::Request, headers, end);
        id
    }

    /// Headers arrive.
    #[track_caller]
    pub(crate) fn headers(&self, id: u32, direction: Direction, headers: Headers, end: bool) {
        self.pass_headers(id, direction, headers, end);
        self.sweep();
    }

    /// A chunk of body arrives.
    #[track_caller]
    pub(crate) fn data(&self, id: u32, direction: Direction, chunk: &[u8], end: bool) {
        self.pass_data(id, direction, chunk, end);
        self.sweep();
    }

    /// The request ends with trailers.
    #[track_caller]
    pub(crate) fn trailers(&self, id: u32) {
        self.pass_trailers(id);
        self.sweep();
    }

    /// Answers a call; `None` calls back without headers and body.
    #[track_caller]
    pub(crate) fn deliver(
        &self,
        token: u32,
        response: Option<Response>,
    ) -> Result<(), Undelivered> {
        let sizes;
        {
            let mut state = self.state();
            let call = state.calls.iter_mut().find(|dispatched| dispatched.call.token == token);
            let call = call.ok_or(Undelivered::Unknown(token))?;
            if call.state != CallState::InFlight {
                return Err(Undelivered::AlreadyAnswered(token));
            }
            call.state = CallState::Answered;
            sizes = response
                .as_ref()
                .map_or((0, 0), |response| (response.headers.len(), response.body.len()));
            state.call_response = response;
            state.deferred.push(Deferred::ForgetCallResponse);
        }
        let (headers, body) = sizes;
        self.enter(Entry::HttpCallResponse { context: ROOT, token, headers, body });
        self.sweep();
        Ok(())
    }

    /// Lets time pass; ticks and timeouts come when they are due, each at its own time.
    #[track_caller]
    pub(crate) fn advance(&self, by: Duration) {
        let end = self.state().elapsed + by;
        while let Some((at, timed_out)) = self.next_due(end) {
            let elapsed = self.state().elapsed;
            self.state().pass(at.saturating_sub(elapsed));
            match timed_out {
                Some(token) => self
                    .deliver(token, Failure::Timeout.synthetic_response())
                    .expect("a call that is due is in flight"),
                None => self.tick(),
            }
        }
        let mut state = self.state();
        let rest = end.saturating_sub(state.elapsed);
        state.pass(rest);
    }

    /// Fires the timer now and starts its period anew.
    #[track_caller]
    pub(crate) fn tick(&self) {
        self.enter(Entry::Tick { context: ROOT });
        let mut state = self.state();
        let elapsed = state.elapsed;
        if let Some(tick) = &mut state.tick {
            tick.due = elapsed + tick.period;
        }
        drop(state);
        self.sweep();
    }

    /// Ends a stream: log, done, delete.
    #[track_caller]
    pub(crate) fn finish(&self, id: u32) {
        let first = self.stream(id, |stream| !std::mem::replace(&mut stream.finishing, true));
        if !first {
            return;
        }
        self.stream(id, |stream| stream.logging = true);
        self.enter(Entry::Log { context: id });
        self.stream(id, |stream| stream.logging = false);
        self.enter(Entry::Done { context: id });
        self.enter(Entry::Delete { context: id });
        self.stream(id, |stream| stream.alive = false);
    }

    fn pass_headers(&self, id: u32, direction: Direction, headers: Headers, end: bool) {
        let count = headers.len();
        self.stream(id, |stream| {
            let half = stream.half(direction);
            half.headers = Some(headers);
            half.visible = true;
            half.resumed = false;
            half.ended = end;
        });
        let answer = self.enter(match direction {
            Direction::Request => Entry::RequestHeaders { context: id, count, end },
            Direction::Response => Entry::ResponseHeaders { context: id, count, end },
        });
        self.follow(id, direction, Callback::Headers, answer);
    }

    /// A chunk goes to the plugin, or waits while the plugin holds the headers.
    fn pass_data(&self, id: u32, direction: Direction, chunk: &[u8], end: bool) {
        let through = self.state().allow_on_headers_stop_iteration;
        let size = self.stream(id, |stream| {
            if stream.is_over(direction) {
                return None;
            }
            let half = stream.half(direction);
            half.ended = end;
            if half.held && half.released.is_none() && !through {
                half.waiting.get_or_insert_default().extend_from_slice(chunk);
                return None;
            }
            Some(half.arrive(chunk))
        });
        let Some(size) = size else { return };
        let answer = self.enter(match direction {
            Direction::Request => Entry::RequestBody { context: id, size, end },
            Direction::Response => Entry::ResponseBody { context: id, size, end },
        });
        self.follow(id, direction, Callback::Body, answer);
    }

    /// Trailers go to the plugin, or wait while the plugin holds the headers. To let them go is to
    /// let everything go that is held.
    fn pass_trailers(&self, id: u32) {
        let through = self.state().allow_on_headers_stop_iteration;
        let passes = self.stream(id, |stream| {
            let over = stream.is_over(Direction::Request);
            let half = &mut stream.request;
            half.ended = true;
            half.trailers_wait = !over && half.held && half.released.is_none() && !through;
            half.resumed = false;
            !over && !half.trailers_wait
        });
        if passes {
            let answer = self.enter(Entry::RequestTrailers { context: id });
            self.follow(id, Direction::Request, Callback::Headers, answer);
        }
    }

    /// Does as the plugin answered, unless its resume or the stream's end came first.
    ///
    /// `Continue` at a chunk lets held headers go as well, in Envoy too: a filter that only
    /// looks at the body must not answer so before it has decided.
    fn follow(&self, id: u32, direction: Direction, callback: Callback, answer: Answer) {
        let go_on = self.stream(id, |stream| {
            let over = stream.is_over(direction);
            let half = stream.half(direction);
            half.body_visible = false;
            if over || half.resumed {
                return false;
            }
            half.held = answer == Answer::Pause;
            half.buffering |= half.held && callback == Callback::Body;
            !half.held
        });
        if go_on {
            self.release(id, direction);
        }
    }

    /// Lets a direction go on, then passes the body that waited behind the headers.
    fn release(&self, id: u32, direction: Direction) {
        let (waiting, trailers_wait) = self.stream(id, |stream| {
            let half = stream.half(direction);
            let waiting = half.waiting.take();
            let trailers_wait = std::mem::take(&mut half.trailers_wait);
            half.release(waiting.is_none() && !trailers_wait);
            (waiting.map(|chunk| (chunk, half.ended && !trailers_wait)), trailers_wait)
        });
        if let Some((chunk, end)) = waiting {
            self.pass_data(id, direction, &chunk, end);
        }
        if trailers_wait {
            self.pass_trailers(id);
        }
    }

    fn resume(&self, id: u32, direction: Direction) {
        let misuse = self.stream(id, |stream| {
            if stream.is_over(direction) {
                return Some("resumed after its end");
            }
            let half = stream.half(direction);
            half.resumed = true;
            let gone = half.released.is_some() && !half.held;
            (half.headers.is_none() || gone).then_some("resumed though it was not paused")
        });
        match misuse {
            Some(what) => self.state().misuse(format!("stream {id} was {what} ({direction:?})")),
            None => self.release(id, direction),
        }
    }

    /// Sends a local reply through the response callbacks of the plugin.
    fn reply(&self, id: u32, reply: ReplyRequest) {
        let possible = id != ROOT
            && self.stream(id, |stream| {
                !stream.is_over(Direction::Request) && stream.response.headers.is_none()
            });
        if !possible {
            let status = reply.status;
            let what = format!("local reply {status} on context {id}, which has no use for one");
            return self.state().misuse(what);
        }
        let head = self.stream(id, |stream| {
            stream.reply =
                Some(Replied { details: reply.details.clone(), grpc_status: reply.grpc_status });
            let method = stream.request.headers.as_ref().and_then(|map| map.get_bytes(":method"));
            method == Some(b"HEAD")
        });
        let headers = reply_headers(&reply);
        let body = if head { Vec::new() } else { reply.body };
        self.pass_headers(id, Direction::Response, headers, body.is_empty());
        if !body.is_empty() {
            self.pass_data(id, Direction::Response, &body, true);
        }
    }

    /// Ends the streams that are over. Envoy destroys them when no callback is under way.
    fn sweep(&self) {
        loop {
            let over =
                |stream: &StreamState| stream.alive && !stream.finishing && stream.is_finished();
            let next = self.state().streams.iter().find(|(_, s)| over(s)).map(|(id, _)| *id);
            let Some(id) = next else { return };
            self.finish(id);
        }
    }

    /// The next timeout (with its call) or tick, not after `end`. Timeouts come first.
    fn next_due(&self, end: Duration) -> Option<(Duration, Option<u32>)> {
        let state = self.state();
        let in_flight = state.calls.iter().filter(|call| call.state == CallState::InFlight);
        let timeouts = in_flight.filter_map(|c| c.deadline.map(|at| (at, Some(c.call.token))));
        let tick = state.tick.map(|tick| (tick.due, None));
        timeouts.chain(tick).filter(|(at, _)| *at <= end).min_by_key(|(at, _)| *at)
    }
}

/// What the client gets: Envoy sets the length, and a type where the plugin set none.
fn reply_headers(reply: &ReplyRequest) -> Headers {
    let mut headers = Headers::new([(":status", reply.status.to_string())]);
    for (name, value) in reply.headers.iter_bytes() {
        headers.add(name, value);
    }
    if !reply.body.is_empty() {
        headers.replace("content-length", reply.body.len().to_string().as_bytes());
        if !headers.contains("content-type") {
            headers.add("content-type", b"text/plain");
        }
    }
    headers
}
