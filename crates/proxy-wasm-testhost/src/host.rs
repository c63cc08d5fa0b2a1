//! The test host: one plugin in one VM, as one Envoy worker has it.

use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proxy_wasm::types::{LogLevel, Status};
use thiserror::Error;

use crate::abi::exports::{Answer, Entry};
use crate::call::{Call, CallState, Failure, Response, Undelivered};
use crate::driver::Driver;
use crate::headers::Headers;
use crate::log::LogLine;
use crate::metrics::Metrics;
use crate::state::{Dispatched, ROOT, State};
use crate::stream::{Request, Stream};
use crate::wire::encode_path;

/// 2026-01-01T00:00:00Z, the time at which every host starts.
const START: Duration = Duration::from_secs(1_767_225_600);

/// A native Proxy-Wasm host for one plugin.
///
/// The first methods set it up, [`TestHost::start`] starts the plugin, the rest play the proxy.
/// Several hosts live side by side, in one test too: each has its plugin on a thread of its own
/// with its own SDK dispatcher and `thread_local!` state, like the workers of one Envoy.
///
/// Every method that enters the plugin panics with the plugin's message if the plugin panics.
pub struct TestHost {
    driver: Rc<Driver>,
    register: fn(),
}

/// The plugin refused to start.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Refused {
    /// `on_vm_start` returned false.
    #[error("on_vm_start returned false")]
    VmStart,
    /// `on_configure` returned false.
    #[error("on_configure returned false")]
    Configure,
}

/// Set-up.
impl TestHost {
    /// A host for the plugin that `register` registers, which is the body of
    /// `proxy_wasm::main!`: `set_log_level`, `set_root_context`.
    pub fn new(register: fn()) -> Self {
        let driver = Rc::new(Driver::new(State::new(UNIX_EPOCH + START)));
        Self { driver, register }
    }

    /// Makes a cluster known; calls to any other are refused.
    pub fn cluster(self, name: &str) -> Self {
        self.driver.state().clusters.insert(name.to_owned());
        self
    }

    /// The VM's configuration.
    pub fn vm_configuration(self, configuration: impl AsRef<[u8]>) -> Self {
        self.driver.state().vm_configuration = configuration.as_ref().to_vec();
        self
    }

    /// The plugin's configuration.
    pub fn plugin_configuration(self, configuration: impl AsRef<[u8]>) -> Self {
        self.driver.state().plugin_configuration = configuration.as_ref().to_vec();
        self
    }

    /// A property that every context can read, such as `["node", "id"]`.
    pub fn property<S: AsRef<str>>(
        self,
        path: impl IntoIterator<Item = S>,
        value: impl AsRef<[u8]>,
    ) -> Self {
        self.driver.state().properties.insert(encode_path(path), value.as_ref().to_vec());
        self
    }

    /// Serves a foreign function; unregistered ones answer `NotFound`. The closure runs on the
    /// plugin's thread.
    pub fn foreign_function(
        self,
        name: &str,
        function: impl FnMut(&[u8]) -> Result<Option<Vec<u8>>, Status> + Send + 'static,
    ) -> Self {
        self.driver.state().foreign_functions.insert(name.to_owned(), Box::new(function));
        self
    }

    /// The log level that the plugin is told when it asks.
    pub fn log_level(self, level: LogLevel) -> Self {
        self.driver.state().log_level = level;
        self
    }

    /// Envoy's setting of the same name: with it, the body callbacks run while the headers are
    /// held; without, the body waits.
    pub fn allow_on_headers_stop_iteration(self, allow: bool) -> Self {
        self.driver.state().allow_on_headers_stop_iteration = allow;
        self
    }

    /// Starts the plugin: registers it, creates its root context, and runs `on_vm_start` and
    /// `on_configure`.
    #[track_caller]
    pub fn start(&self) -> Result<(), Refused> {
        self.driver.enter(Entry::Register(self.register));
        self.driver.enter(Entry::ContextCreate { context: ROOT, parent: 0 });
        let size = self.driver.state().vm_configuration.len();
        if self.driver.enter(Entry::VmStart { context: ROOT, size }) != Answer::Bool(true) {
            return Err(Refused::VmStart);
        }
        let size = self.driver.state().plugin_configuration.len();
        self.driver.state().configuring = true;
        let answer = self.driver.enter(Entry::Configure { context: ROOT, size });
        self.driver.state().configuring = false;
        if answer == Answer::Bool(true) { Ok(()) } else { Err(Refused::Configure) }
    }
}

/// Requests.
impl TestHost {
    /// A request with these headers, pseudo-headers included.
    pub fn request<N: AsRef<str>, V: AsRef<[u8]>>(
        &self,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Request {
        Request::new(Rc::clone(&self.driver), Headers::new(headers))
    }

    /// A `GET` of this path at `http://test.example`.
    pub fn get(&self, path: &str) -> Request {
        self.request([
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "test.example"),
            (":path", path),
        ])
    }

    /// Every stream that was begun, in order.
    pub fn streams(&self) -> Vec<Stream> {
        let ids: Vec<u32> = self.driver.state().streams.keys().copied().collect();
        ids.into_iter().map(|id| Stream::new(Rc::clone(&self.driver), id)).collect()
    }

    /// What the plugin did that it should not have, such as resuming a stream that was not
    /// paused: Envoy ignores it or worse. A good plugin leaves this empty.
    pub fn misuses(&self) -> Vec<String> {
        self.driver.state().misuses.clone()
    }
}

/// Dispatched calls.
impl TestHost {
    /// The calls in flight, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.select(|dispatched| dispatched.state == CallState::InFlight)
    }

    /// Every call that was ever dispatched, for counting.
    pub fn all_calls(&self) -> Vec<Call> {
        self.select(|_| true)
    }

    /// The oldest call in flight that was not taken before.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn take_call(&self) -> Call {
        let mut state = self.driver.state();
        let untaken = state.calls.iter_mut().find(|c| c.state == CallState::InFlight && !c.taken);
        let taken = untaken.map(|dispatched| {
            dispatched.taken = true;
            dispatched.call.clone()
        });
        drop(state);
        taken.expect("a call is in flight")
    }

    /// Where a call stands.
    ///
    /// # Panics
    /// If it was not dispatched here.
    #[track_caller]
    pub fn call_state(&self, call: &Call) -> CallState {
        let state = self.driver.state();
        let found = state.calls.iter().find(|c| c.call.token == call.token).map(|c| c.state);
        drop(state);
        found.expect("the call was dispatched by this host's plugin")
    }

    /// Answers a call. Its stream may be gone: the SDK then drops the answer.
    ///
    /// # Panics
    /// If the call has been answered; see [`TestHost::try_answer`].
    #[track_caller]
    pub fn answer(&self, call: &Call, response: Response) {
        if let Err(error) = self.try_answer(call, response) {
            panic!("{error}");
        }
    }

    /// Answers a call if it is in flight.
    #[track_caller]
    pub fn try_answer(&self, call: &Call, response: Response) -> Result<(), Undelivered> {
        self.driver.deliver(call.token, Some(response))
    }

    /// Fails a call.
    ///
    /// # Panics
    /// If the call has been answered.
    #[track_caller]
    pub fn fail(&self, call: &Call, failure: Failure) {
        if let Err(error) = self.driver.deliver(call.token, failure.synthetic_response()) {
            panic!("{error}");
        }
    }

    fn select(&self, which: impl Fn(&Dispatched) -> bool) -> Vec<Call> {
        let state = self.driver.state();
        state.calls.iter().filter(|c| which(c)).map(|c| c.call.clone()).collect()
    }
}

/// Time.
impl TestHost {
    /// The wall clock; at first 2026-01-01T00:00:00Z.
    pub fn now(&self) -> SystemTime {
        self.driver.state().now
    }

    /// Sets the wall clock, in either direction. Timers do not notice.
    pub fn set_time(&self, now: SystemTime) {
        self.driver.state().now = now;
    }

    /// Lets time pass: timeouts and ticks come when they are due.
    #[track_caller]
    pub fn advance(&self, by: Duration) {
        self.driver.advance(by);
    }

    /// The period of the plugin's timer, if it runs.
    pub fn tick_period(&self) -> Option<Duration> {
        self.driver.state().tick.map(|tick| tick.period)
    }

    /// Ticks once, now, whatever the period.
    #[track_caller]
    pub fn tick(&self) {
        self.driver.tick();
    }
}

/// What else comes out, and the end.
impl TestHost {
    /// Everything the plugin logged.
    pub fn logs(&self) -> Vec<LogLine> {
        self.driver.state().logs.clone()
    }

    /// Whether some line contains `text`.
    pub fn logged(&self, text: &str) -> bool {
        self.driver.state().logs.iter().any(|line| line.message.contains(text))
    }

    /// The metrics as they are now.
    pub fn metrics(&self) -> Metrics {
        self.driver.state().metrics.clone()
    }

    /// The value of a key of the shared data.
    pub fn shared_data(&self, key: &str) -> Option<Vec<u8>> {
        self.driver.state().shared.get(key.as_bytes()).ok().map(|(value, _)| value)
    }

    /// A foreign function calls back into the plugin's root context.
    #[track_caller]
    pub fn call_foreign_callback(&self, function: u32, arguments: &[u8]) {
        self.driver.state().call_data = arguments.to_vec();
        let size = arguments.len();
        self.driver.enter(Entry::ForeignFunction { context: ROOT, function, size });
        self.driver.state().call_data.clear();
    }

    /// Takes the plugin down in order: its streams, then its root context.
    #[track_caller]
    pub fn shut_down(self) {
        for stream in self.streams() {
            stream.close();
        }
        self.driver.enter(Entry::Done { context: ROOT });
        self.driver.enter(Entry::Delete { context: ROOT });
    }
}
