//! Auth0's Management API (v2), as far as set-up and rotation need it.
//!
//! `client` makes the calls, with patience where Auth0 asks for it; each noun of the API has a file
//! of its own. What a tenant ought to look like is not decided here, but in `commands`.

pub mod application;
pub mod client;
pub mod client_grant;
pub mod connection;
pub mod credentials;
pub mod fields;
mod pause;
pub mod resource_server;
pub mod tenant;

pub use self::{
    client::{Failure, Management, Tell},
    credentials::Credentials,
};
