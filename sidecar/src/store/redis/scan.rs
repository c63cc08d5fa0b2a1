//! Going through all values of the OAuth part, on one server after the other.
//!
//! `SCAN` gives every key that is there all the time, and its place is good for the server that gave
//! it: by another run of a server, or another master, the node is begun anew. While slots of a
//! Cluster move, a key may be passed over; whoever must not miss one goes through them again.

use redis::{
    RedisResult, Value,
    cluster_routing::{RoutingInfo, SingleNodeRoutingInfo},
    cmd, from_redis_value,
};

use super::{
    connection::{Again, Connection, Link},
    keys, unreadable,
};
use crate::store::{Answer, Scan};

/// Where a reader stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    node: Node,
    /// Which run of the server gave the cursor.
    run: String,
    cursor: u64,
}

/// A server: the only one, or a master of a Cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    Only,
    Master(String, u16),
}

pub(super) async fn scan(
    connection: &Connection,
    after: Option<&str>,
    limit: usize,
) -> Answer<Scan> {
    let step = |link: Link| step(link, after.and_then(Place::parse), limit);
    let (found, next) = connection.run(Again::Yes, step).await?;
    let found: Option<Vec<_>> = found.iter().map(|name| keys::parse_value(name)).collect();
    Ok(Scan {
        keys: found.ok_or_else(|| unreadable("the name of a value"))?,
        next: next.map(|place| place.to_string()),
    })
}

async fn step(
    mut link: Link,
    place: Option<Place>,
    limit: usize,
) -> RedisResult<(Vec<String>, Option<Place>)> {
    let nodes = nodes(&mut link).await?;
    let place = match place.filter(|place| nodes.contains(&place.node)) {
        Some(place) => place,
        None => match nodes.first() {
            Some(first) => Place::at(first),
            None => return Ok((Vec::new(), None)),
        },
    };
    let run = run(&mut link, &place.node).await?;
    let cursor = if place.run == run { place.cursor } else { 0 };
    let mut command = cmd("SCAN");
    command.arg(cursor).arg("MATCH").arg(keys::all_values()).arg("COUNT").arg(limit);
    let answer = ask(&mut link, &place.node, command).await?;
    let (cursor, found): (u64, Vec<String>) = from_redis_value(answer)?;
    let next = match cursor {
        0 => nodes.iter().find(|node| **node > place.node).map(Place::at),
        cursor => Some(Place { run, cursor, ..place }),
    };
    Ok((found, next))
}

/// In an order that stays while the servers do.
async fn nodes(link: &mut Link) -> RedisResult<Vec<Node>> {
    if matches!(link, Link::Node(_)) {
        return Ok(vec![Node::Only]);
    }
    let mut command = cmd("CLUSTER");
    command.arg("SLOTS");
    // Begin and end of the slots, then the master, then its replicas: lists of different lengths.
    let ranges: Vec<Vec<Value>> = command.query_async(link).await?;
    let master = |range: &Vec<Value>| -> RedisResult<Option<Node>> {
        let Some(Value::Array(master)) = range.get(2) else { return Ok(None) };
        let [host, port, ..] = master.as_slice() else { return Ok(None) };
        let (host, port): (String, u16) =
            (from_redis_value(host.clone())?, from_redis_value(port.clone())?);
        Ok(Some(Node::Master(host, port)))
    };
    let mut nodes: Vec<Node> =
        ranges.iter().filter_map(|range| master(range).transpose()).collect::<Result<_, _>>()?;
    nodes.sort_unstable();
    nodes.dedup();
    Ok(nodes)
}

async fn run(link: &mut Link, node: &Node) -> RedisResult<String> {
    let mut command = cmd("INFO");
    command.arg("server");
    let info: String = from_redis_value(ask(link, node, command).await?)?;
    let run = info.lines().find_map(|line| line.strip_prefix("run_id:"));
    Ok(run.unwrap_or_default().trim().to_owned())
}

async fn ask(link: &mut Link, node: &Node, command: redis::Cmd) -> RedisResult<Value> {
    match (link, node) {
        (Link::Cluster(cluster), Node::Master(host, port)) => {
            let to = SingleNodeRoutingInfo::ByAddress { host: host.clone(), port: *port };
            cluster.route_command(command, RoutingInfo::SingleNode(to)).await
        }
        (link, Node::Only | Node::Master(..)) => command.query_async(link).await,
    }
}

impl Place {
    fn at(node: &Node) -> Self {
        Self { node: node.clone(), run: String::new(), cursor: 0 }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let (node, run, cursor) = (parts.next()?, parts.next()?, parts.next()?);
        let node = match node.rsplit_once(':') {
            None => Node::Only,
            Some((host, port)) => Node::Master(host.to_owned(), port.parse().ok()?),
        };
        Some(Self { node, run: run.to_owned(), cursor: cursor.parse().ok()? })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.node {
            Node::Only => write!(f, "only {} {}", self.run, self.cursor),
            Node::Master(host, port) => write!(f, "{host}:{port} {} {}", self.run, self.cursor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back() {
        for node in [Node::Only, Node::Master("::1".to_owned(), 6379)] {
            for run in ["", "0a1b"] {
                let place = Place { node: node.clone(), run: run.to_owned(), cursor: 7 };
                assert_eq!(Place::parse(&place.to_string()), Some(place));
            }
        }
        assert_eq!(Place::parse("no place"), None);
    }
}
