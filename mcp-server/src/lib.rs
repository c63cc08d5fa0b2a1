//! A small MCP server that holds no line of authentication code: who is calling stands in the
//! identity headers that the gateway set.
//!
//! It verifies nothing itself. That is why [`listen`] refuses every address that somebody other
//! than the gateway might reach, unless it is told that a gateway stands in front.

pub mod http;
pub mod identity;
pub mod listen;
pub mod notes;
pub mod tools;
