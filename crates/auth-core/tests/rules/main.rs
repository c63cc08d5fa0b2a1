//! The core's rules as its users meet them: through the gate and the configuration, one rule a test.

mod claims;
mod jwk;
mod key_ring;
mod support;
mod token_cache;
