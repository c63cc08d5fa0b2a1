//! A native, in-process [Proxy-Wasm](https://github.com/proxy-wasm/spec) host for unit tests.
//!
//! It defines the `proxy_*` functions that the `proxy-wasm` SDK imports, and calls the entry
//! points that the SDK exports, so that `cargo test` runs a whole filter natively, callbacks,
//! calls and timers included. Where hosts differ it does as Envoy does. The README shows how.
//!
//! It leaves to others: gRPC calls, network (TCP) filters, the contents of trailers, several plugins in one VM,
//! and everything that only a real proxy and a real Wasm module can show.
//!
//! ```
//! use proxy_wasm::traits::{Context, HttpContext};
//! use proxy_wasm::types::Action;
//! use proxy_wasm_testhost::{Outcome, TestHost};
//!
//! struct Deny;
//! impl Context for Deny {}
//! impl HttpContext for Deny {
//!     fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
//!         self.send_http_response(403, vec![], Some(b"no"));
//!         Action::Pause
//!     }
//! }
//!
//! let host = TestHost::new(|| proxy_wasm::set_http_context(|_, _| Box::new(Deny)));
//! host.start()?;
//! let stream = host.get("/").send();
//! assert_eq!(stream.reply().status, 403);
//! assert!(stream.forwarded().is_none());
//! # Ok::<(), proxy_wasm_testhost::Refused>(())
//! ```

#[expect(unsafe_code, reason = "the ABI between SDK and host is pointers and lengths")]
mod abi;
mod call;
mod driver;
mod half;
mod headers;
mod host;
mod hostcalls;
mod log;
mod metrics;
mod plugin;
mod shared;
mod state;
mod stream;
mod wire;

pub use crate::call::{Call, CallState, Failure, Response, Undelivered};
pub use crate::headers::Headers;
pub use crate::host::{Refused, TestHost};
pub use crate::log::LogLine;
pub use crate::metrics::Metrics;
pub use crate::stream::{LocalReply, Outcome, Request, Stream};
