//! The built `mcp-auth` among others that fail it: stores that are killed, stalled and restarted,
//! readers that hang up.

#[cfg(test)]
mod durability;
#[cfg(test)]
mod pipes;
#[cfg(test)]
mod redis;
#[cfg(test)]
mod support;
