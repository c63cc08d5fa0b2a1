//! The plugin's thread: one for each host, so that each host has its own SDK dispatcher and
//! plugin globals, as each Envoy worker has its own VM.
//!
//! It also turns a panic of the plugin into a panic of the test. The SDK's entry points are
//! `extern "C"`, so a panic that reaches them aborts. The panic hook keeps the message, and
//! `abi/abort.rs` confines the abort to the plugin's thread and reports to the waiting test.

use std::cell::{OnceCell, RefCell};
use std::panic::{self, PanicHookInfo};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, JoinHandle};

use proxy_wasm::types::{LogLevel, Status};

use crate::abi::exports::{Answer, Entry, enter};
use crate::abi::{abort, link_imports};
use crate::state::State;

/// A plugin on its thread.
pub(crate) struct Plugin {
    entries: Option<Sender<Entry>>,
    replies: Receiver<Reply>,
    thread: Option<JoinHandle<()>>,
    crash: RefCell<Option<String>>,
}

enum Reply {
    Returned(Answer),
    Panicked(String),
}

struct Local {
    state: Arc<Mutex<State>>,
    replies: Sender<Reply>,
    panic: RefCell<Option<String>>,
}

thread_local! {
    static LOCAL: OnceCell<Local> = const { OnceCell::new() };
}

impl Plugin {
    pub(crate) fn new(state: Arc<Mutex<State>>) -> Self {
        link_imports();
        install_panic_hook();
        let (entries, inbox) = channel::<Entry>();
        let (outbox, replies) = channel();
        let body = move || {
            let local = Local { state, replies: outbox.clone(), panic: RefCell::default() };
            assert!(LOCAL.with(|cell| cell.set(local)).is_ok(), "a new thread has no plugin yet");
            for entry in inbox {
                if outbox.send(Reply::Returned(enter(entry))).is_err() {
                    break;
                }
            }
        };
        let thread = thread::Builder::new().name(thread_name()).spawn(body);
        Self {
            entries: Some(entries),
            replies,
            thread: Some(thread.expect("the system has room for one more thread")),
            crash: RefCell::default(),
        }
    }

    /// Calls the plugin and waits for it.
    ///
    /// # Panics
    /// If the plugin panics, with its message; and at every later call.
    #[track_caller]
    pub(crate) fn enter(&self, entry: Entry) -> Answer {
        if let Some(message) = self.crash.borrow().as_ref() {
            panic!("the plugin has panicked before and is gone: {message}");
        }
        let entries = self.entries.as_ref().expect("the channel is open until drop");
        entries.send(entry).expect("the plugin's thread waits for entries");
        match self.replies.recv().expect("the plugin's thread answers or reports its panic") {
            Reply::Returned(answer) => answer,
            Reply::Panicked(message) => {
                self.crash.replace(Some(message.clone()));
                panic!("the plugin panicked: {message}");
            }
        }
    }
}

/// Tells the waiting test of the panic of this thread's plugin. False if there is none to tell.
pub(crate) fn report_panic() -> bool {
    let report = |local: &Local| {
        let message = local.panic.take()?;
        local.replies.send(Reply::Panicked(message)).ok()
    };
    LOCAL.try_with(|cell| cell.get().and_then(report).is_some()).unwrap_or(false)
}

enum Noted {
    First,
    Again,
}

impl Local {
    /// Keeps the plugin's latest panic, but not the runtime's own, which says that the former
    /// cannot unwind.
    fn note_panic(&self, info: &PanicHookInfo<'_>) -> Noted {
        let again = self.panic.borrow().is_some();
        let of_runtime =
            info.location().is_some_and(|at| at.file().ends_with("core/src/panicking.rs"));
        if again && of_runtime {
            return Noted::Again;
        }
        let message = info.to_string();
        if let Ok(mut state) = self.state.try_lock() {
            state.log(LogLevel::Critical, &message);
        }
        self.panic.replace(Some(message));
        if again { Noted::Again } else { Noted::First }
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        self.entries = None;
        if self.crash.borrow().is_some() {
            return; // Its thread never ends.
        }
        if let Some(thread) = self.thread.take() {
            // An error is a panic outside any entry, which the hook has printed.
            let _ = thread.join();
        }
    }
}

/// Runs an import against the host of the current plugin. Off a plugin's thread there is no
/// host, which is an internal failure.
pub(crate) fn with<T>(import: impl FnOnce(&mut State) -> Result<T, Status>) -> Result<T, Status> {
    let state = LOCAL.try_with(|cell| cell.get().map(|local| Arc::clone(&local.state)));
    let state = state.ok().flatten().ok_or(Status::InternalFailure)?;
    import(&mut lock(&state))
}

/// Locks the state; what a panicking thread left behind is still worth reading.
pub(crate) fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn thread_name() -> String {
    format!("plugin of {}", thread::current().name().unwrap_or("a test"))
}

/// Once a process. The SDK installs its logger and a panic hook of its own at the first
/// `set_log_level`; making that first call here lets us keep the former and drop the latter,
/// and spares parallel tests the SDK's race between checking and installing.
fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        proxy_wasm::set_log_level(LogLevel::Critical);
        drop(panic::take_hook());
        abort::catch_aborts();
        panic::set_hook(Box::new(move |info| {
            let noted = LOCAL.try_with(|cell| cell.get().map(|local| local.note_panic(info)));
            // A second panic here is mostly the runtime's, on its way to the abort. libtest's
            // hook would take the output locks and keep them, for a process about to end.
            if !matches!(noted, Ok(Some(Noted::Again))) {
                previous(info);
            }
        }));
    });
}
