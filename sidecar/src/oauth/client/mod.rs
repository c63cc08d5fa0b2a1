//! Who may ask: a client that registered itself, or one that a document at its own address
//! describes.

use serde::{Deserialize, Serialize};

/// A client as the other parts see it, however it became known.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Client {
    /// Names it: opaque if it registered, the address of its document otherwise.
    pub client_id: String,
    /// What it calls itself; shown to people, escaped, and believed by nobody.
    pub name: Option<String>,
    /// Where it may be answered; at least one.
    pub redirect_uris: Vec<String>,
    /// How it proves itself at `/token`.
    pub authentication: Authentication,
}

/// How a client proves who it is (RFC 7591 `token_endpoint_auth_method`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authentication {
    /// Not at all: a public client, whose codes are bound by PKCE.
    None,
    /// A JWT signed with one of its keys (RFC 7523 §2.2).
    PrivateKeyJwt {
        /// Its JSON Web Key Set, as its document has it.
        jwks: serde_json::Value,
    },
}
