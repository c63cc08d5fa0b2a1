//! One route a file.

pub(crate) mod authorize;
pub(crate) mod dev_fault;
pub(crate) mod dev_rotate;
pub(crate) mod dev_stats;
pub(crate) mod dev_token;
pub(crate) mod discovery;
pub(crate) mod health;
pub(crate) mod jwks;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod revoke;
pub(crate) mod token;
pub(crate) mod userinfo;
