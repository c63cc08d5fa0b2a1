//! What operators do from a terminal.

mod api;
pub mod config_check;
pub mod doctor;
pub mod explain;
pub mod filter_check;
pub mod health;
pub mod keys;
pub mod secrets;
pub mod sessions;
pub mod setup;
