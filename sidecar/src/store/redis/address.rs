//! `REDIS_URL`: which servers there are and how they stand to each other.

use std::{fmt, num::NonZeroUsize, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisResult,
    TlsMode,
    cluster::ClusterClient,
    sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType},
};

use super::connection::Link;

/// How long reaching a server may take.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// How long an answer may take.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Where Redis is; parsed, not yet connected. `Debug` and `Display` leave the password out.
#[derive(Clone)]
pub struct RedisAddress {
    topology: Topology,
    nodes: Vec<ConnectionInfo>,
}

#[derive(Clone, PartialEq, Eq)]
enum Topology {
    Single,
    Cluster,
    Sentinel { service: String },
}

/// Why a text is no address of Redis. Never quotes the text, which may hold a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressRefused {
    /// Another scheme.
    #[error("must begin with redis://, rediss://, redis+sentinel:// or redis+cluster://")]
    Scheme,
    /// A host, port or database that cannot be read.
    #[error("cannot be read as [user:password@]host:port[,host:port…][/…]")]
    Shape,
    /// Sentinel without the name of the master.
    #[error("redis+sentinel:// needs the service: host:port,host:port/service/db")]
    NoService,
    /// Several hosts where one is meant, or a database in a Cluster.
    #[error("{0}")]
    DoesNotFit(&'static str),
}

impl RedisAddress {
    /// Reads `redis://`, `rediss://`, `redis+sentinel://h:p,h:p/service/db` or
    /// `redis+cluster://h:p,h:p`; the last two with `rediss+` for TLS.
    ///
    /// # Errors
    /// [`AddressRefused`] says what cannot be read.
    pub fn parse(text: &str) -> Result<Self, AddressRefused> {
        let (scheme, rest) = text.split_once("://").ok_or(AddressRefused::Scheme)?;
        let (tls, kind) = match scheme.split_once('+') {
            Some((tls, kind)) => (tls, Some(kind)),
            None => (scheme, None),
        };
        if !matches!(tls, "redis" | "rediss") {
            return Err(AddressRefused::Scheme);
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        let (topology, database) = topology(kind, hosts, path)?;
        let nodes = hosts
            .split(',')
            .map(|host| node(&format!("{tls}://{user}{host}/{database}"), host))
            .collect::<Result<_, _>>()?;
        Ok(Self { topology, nodes })
    }

    pub(super) async fn connect(&self) -> RedisResult<Link> {
        match &self.topology {
            Topology::Single => self.connect_to(Client::open(self.nodes[0].clone())?).await,
            Topology::Sentinel { service } => {
                self.connect_to(self.sentinel(service)?.async_get_client().await?).await
            }
            Topology::Cluster => {
                let client = ClusterClient::builder(self.nodes.clone())
                    .connection_timeout(CONNECT_WITHIN)
                    .response_timeout(ANSWER_WITHIN)
                    .retries(4)
                    .max_connection_attempts(NonZeroUsize::MIN)
                    .build()?;
                Ok(Link::Cluster(client.get_async_connection().await?))
            }
        }
    }

    async fn connect_to(&self, client: Client) -> RedisResult<Link> {
        let limits = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN));
        Ok(Link::Node(client.get_multiplexed_async_connection_with_config(&limits).await?))
    }

    /// The user and password are those of the servers; the sentinels are asked without.
    fn sentinel(&self, service: &str) -> RedisResult<SentinelClient> {
        let mut servers = SentinelNodeConnectionInfo::default()
            .set_redis_connection_info(self.nodes[0].redis_settings().clone());
        if matches!(self.nodes[0].addr(), ConnectionAddr::TcpTls { .. }) {
            servers = servers.set_tls_mode(TlsMode::Secure);
        }
        let sentinels = self
            .nodes
            .iter()
            .map(|node| node.addr().clone().into_connection_info())
            .collect::<RedisResult<_>>()?;
        SentinelClient::build(sentinels, service, Some(servers), SentinelServerType::Master)
    }
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.topology {
            Topology::Single => "one server",
            Topology::Cluster => "a Cluster",
            Topology::Sentinel { .. } => "Sentinels",
        };
        let nodes: Vec<_> = self.nodes.iter().map(|node| node.addr().to_string()).collect();
        write!(f, "Redis, {kind} at {}", nodes.join(", "))
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn topology<'p>(
    kind: Option<&str>,
    hosts: &str,
    path: &'p str,
) -> Result<(Topology, &'p str), AddressRefused> {
    match kind {
        None if hosts.contains(',') => Err(AddressRefused::DoesNotFit(
            "several hosts need redis+sentinel:// or redis+cluster://",
        )),
        None => Ok((Topology::Single, path)),
        Some("cluster") if !path.is_empty() => {
            Err(AddressRefused::DoesNotFit("a Cluster has no databases to choose from"))
        }
        Some("cluster") => Ok((Topology::Cluster, "")),
        Some("sentinel") => {
            let (service, database) = path.split_once('/').unwrap_or((path, ""));
            if service.is_empty() {
                return Err(AddressRefused::NoService);
            }
            Ok((Topology::Sentinel { service: service.to_owned() }, database))
        }
        Some(_) => Err(AddressRefused::Scheme),
    }
}

fn node(url: &str, host: &str) -> Result<ConnectionInfo, AddressRefused> {
    if host.is_empty() || host.starts_with(':') {
        return Err(AddressRefused::Shape);
    }
    url.into_connection_info().map_err(|_| AddressRefused::Shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_address_is_read() {
        for (text, shown) in [
            ("redis://h:7000", "Redis, one server at h:7000"),
            ("redis://u:p%40ss@h/3", "Redis, one server at h:6379"),
            ("rediss://:secret@h:7000/0", "Redis, one server at h:7000"),
            ("redis+cluster://a:1,b:2,c:3", "Redis, a Cluster at a:1, b:2, c:3"),
            ("redis+sentinel://:p@a:1,b:2/main/2", "Redis, Sentinels at a:1, b:2"),
        ] {
            assert_eq!(RedisAddress::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn other_texts_are_refused_without_being_quoted() {
        for text in [
            "",
            "h:6379",
            "http://h",
            "redis://",
            "redis://:6379",
            "redis://h:port",
            "redis://h:1/database",
            "redis://a,b",
            "redis+cluster://a:1/1",
            "redis+cluster://a:1,,b:2",
            "redis+sentinel://a:1",
            "redis+other://a:1",
        ] {
            assert!(RedisAddress::parse(text).is_err(), "{text}");
        }
        let refused = RedisAddress::parse("redis://:hunter2@h:port").unwrap_err();
        assert!(!refused.to_string().contains("hunter2"));
    }
}
