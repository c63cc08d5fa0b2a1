//! What survives when processes are killed, stalled and restarted: the built `mcp-auth` over its
//! embedded store and over real Redis.

#[cfg(test)]
mod durability;
#[cfg(test)]
mod redis;
#[cfg(test)]
mod support;
