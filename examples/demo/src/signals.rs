//! Being asked to end: SIGTERM, or Ctrl-C.

use tokio::signal::unix::{SignalKind, signal};

/// Returns at the first of them. From the first call on they no longer end this process by
/// themselves.
pub(crate) async fn asked_to_end() {
    let (Ok(mut term), Ok(mut int)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Without handlers the signals do what they always do.
        return std::future::pending().await;
    };
    tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
}
