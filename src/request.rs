//! One request: hands its head to the gate and performs what comes back. Requests that are held are
//! finished by [`crate::root`].

use std::rc::Rc;

use auth_core::{decision::LocalReply, denial::Denial, gate::StreamId, metric::Metric};
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
    held: bool,
}

impl Request {
    pub(crate) fn new(id: StreamId, shared: Rc<Shared>) -> Self {
        Self { id, shared, held: false }
    }
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let started =
            self.shared.with_gate(|gate| gate.start(self.id, host::request_head(), host::now()));
        match started {
            None => {
                self.shared.counters.increment(Metric::Denied(Denial::NotConfigured));
                host::reply(&LocalReply::not_configured());
                Action::Pause
            }
            Some(None) => {
                self.held = true;
                host::tick_soon();
                Action::Pause
            }
            Some(Some(outcome)) => match host::perform(&outcome) {
                Stream::GoesOn => Action::Continue,
                Stream::Answered => Action::Pause,
            },
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if self.held {
            self.shared.with_gate(|gate| gate.forget(self.id));
        }
    }
}
