//! Whose request it is, seen through the proxies in front.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, request::Parts},
};

use super::AuthorizationServer;
use crate::config::oauth::TrustedHops;

/// The address that limits are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl FromRequestParts<AuthorizationServer> for ClientAddress {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        server: &AuthorizationServer,
    ) -> Result<Self, Self::Rejection> {
        let ConnectInfo(peer) = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .expect("the public listener is served with addresses");
        Ok(Self(client(peer.ip(), &parts.headers, server.config.trusted_hops)))
    }
}

/// Each trusted proxy has put its own peer at the end of `X-Forwarded-For`; what stands before
/// that is the client's own claim.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: TrustedHops) -> IpAddr {
    let peer = peer.to_canonical();
    let hops = match trusted {
        TrustedHops::Fixed(hops) => usize::from(hops),
        TrustedHops::ByPeer => usize::from(is_near(peer)),
    };
    let forwarded = headers.get_all("x-forwarded-for").iter();
    let forwarded: Vec<&str> =
        forwarded.flat_map(|value| value.to_str().unwrap_or("").split(',')).collect();
    let by_proxies = forwarded.iter().rev().take(hops).map_while(|text| address(text.trim()));
    by_proxies.last().unwrap_or(peer)
}

/// Loopback or private: nobody's Internet address.
fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    }
}

/// Some proxies append the port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.parse().ok();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    bare.or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_trusted_proxies_wrote_is_believed() {
        let fixed = TrustedHops::Fixed;
        for (peer, forwarded, hops, seen) in [
            // Nobody in front.
            ("203.0.113.9", "", TrustedHops::ByPeer, "203.0.113.9"),
            ("203.0.113.9", "198.51.100.1", TrustedHops::ByPeer, "203.0.113.9"),
            ("10.0.0.1", "198.51.100.1", fixed(0), "10.0.0.1"),
            // One proxy: what it appended counts, not what the client claims.
            ("127.0.0.1", "198.51.100.1", TrustedHops::ByPeer, "198.51.100.1"),
            ("10.0.0.1", "6.6.6.6, 198.51.100.1", TrustedHops::ByPeer, "198.51.100.1"),
            ("::ffff:10.0.0.1", "198.51.100.1", TrustedHops::ByPeer, "198.51.100.1"),
            ("fd00::1", "2001:db8::1", TrustedHops::ByPeer, "2001:db8::1"),
            ("10.0.0.1", "", TrustedHops::ByPeer, "10.0.0.1"),
            // Two proxies.
            ("10.0.0.1", "6.6.6.6,198.51.100.1,192.0.2.7", fixed(2), "198.51.100.1"),
            ("10.0.0.1", "192.0.2.7", fixed(2), "192.0.2.7"),
            // Ports, and what is no address: the last proxy that could be read counts.
            ("10.0.0.1", "198.51.100.1:4711", fixed(1), "198.51.100.1"),
            ("10.0.0.1", "[2001:db8::1]:4711", fixed(1), "2001:db8::1"),
            ("10.0.0.1", "unknown", fixed(1), "10.0.0.1"),
            ("10.0.0.1", "unknown, 192.0.2.7", fixed(2), "192.0.2.7"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", forwarded.parse().unwrap());
            let found = client(peer.parse().unwrap(), &headers, hops);
            assert_eq!(found.to_string(), seen, "{peer} {forwarded:?} {hops:?}");
        }
    }

    #[test]
    fn several_headers_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "6.6.6.6".parse().unwrap());
        headers.append("x-forwarded-for", "198.51.100.1".parse().unwrap());
        let found = client([10, 0, 0, 1].into(), &headers, TrustedHops::Fixed(1));
        assert_eq!(found.to_string(), "198.51.100.1");
    }
}
