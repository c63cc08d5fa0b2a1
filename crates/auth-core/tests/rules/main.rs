//! The core's rules as its users meet them: through the gate and the configuration, one rule a test.

mod claims;
mod configuration;
mod jwk;
mod key_ring;
mod properties;
mod replies;
mod requests;
mod secrets;
mod sessions;
mod support;
mod token_cache;
