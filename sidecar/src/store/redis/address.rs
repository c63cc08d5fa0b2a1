//! `REDIS_URL` and `REDIS_CA_FILE`: which servers there are, how they stand to each other, and who
//! vouches for them.

use std::{fmt, num::NonZeroUsize, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisResult,
    TlsCertificates, TlsMode,
    cluster::ClusterClient,
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
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
    /// Who vouches for servers reached by TLS; the machine's CAs if there is none.
    ca: Option<TlsCertificates>,
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

/// Why certificates cannot vouch for the servers.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaRefused {
    /// Without TLS nobody vouches for anybody.
    #[error("needs a REDIS_URL with rediss")]
    NoTls,
    /// Not PEM, or without a certificate in it.
    #[error("has no CA certificates in PEM")]
    NoCertificates,
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
        if rest.contains('#') {
            // The client takes `#insecure` for a wish to check no certificate.
            return Err(AddressRefused::DoesNotFit(
                "must not have a fragment (#…); in a password write %23",
            ));
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
        Ok(Self { topology, nodes, ca: None })
    }

    /// The same servers, which only the CAs in `pem` vouch for.
    ///
    /// # Errors
    /// [`CaRefused`] if there are none, or the servers are reached without TLS.
    pub fn trusting(mut self, pem: &[u8]) -> Result<Self, CaRefused> {
        if !self.is_tls() {
            return Err(CaRefused::NoTls);
        }
        let found = reqwest::Certificate::from_pem_bundle(pem);
        if found.is_ok_and(|found| found.is_empty()) {
            return Err(CaRefused::NoCertificates);
        }
        let ca = TlsCertificates { client_tls: None, root_cert: Some(pem.to_owned()) };
        for node in &mut self.nodes {
            let client = Client::build_with_tls(node.clone(), ca.clone());
            let client = client.map_err(|_| CaRefused::NoCertificates)?;
            *node = client.get_connection_info().clone();
        }
        self.ca = Some(ca);
        Ok(self)
    }

    fn is_tls(&self) -> bool {
        matches!(self.nodes[0].addr(), ConnectionAddr::TcpTls { .. })
    }

    pub(super) async fn connect(&self) -> RedisResult<Link> {
        match &self.topology {
            Topology::Single => self.connect_to(Client::open(self.nodes[0].clone())?).await,
            Topology::Sentinel { service } => {
                self.connect_to(self.sentinel(service)?.async_get_client().await?).await
            }
            Topology::Cluster => {
                let mut cluster = ClusterClient::builder(self.nodes.clone())
                    .connection_timeout(CONNECT_WITHIN)
                    .response_timeout(ANSWER_WITHIN)
                    .retries(4)
                    .max_connection_attempts(NonZeroUsize::MIN);
                if let Some(ca) = &self.ca {
                    cluster = cluster.certs(ca.clone());
                }
                Ok(Link::Cluster(cluster.build()?.get_async_connection().await?))
            }
        }
    }

    /// A connection to each server by its address, of Sentinels to the master alone.
    pub(super) async fn links(&self) -> RedisResult<Vec<(String, RedisResult<Link>)>> {
        if let Topology::Sentinel { service } = &self.topology {
            let master = self.sentinel(service)?.async_get_client().await?;
            let name = master.get_connection_info().addr().to_string();
            return Ok(vec![(name, self.connect_to(master).await)]);
        }
        let mut links = Vec::new();
        for node in &self.nodes {
            let link = self.connect_to(Client::open(node.clone())?).await;
            links.push((node.addr().to_string(), link));
        }
        Ok(links)
    }

    async fn connect_to(&self, client: Client) -> RedisResult<Link> {
        let limits = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN));
        Ok(Link::Node(client.get_multiplexed_async_connection_with_config(&limits).await?))
    }

    /// The user and password are those of the servers; the sentinels are asked without.
    fn sentinel(&self, service: &str) -> RedisResult<SentinelClient> {
        let sentinels = self.nodes.iter().map(|node| node.addr().clone());
        let server = self.nodes[0].redis_settings();
        let mut client =
            SentinelClientBuilder::new(sentinels, service, SentinelServerType::Master)?
                .set_client_to_redis_db(server.db())
                .set_client_to_redis_protocol(server.protocol());
        if let Some(username) = server.username() {
            client = client.set_client_to_redis_username(username);
        }
        if let Some(password) = server.password() {
            client = client.set_client_to_redis_password(password);
        }
        if self.is_tls() {
            client = client.set_client_to_redis_tls_mode(TlsMode::Secure);
        }
        if let Some(ca) = &self.ca {
            client = client.set_client_to_redis_certificates(ca.clone());
        }
        client.build()
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
        let tls = match (&self.ca, self.is_tls()) {
            (Some(_), _) => ", by TLS with the CAs of REDIS_CA_FILE",
            (None, true) => ", by TLS",
            (None, false) => "",
        };
        write!(f, "Redis, {kind} at {}{tls}", nodes.join(", "))
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
            ("rediss://:secret@h:7000/0", "Redis, one server at h:7000, by TLS"),
            ("rediss+cluster://a:1,b:2", "Redis, a Cluster at a:1, b:2, by TLS"),
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
            "rediss://h:1/#insecure",
            "rediss://h:1#insecure",
            "rediss+cluster://h:1#insecure",
            "rediss+sentinel://h:1/main/0#insecure",
            "rediss+sentinel://h:1/main#insecure",
        ] {
            assert!(RedisAddress::parse(text).is_err(), "{text}");
        }
        let refused = RedisAddress::parse("redis://:hunter2@h:port").unwrap_err();
        assert!(!refused.to_string().contains("hunter2"));
    }
}
