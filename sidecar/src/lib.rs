//! `mcp-auth`: sessions, revocations and the OAuth authorization server beside the filter.

pub mod auth0;
pub mod checks;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
mod cookie;
pub mod error;
pub mod filter_file;
pub mod live;
pub mod mcp_sessions;
pub mod oauth;
pub mod page;
pub mod places;
pub mod private_file;
pub mod reference;
pub mod reload;
pub mod rotation;
pub mod routes;
pub mod secret;
pub mod serve;
pub mod sessions;
pub mod store;
pub mod telemetry;
pub mod text;
pub mod tokens;
pub mod trace_context;
