//! One request: hands its head, and the body where that is asked for, to the gate and performs what
//! comes back. Requests that wait for a fetch are finished by [`crate::root`].
//!
//! As long as a request is held, every callback of it answers `Pause`: where the host lets the body
//! be read meanwhile, a single `Continue` would let the held head go.

use std::rc::Rc;

use auth_core::{
    decision::LocalReply,
    denial::Denial,
    gate::{Hold, StreamId},
    metric::Metric,
    outcome::Outcome,
};
use log::error;
use proxy_wasm::{
    traits::{Context, HttpContext},
    types::Action,
};

use crate::{
    host::{self, Stream},
    root::Shared,
};

pub(crate) struct Request {
    id: StreamId,
    shared: Rc<Shared>,
    state: State,
    /// Whether the gate is to see the head of the answer.
    watches_answer: bool,
    /// How much of the body was handed to the gate.
    body_seen: usize,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The gate holds it, or did: only the gate knows.
    Held,
    GoesOn,
    Answered,
}

impl Request {
    pub(crate) fn new(id: StreamId, shared: Rc<Shared>) -> Self {
        Self { id, shared, state: State::Answered, watches_answer: false, body_seen: 0 }
    }

    fn perform(&mut self, outcome: &Outcome) -> Action {
        self.watches_answer = outcome.watches_answer;
        match host::perform(outcome) {
            Stream::GoesOn => {
                self.state = State::GoesOn;
                Action::Continue
            }
            Stream::Answered => {
                self.state = State::Answered;
                Action::Pause
            }
        }
    }

    /// More of the request has arrived: its body so far has this size.
    fn arrived(&mut self, body_size: usize, last: bool) -> Action {
        match self.state {
            State::GoesOn => return Action::Continue,
            State::Answered => return Action::Pause,
            State::Held => {}
        }
        match self.shared.with_gate(|gate| gate.hold(self.id)) {
            Some(Hold::ReadsBody) => self.read(body_size, last),
            Some(Hold::GoesOn) => Action::Continue,
            Some(Hold::Waits | Hold::Over) | None => Action::Pause,
        }
    }

    fn read(&mut self, body_size: usize, last: bool) -> Action {
        let Some(chunk) = host::request_body(self.body_seen, body_size) else {
            error!("the host could not hand out a request's body");
            self.shared.with_gate(|gate| gate.forget(self.id));
            self.state = State::Answered;
            host::reply(&LocalReply::not_configured());
            return Action::Pause;
        };
        self.body_seen = body_size;
        let decided =
            self.shared.with_gate(|gate| gate.body(self.id, &chunk, last, host::now())).flatten();
        match decided {
            Some(outcome) => self.perform(&outcome),
            None => {
                self.tick_if_due();
                Action::Pause
            }
        }
    }

    fn tick_if_due(&self) {
        if self.shared.with_gate(|gate| gate.is_due(host::now())) == Some(true) {
            host::tick_soon();
        }
    }
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        let head = host::request_head();
        let started =
            self.shared.with_gate(|gate| gate.start(self.id, head, !end_of_stream, host::now()));
        match started {
            None => {
                self.shared.counters.increment(Metric::Denied(Denial::NotConfigured));
                host::reply(&LocalReply::not_configured());
                Action::Pause
            }
            Some(None) => {
                self.state = State::Held;
                self.tick_if_due();
                Action::Pause
            }
            Some(Some(outcome)) => self.perform(&outcome),
        }
    }

    fn on_http_request_body(&mut self, body_size: usize, end_of_stream: bool) -> Action {
        self.arrived(body_size, end_of_stream)
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.arrived(self.body_seen, true)
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        if self.watches_answer || self.state == State::Held {
            let learned = self
                .shared
                .with_gate(|gate| gate.answered(self.id, host::response_header, host::now()));
            if learned == Some(true) {
                self.tick_if_due();
            }
        }
        Action::Continue
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if self.watches_answer || self.state == State::Held {
            self.shared.with_gate(|gate| gate.forget(self.id));
        }
    }
}
