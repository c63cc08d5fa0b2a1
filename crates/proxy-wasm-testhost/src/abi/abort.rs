//! What becomes of a plugin's thread when its panic meets the C boundary.
//!
//! The SDK's entry points are `extern "C"`: a panic that reaches them aborts the process. Here
//! the abort's signal is caught, and the one thread that caused it waits for ever in the
//! handler while the test that called the plugin, which is told, goes on and fails.

use libc::{SIG_DFL, SIGABRT, c_int, pause, sighandler_t, signal};

use crate::plugin::report_panic;

/// Installs the signal handler, for the process.
pub(crate) fn catch_aborts() {
    let handler: extern "C" fn(c_int) = on_abort;
    // SAFETY: `on_abort` has the signature of a handler; what it does is argued there.
    unsafe { signal(SIGABRT, handler as sighandler_t) };
}

/// Where this thread is a plugin's that has panicked, the signal comes from the panic runtime,
/// which calls `abort` at a point where it holds no lock: reporting, which takes a lock and
/// allocates, is then as fine as in any function.
extern "C" fn on_abort(_signal: c_int) {
    if report_panic() {
        loop {
            // SAFETY: `pause` has no preconditions; it returns after other signals.
            unsafe { pause() };
        }
    }
    // SAFETY: `signal` is safe to call in a handler. `abort` raises the signal anew when this
    // handler returns, and now it ends the process, as it would have without us.
    unsafe { signal(SIGABRT, SIG_DFL) };
}
