//! The Model Context Protocol, as far as a gateway has to read it: which calls a request makes, and
//! what the rules about them ask for.

pub mod call;
pub(crate) mod inquiry;
mod json_number;
mod json_stream;
mod json_text;
pub mod message;
pub mod mirrored;
pub mod name_pattern;
pub(crate) mod policy;
pub mod protocol_version;
pub mod resource_uri;
pub(crate) mod seat;
pub mod session;

pub use json_stream::NotJson;
