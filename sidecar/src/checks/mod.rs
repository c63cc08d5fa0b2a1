//! What can be checked from outside, each with what was found and what to do about it.
//!
//! One file a subject. Nothing here prints, and no finding holds a secret: what others say is
//! quoted only where it cannot be one.

pub mod certificate;
pub mod envoy;
pub mod fetch;
pub mod finding;
pub mod keys;
pub mod provider;
pub mod public;
pub mod redis;
pub mod sidecar;
pub mod token;
