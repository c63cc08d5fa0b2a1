//! A thousand gateways in one process: what reaches an identity provider, `mcp-auth` and its Redis
//! when there are many. Each VM is the real core ([`auth_core::gate::Gate`]), driven as the filter
//! drives it; clock, network and servers are simulated, so that an hour takes seconds and every run
//! comes to the same figures.
//!
//! What a call costs a server is not simulated but measured: `docs/benchmarks/sidecar.md`.

pub mod feed;
pub mod fleet;
pub mod keys;
pub mod login;
pub mod rate;
pub mod sessions;
