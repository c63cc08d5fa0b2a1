//! What operators do from a terminal.

pub mod config_check;
pub mod sessions;
