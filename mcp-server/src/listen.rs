//! Where the server listens, and whom it may therefore believe.
//!
//! Identity headers are believed as they come. On loopback only this machine can send them; on
//! any other address the operator has to say that nothing but a gateway reaches it.

use std::net::SocketAddr;

use clap::Parser;

/// Command line and environment.
#[derive(Debug, Parser)]
#[command(name = "mcp-server", version, about, max_term_width = 100)]
pub struct Args {
    /// Address and port to listen on
    #[arg(long, env = "MCP_SERVER_LISTEN", default_value = "127.0.0.1:9100", value_name = "ADDR")]
    pub listen: SocketAddr,

    /// Believe the identity headers on any address and under any Host, because nothing but an
    /// authenticating gateway can reach this server
    #[arg(long, env = "MCP_SERVER_BEHIND_GATEWAY")]
    pub behind_gateway: bool,

    /// Host that requests may name, with or without a port; may be repeated. Default: loopback
    /// names, or any with --behind-gateway
    #[arg(long, env = "MCP_SERVER_ALLOWED_HOSTS", value_name = "HOST", value_delimiter = ',')]
    pub allowed_host: Vec<String>,
}

/// An address on which identity headers may be believed. Made only by [`Listen::checked`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    address: SocketAddr,
    hosts: Hosts,
}

/// Which requests pass by the host they name.
///
/// A page in a browser on this machine can reach a loopback address under a name of its own
/// (DNS rebinding), which is why the default there is not [`Hosts::Any`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// Names of this machine, in `Host` and in `Origin`.
    Loopback,
    /// Any: the gateway has decided already.
    Any,
    /// These in `Host`, with any port unless one is given.
    Only(Vec<String>),
}

/// The address can be reached by others than a gateway, as far as the server knows.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "refusing to listen on {0}: this server believes the identity headers of every request, and \
     anybody who reaches that address could forge them. Listen on loopback (--listen \
     127.0.0.1:9100), or give --behind-gateway if nothing but an authenticating gateway can \
     reach it"
)]
pub struct Exposed(SocketAddr);

impl Listen {
    /// Accepts loopback addresses, and any other where a gateway is said to stand in front.
    ///
    /// # Errors
    /// [`Exposed`] for any other address.
    pub fn checked(args: Args) -> Result<Self, Exposed> {
        if !args.behind_gateway && !args.listen.ip().to_canonical().is_loopback() {
            return Err(Exposed(args.listen));
        }
        let hosts = match (args.allowed_host.is_empty(), args.behind_gateway) {
            (false, _) => Hosts::Only(args.allowed_host),
            (true, true) => Hosts::Any,
            (true, false) => Hosts::Loopback,
        };
        Ok(Self { address: args.listen, hosts })
    }

    /// The address to bind.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Which hosts requests may name.
    pub fn hosts(&self) -> &Hosts {
        &self.hosts
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{Args, Exposed, Hosts, Listen};

    #[test]
    fn loopback_needs_no_gateway_and_admits_only_its_own_names() {
        for address in ["127.0.0.1:9100", "127.1.2.3:1", "[::1]:9100", "[::ffff:127.0.0.1]:9100"] {
            let listen = checked(&["--listen", address]).unwrap();
            assert_eq!(
                (listen.address(), listen.hosts()),
                (address.parse().unwrap(), &Hosts::Loopback)
            );
        }
    }

    #[test]
    fn other_addresses_are_refused_without_a_gateway() {
        for address in ["0.0.0.0:9100", "[::]:9100", "10.0.0.5:9100", "[::ffff:10.0.0.5]:9100"] {
            assert_eq!(
                checked(&["--listen", address]),
                Err(Exposed(address.parse().unwrap())),
                "{address}"
            );
            let behind = checked(&["--listen", address, "--behind-gateway"]).unwrap();
            assert_eq!(behind.hosts(), &Hosts::Any);
        }
    }

    #[test]
    fn the_refusal_names_both_ways_out() {
        let refusal = checked(&["--listen", "0.0.0.0:9100"]).unwrap_err().to_string();
        assert!(refusal.contains("--listen") && refusal.contains("--behind-gateway"), "{refusal}");
    }

    #[test]
    fn named_hosts_win_over_both_defaults() {
        let only = Hosts::Only(vec!["a.example".into(), "b.example:8443".into()]);
        let named = ["--allowed-host", "a.example,b.example:8443"];
        assert_eq!(checked(&named).unwrap().hosts(), &only);
        let behind = [&named[..], &["--behind-gateway"]].concat();
        assert_eq!(checked(&behind).unwrap().hosts(), &only);
    }

    fn checked(args: &[&str]) -> Result<Listen, Exposed> {
        let args = std::iter::once("mcp-server").chain(args.iter().copied());
        Listen::checked(Args::parse_from(args))
    }
}
