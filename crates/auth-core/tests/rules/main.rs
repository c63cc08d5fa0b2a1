//! The core's rules as its users meet them: through the gate and the configuration, one rule a test.

mod bodies;
mod calls;
mod claims;
mod configuration;
mod jwk;
mod key_ring;
mod mcp_sessions;
mod messages;
mod policy_configuration;
mod properties;
mod replies;
mod requests;
mod secrets;
mod sessions;
mod smuggling;
mod step_up;
mod support;
mod token_cache;
