//! The binary `mcp-auth`.
fn main() {}
