//! What operators do from a terminal.

pub mod config_check;
pub mod private_file;
pub mod sessions;
pub mod setup;
