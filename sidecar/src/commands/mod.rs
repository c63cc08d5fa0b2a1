//! What operators do from a terminal.

mod api;
pub mod config_check;
pub mod doctor;
pub mod health;
pub mod keys;
pub mod secrets;
pub mod sessions;
pub mod setup;
