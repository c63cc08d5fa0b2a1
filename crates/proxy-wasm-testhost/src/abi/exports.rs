//! Calls into the SDK's exported entry points.

use proxy_wasm::types::Action;

/// One call from host to plugin.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entry {
    /// Runs the plugin's registration function, which is `_initialize` in a Wasm module.
    Register(fn()),
    ContextCreate {
        context: u32,
        parent: u32,
    },
    VmStart {
        context: u32,
        size: usize,
    },
    Configure {
        context: u32,
        size: usize,
    },
    Tick {
        context: u32,
    },
    QueueReady {
        context: u32,
        queue: u32,
    },
    RequestHeaders {
        context: u32,
        count: usize,
        end: bool,
    },
    RequestBody {
        context: u32,
        size: usize,
        end: bool,
    },
    RequestTrailers {
        context: u32,
    },
    ResponseHeaders {
        context: u32,
        count: usize,
        end: bool,
    },
    ResponseBody {
        context: u32,
        size: usize,
        end: bool,
    },
    HttpCallResponse {
        context: u32,
        token: u32,
        headers: usize,
        body: usize,
    },
    ForeignFunction {
        context: u32,
        function: u32,
        size: usize,
    },
    Log {
        context: u32,
    },
    Done {
        context: u32,
    },
    Delete {
        context: u32,
    },
}

impl Entry {
    /// The context that the host enters; 0 before there is one.
    pub(crate) fn context(self) -> u32 {
        match self {
            Self::Register(_) => 0,
            Self::ContextCreate { context, .. }
            | Self::VmStart { context, .. }
            | Self::Configure { context, .. }
            | Self::Tick { context }
            | Self::QueueReady { context, .. }
            | Self::RequestHeaders { context, .. }
            | Self::RequestBody { context, .. }
            | Self::RequestTrailers { context }
            | Self::ResponseHeaders { context, .. }
            | Self::ResponseBody { context, .. }
            | Self::HttpCallResponse { context, .. }
            | Self::ForeignFunction { context, .. }
            | Self::Log { context }
            | Self::Done { context }
            | Self::Delete { context } => context,
        }
    }
}

/// What the plugin answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Nothing,
    Bool(bool),
    Continue,
    Pause,
}

/// Enters the plugin. Where the plugin panics this does not return: see `plugin.rs`.
pub(crate) fn enter(entry: Entry) -> Answer {
    match entry {
        Entry::Register(register) => register(),
        Entry::ContextCreate { context, parent } => proxy_on_context_create(context, parent),
        Entry::Tick { context } => proxy_on_tick(context),
        Entry::QueueReady { context, queue } => proxy_on_queue_ready(context, queue),
        Entry::HttpCallResponse { context, token, headers, body } => {
            proxy_on_http_call_response(context, token, headers, body, 0);
        }
        Entry::ForeignFunction { context, function, size } => {
            proxy_on_foreign_function(context, function, size);
        }
        Entry::Log { context } => proxy_on_log(context),
        Entry::Delete { context } => proxy_on_delete(context),

        Entry::VmStart { context, size } => return Answer::Bool(proxy_on_vm_start(context, size)),
        Entry::Configure { context, size } => {
            return Answer::Bool(proxy_on_configure(context, size));
        }
        Entry::Done { context } => return Answer::Bool(proxy_on_done(context)),

        Entry::RequestHeaders { context, count, end } => {
            return action(proxy_on_request_headers(context, count, end));
        }
        Entry::RequestBody { context, size, end } => {
            return action(proxy_on_request_body(context, size, end));
        }
        Entry::RequestTrailers { context } => {
            return action(proxy_on_request_trailers(context, 0));
        }
        Entry::ResponseHeaders { context, count, end } => {
            return action(proxy_on_response_headers(context, count, end));
        }
        Entry::ResponseBody { context, size, end } => {
            return action(proxy_on_response_body(context, size, end));
        }
    }
    Answer::Nothing
}

/// Memory of the plugin's allocator, `size` bytes long.
pub(super) fn allocate(size: usize) -> *mut u8 {
    proxy_on_memory_allocate(size)
}

fn action(action: Action) -> Answer {
    if action == Action::Continue { Answer::Continue } else { Answer::Pause }
}

// SAFETY: the signatures are those of proxy-wasm 0.2.5 (src/dispatcher.rs and src/allocator.rs),
// which defines these functions as safe ones in this same program.
unsafe extern "C" {
    safe fn proxy_on_context_create(context: u32, parent: u32);
    safe fn proxy_on_vm_start(context: u32, size: usize) -> bool;
    safe fn proxy_on_configure(context: u32, size: usize) -> bool;
    safe fn proxy_on_tick(context: u32);
    safe fn proxy_on_queue_ready(context: u32, queue: u32);
    safe fn proxy_on_request_headers(context: u32, count: usize, end: bool) -> Action;
    safe fn proxy_on_request_body(context: u32, size: usize, end: bool) -> Action;
    safe fn proxy_on_request_trailers(context: u32, count: usize) -> Action;
    safe fn proxy_on_response_headers(context: u32, count: usize, end: bool) -> Action;
    safe fn proxy_on_response_body(context: u32, size: usize, end: bool) -> Action;
    safe fn proxy_on_http_call_response(
        context: u32,
        token: u32,
        headers: usize,
        body: usize,
        trailers: usize,
    );
    safe fn proxy_on_foreign_function(context: u32, function: u32, size: usize);
    safe fn proxy_on_log(context: u32);
    safe fn proxy_on_done(context: u32) -> bool;
    safe fn proxy_on_delete(context: u32);
    safe fn proxy_on_memory_allocate(size: usize) -> *mut u8;
}
