//! Names of hosts that strangers give, looked up to what may be connected to. The connection is
//! made to just these addresses, so no later answer of a name server counts (DNS rebinding).

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use hickory_resolver::{
    ResolverBuilder, TokioResolver,
    config::{NameServerConfig, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::public_address::is_public;

/// Looks names up. The system's own function would not do: it holds a thread for as long as a name
/// server of the stranger's likes, also when nobody waits any more.
#[derive(Clone)]
pub(super) struct PublicNames {
    resolver: TokioResolver,
    allow_loopback: bool,
}

impl PublicNames {
    /// By the name servers of this machine, as of now.
    pub(super) fn of_system(allow_loopback: bool) -> Self {
        let resolver = TokioResolver::builder_tokio().and_then(ResolverBuilder::build);
        let resolver = resolver.unwrap_or_else(|cause| {
            tracing::warn!(%cause, "/etc/resolv.conf cannot be used: the name server is 127.0.0.1");
            by_this_machine().expect("one name server without TLS needs nothing else")
        });
        Self { resolver, allow_loopback }
    }

    /// Whether this is an address that strangers may have us connect to.
    pub(super) fn may_connect(&self, address: IpAddr) -> bool {
        is_public(address) || (self.allow_loopback && address.is_loopback())
    }
}

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        let names = self.clone();
        Box::pin(async move {
            // With the dot at the end it is no name of this machine's own domain.
            let absolute = format!("{}.", name.as_str().trim_end_matches('.'));
            let found = names.resolver.lookup_ip(absolute).await?;
            let allowed: Vec<SocketAddr> = found
                .iter()
                .filter(|address| names.may_connect(*address))
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            if allowed.is_empty() {
                return Err(io::Error::other("the name has no address on the Internet").into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// What the C library does without a configuration.
fn by_this_machine() -> Result<TokioResolver, NetError> {
    let server = NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into());
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build()
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use hickory_resolver::{
        config::ConnectionConfig,
        proto::{
            op::{Message, MessageType},
            rr::{RData, Record, RecordType},
        },
    };
    use tokio::{net::UdpSocket, task::JoinSet};

    use super::*;

    const PUBLIC: [u8; 4] = [9, 9, 9, 9];

    /// A name server of an attacker's: `answers` says what the nth question is answered with.
    async fn name_server(answers: impl Fn(usize, &str) -> Vec<[u8; 4]> + Send + 'static) -> u16 {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        tokio::spawn(async move {
            let asked = AtomicUsize::new(0);
            let mut packet = [0; 1500];
            loop {
                let (length, peer) = socket.recv_from(&mut packet).await.unwrap();
                let mut message = Message::from_vec(&packet[..length]).unwrap();
                let question = message.queries[0].clone();
                message.metadata.message_type = MessageType::Response;
                if question.query_type() == RecordType::A {
                    let name = question.name().to_string();
                    let addresses = answers(asked.fetch_add(1, Ordering::SeqCst), &name);
                    if addresses.is_empty() {
                        continue;
                    }
                    for address in addresses {
                        let data = RData::A(Ipv4Addr::from(address).into());
                        message.answers.push(Record::from_rdata(question.name().clone(), 0, data));
                    }
                }
                socket.send_to(&message.to_vec().unwrap(), peer).await.unwrap();
            }
        });
        port
    }

    fn by(port: u16) -> PublicNames {
        let mut connection = ConnectionConfig::udp();
        connection.port = port;
        let server = NameServerConfig::new(Ipv4Addr::LOCALHOST.into(), true, vec![connection]);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        PublicNames { resolver: builder.build().unwrap(), allow_loopback: false }
    }

    async fn look_up(names: &PublicNames, name: &str) -> Result<Vec<IpAddr>, String> {
        let found = names.resolve(name.parse().unwrap()).await;
        found.map(|found| found.map(|it| it.ip()).collect()).map_err(|cause| cause.to_string())
    }

    #[tokio::test]
    async fn dns_rebinding_an_answer_that_turns_inward_leads_nowhere() {
        let port = name_server(|asked, _| match asked {
            0 => vec![PUBLIC],
            1 => vec![[127, 0, 0, 1], PUBLIC, [10, 0, 0, 1], [169, 254, 169, 254]],
            _ => vec![[127, 0, 0, 1]],
        });
        let names = by(port.await);
        let public = Ok(vec![IpAddr::from(PUBLIC)]);
        assert_eq!(look_up(&names, "rebinding.example").await, public);
        assert_eq!(look_up(&names, "rebinding.example").await, public);
        let inward = look_up(&names, "rebinding.example").await.unwrap_err();
        assert_eq!(inward, "the name has no address on the Internet");
    }

    #[tokio::test]
    async fn names_that_nobody_answers_for_hold_up_no_other() {
        let port = name_server(|_, name| match name.to_lowercase().starts_with("slow") {
            true => Vec::new(),
            false => vec![PUBLIC],
        });
        let names = Arc::new(by(port.await));
        let mut slow = JoinSet::new();
        for number in 0..600 {
            let names = Arc::clone(&names);
            slow.spawn(async move { look_up(&names, &format!("slow{number}.example")).await });
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        tokio::select! {
            slow = slow.join_next() => panic!("a slow one came first: {slow:?}"),
            quick = look_up(&names, "quick.example") => assert_eq!(quick, Ok(vec![PUBLIC.into()])),
        }
    }
}
