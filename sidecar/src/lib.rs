//! `mcp-auth`: sessions, revocations and the OAuth authorization server beside the filter.

pub mod clock;
pub mod secret;
pub mod sessions;
pub mod store;
