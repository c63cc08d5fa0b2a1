//! The core's rules as its users meet them: through the gate and the configuration, one rule a test.

mod key_ring;
mod support;
