//! The ports of the stack. Envoy's bootstrap names them too, so they are fixed.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// A port on 127.0.0.1 and what it is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Port {
    pub(crate) number: u16,
    pub(crate) wanted_by: &'static str,
}

pub(crate) const IDENTITY_PROVIDER: Port =
    Port { number: 9000, wanted_by: "the identity provider" };
pub(crate) const MCP_SERVER: Port = Port { number: 9100, wanted_by: "the MCP server" };
pub(crate) const REDIS: Port = Port { number: 6390, wanted_by: "Redis" };
pub(crate) const SIDECAR: Port = Port { number: 8082, wanted_by: "the sidecar mcp-auth" };
pub(crate) const AUTHORIZATION_SERVER: Port =
    Port { number: 8081, wanted_by: "the authorization server of mcp-auth" };
pub(crate) const GATEWAY: Port = Port { number: 10000, wanted_by: "Envoy" };
pub(crate) const ADMIN: Port = Port { number: 9901, wanted_by: "Envoy's admin page" };

/// All of them.
pub(crate) const ALL: [Port; 7] =
    [IDENTITY_PROVIDER, MCP_SERVER, REDIS, SIDECAR, AUTHORIZATION_SERVER, GATEWAY, ADMIN];

/// A port cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Taken {
    #[error(
        "port {0} on 127.0.0.1 is in use, and {1} needs it: stop the program that has it \
         (`ss -ltnp 'sport = :{0}'` or `lsof -i :{0}` names it), then try again"
    )]
    InUse(u16, &'static str),
    #[error("port {0} on 127.0.0.1, which {1} needs, cannot be used: {2}")]
    Refused(u16, &'static str, io::Error),
}

/// Whether all of `ports` are free right now.
///
/// # Errors
/// [`Taken`] names the first that is not.
pub(crate) fn check(ports: &[Port]) -> Result<(), Taken> {
    for port in ports {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port.number)) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => {
                return Err(Taken::InUse(port.number, port.wanted_by));
            }
            Err(e) => return Err(Taken::Refused(port.number, port.wanted_by, e)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Port, TcpListener, check};

    #[test]
    fn a_port_in_use_is_named_with_who_wants_it_and_what_to_do() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let number = taken.local_addr().unwrap().port();
        let port = Port { number, wanted_by: "the identity provider" };
        let sentence = check(&[port]).unwrap_err().to_string();
        for part in
            [&format!("port {number}"), "the identity provider needs it", "stop the program"]
        {
            assert!(sentence.contains(part), "{sentence}");
        }
        drop(taken);
        assert!(check(&[port]).is_ok());
    }
}
