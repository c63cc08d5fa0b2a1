//! Every authentication decision of mcp-auth, pure: no clock, no network, no randomness, no logging,
//! no host. Time, random bytes and fetched bytes are arguments; what is to be done comes back as
//! values.
//!
//! A request runs through types, each made only from the one before:
//! [`Credential`](credential::Credential) → [`UntrustedJwt`](jws::UntrustedJwt) →
//! [`VerifiedClaims`](claims::VerifiedClaims) → [`Principal`](principal::Principal) →
//! [`Permit`](permit::Permit) → [`Decision`](decision::Decision).
//! [`Gate`](gate::Gate) is what an adapter drives.

pub mod algorithm;
mod audit;
pub mod authority;
mod b64;
pub mod bounded;
pub mod claims;
pub mod config;
pub mod credential;
pub mod decision;
pub mod denial;
pub mod der;
#[cfg(feature = "operator")]
pub mod explain;
pub mod fetch;
mod flow;
pub mod gate;
pub mod identity_header;
pub mod json;
pub mod jwk;
pub mod jws;
pub mod key_ring;
mod lookups;
pub mod mcp;
mod metadata;
pub mod metric;
mod name_digest;
mod needs;
pub mod outcome;
pub mod path;
pub mod permit;
pub mod principal;
pub mod request_head;
pub mod resource_id;
pub mod revocation;
pub mod revocation_feed;
pub mod scope;
pub mod session;
mod session_book;
pub mod session_id;
mod sidecar;
pub mod signature;
mod target;
pub mod time;
mod token_cache;
pub mod user_id;
