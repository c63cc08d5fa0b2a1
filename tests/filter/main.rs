//! The whole filter under a native host: its calls, callbacks and timers, one rule a test. What the
//! core decides is told by the core's own tests.

mod bodies;
mod fetching;
mod mcp_sessions;
mod properties;
mod requests;
mod starting;
mod support;
