//! The built `mcp-auth` among others that fail it: stores that are killed, stalled and restarted,
//! servers that cannot prove who they are, readers that hang up.

#[cfg(test)]
mod durability;
#[cfg(test)]
mod pipes;
#[cfg(test)]
mod redis;
#[cfg(test)]
mod redis_tls;
#[cfg(test)]
mod support;
