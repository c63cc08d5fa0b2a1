//! What the host knows: shared between the test's thread, which drives it, and the plugin's
//! thread, which reads and changes it through the imports.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use proxy_wasm::types::{LogLevel, Status};

use crate::call::{Call, CallState, Response};
use crate::half::{Direction, Half};
use crate::headers::Headers;
use crate::log::LogLine;
use crate::metrics::Metrics;
use crate::shared::Shared;

/// The plugin's only root context.
pub(crate) const ROOT: u32 = 1;

/// A closure that serves a foreign function.
pub(crate) type ForeignFunction =
    Box<dyn FnMut(&[u8]) -> Result<Option<Vec<u8>>, Status> + Send + 'static>;

/// The host's state.
pub(crate) struct State {
    pub(crate) vm_configuration: Vec<u8>,
    pub(crate) plugin_configuration: Vec<u8>,
    /// Readable only from `on_configure`, as in Envoy.
    pub(crate) configuring: bool,
    pub(crate) clusters: BTreeSet<String>,
    pub(crate) properties: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) foreign_functions: BTreeMap<String, ForeignFunction>,
    /// The argument of a foreign function that calls back into the plugin.
    pub(crate) call_data: Vec<u8>,
    pub(crate) log_level: LogLevel,
    pub(crate) allow_on_headers_stop_iteration: bool,

    /// The wall clock, which a test may set at will.
    pub(crate) now: SystemTime,
    /// The clock of timers, which only advances.
    pub(crate) elapsed: Duration,
    pub(crate) tick: Option<Tick>,

    pub(crate) current: u32,
    pub(crate) effective: Option<u32>,
    pub(crate) streams: BTreeMap<u32, StreamState>,
    pub(crate) calls: Vec<Dispatched>,
    /// The response of the call that is calling back.
    pub(crate) call_response: Option<Response>,
    pub(crate) deferred: Vec<Deferred>,

    pub(crate) logs: Vec<LogLine>,
    pub(crate) misuses: Vec<String>,
    pub(crate) metrics: Metrics,
    pub(crate) shared: Shared,
}

/// The plugin's timer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tick {
    pub(crate) period: Duration,
    pub(crate) due: Duration,
}

/// A call and where it stands.
pub(crate) struct Dispatched {
    pub(crate) call: Call,
    pub(crate) state: CallState,
    pub(crate) taken: bool,
    pub(crate) deadline: Option<Duration>,
}

/// What the plugin asked for and Envoy does once the plugin has returned.
#[derive(Debug)]
pub(crate) enum Deferred {
    Continue(u32, Direction),
    Reply(u32, ReplyRequest),
    Reset(u32),
    QueueReady(u32),
    ForgetCallResponse,
}

/// A local reply as the plugin asked for it.
#[derive(Debug)]
pub(crate) struct ReplyRequest {
    pub(crate) status: u32,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
    pub(crate) details: String,
    pub(crate) grpc_status: Option<i32>,
}

/// One HTTP stream; kept after its end for the test to look at.
#[derive(Default)]
pub(crate) struct StreamState {
    pub(crate) request: Half,
    pub(crate) response: Half,
    pub(crate) reply: Option<Replied>,
    pub(crate) reset: bool,
    /// The plugin has its context still.
    pub(crate) alive: bool,
    /// Its log, done and delete callbacks are under way or over.
    pub(crate) finishing: bool,
    pub(crate) logging: bool,
    pub(crate) properties: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// That the response is a local reply, and what is known of it besides headers and body.
pub(crate) struct Replied {
    pub(crate) details: String,
    pub(crate) grpc_status: Option<i32>,
}

impl StreamState {
    pub(crate) fn half(&mut self, direction: Direction) -> &mut Half {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }

    /// Nothing more can go on in this direction.
    pub(crate) fn is_over(&self, direction: Direction) -> bool {
        !self.alive || self.reset || (direction == Direction::Request && self.reply.is_some())
    }

    /// The response is complete, or there will be none.
    pub(crate) fn is_finished(&self) -> bool {
        self.reset || self.response.complete
    }
}

impl State {
    pub(crate) fn new(now: SystemTime) -> Self {
        Self {
            vm_configuration: Vec::new(),
            plugin_configuration: Vec::new(),
            configuring: false,
            clusters: BTreeSet::new(),
            properties: BTreeMap::new(),
            foreign_functions: BTreeMap::new(),
            call_data: Vec::new(),
            log_level: LogLevel::Info,
            allow_on_headers_stop_iteration: false,
            now,
            elapsed: Duration::ZERO,
            tick: None,
            current: 0,
            effective: None,
            streams: BTreeMap::new(),
            calls: Vec::new(),
            call_response: None,
            deferred: Vec::new(),
            logs: Vec::new(),
            misuses: Vec::new(),
            metrics: Metrics::default(),
            shared: Shared::default(),
        }
    }

    /// The context that an import acts on. One made effective and gone since is no longer it.
    pub(crate) fn context(&self) -> u32 {
        self.effective.filter(|id| self.exists(*id)).unwrap_or(self.current)
    }

    pub(crate) fn exists(&self, context: u32) -> bool {
        context == ROOT || self.streams.get(&context).is_some_and(|stream| stream.alive)
    }

    /// The stream that an import acts on, if it is not the root.
    pub(crate) fn stream(&self) -> Option<&StreamState> {
        self.streams.get(&self.context()).filter(|stream| stream.alive)
    }

    pub(crate) fn stream_mut(&mut self) -> Option<&mut StreamState> {
        let context = self.context();
        self.streams.get_mut(&context).filter(|stream| stream.alive)
    }

    /// Moves both clocks.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.elapsed += time;
    }

    pub(crate) fn log(&mut self, level: LogLevel, message: &str) {
        self.logs.push(LogLine { level, message: message.to_owned(), context: self.context() });
    }

    /// Notes what the plugin should not have done and Envoy lets pass or punishes silently.
    pub(crate) fn misuse(&mut self, message: String) {
        eprintln!("[misuse] {message}");
        self.misuses.push(message);
    }
}
