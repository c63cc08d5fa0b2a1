//! The connection to Redis: one that many requests share, made anew when it breaks.
//!
//! A broken connection costs the requests on it; the next one connects again and finds a new
//! master or the moved slots on the way. While Redis is away requests fail at once instead of
//! queueing up behind attempts to connect.

use std::{sync::Arc, time::Duration};

use redis::{
    Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisFuture, RedisResult,
    ServerErrorKind, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster_async::ClusterConnection,
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use super::address::{CONNECT_WITHIN, RedisAddress};
use crate::{
    clock,
    store::{Answer, StoreFailure},
};

/// How long after a failed attempt requests fail without another one.
const PAUSE: Duration = Duration::from_millis(200);

/// A connection that can be cloned and shared.
#[derive(Clone)]
pub(super) enum Link {
    Node(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// Whether a command may be sent again when its answer was lost.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    Yes,
    No,
}

/// Gives out the shared connection.
#[derive(Clone)]
pub(super) struct Connection {
    address: RedisAddress,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    link: Option<Link>,
    /// Counts the links, so that a late failure does not throw away a newer one.
    made: u64,
    failed: Option<(Instant, String)>,
}

impl Connection {
    pub(super) fn new(address: RedisAddress) -> Self {
        Self { address, state: Arc::default() }
    }

    /// Sends what `ask` sends, once more if the connection turns out to be broken.
    pub(super) async fn run<T, F>(&self, again: Again, ask: impl Fn(Link) -> F) -> Answer<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let (made, link) = self.link().await?;
        let failure = match ask(link).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        if is_broken(&failure) {
            self.give_up(made).await;
        }
        if again == Again::No || !is_broken(&failure) || failure.is_timeout() {
            return Err(refused(&failure));
        }
        let (_, link) = self.link().await?;
        ask(link).await.map_err(|failure| refused(&failure))
    }

    async fn link(&self) -> Answer<(u64, Link)> {
        let mut state = self.state.lock().await;
        if let Some(link) = &state.link {
            return Ok((state.made, link.clone()));
        }
        if let Some((at, why)) = &state.failed
            && at.elapsed() < PAUSE
        {
            return Err(StoreFailure::Unreachable(why.clone()));
        }
        let why = match timeout(CONNECT_WITHIN * 2, self.address.connect()).await {
            Ok(Ok(link)) => {
                state.made += 1;
                state.link = Some(link.clone());
                state.failed = None;
                return Ok((state.made, link));
            }
            Ok(Err(failure)) => failure.to_string(),
            Err(_) => "connecting took too long".to_owned(),
        };
        state.failed = Some((clock::instant(), why.clone()));
        Err(StoreFailure::Unreachable(why))
    }

    async fn give_up(&self, made: u64) {
        let mut state = self.state.lock().await;
        if state.made == made {
            state.link = None;
        }
    }
}

/// A Lua script, sent by its hash and whole where the server does not have it yet.
pub(super) struct Script {
    code: &'static str,
    hash: String,
}

impl Script {
    pub(super) fn new(code: &'static str) -> Self {
        Self { hash: redis::Script::new(code).get_hash().to_owned(), code }
    }

    /// Runs on the server that has `keys`, which all lie in one slot.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        mut link: Link,
        keys: &[String],
        args: &[Vec<u8>],
    ) -> RedisResult<T> {
        let command = |verb: &str, script: &str| {
            let mut command = Cmd::new();
            command.arg(verb).arg(script).arg(keys.len()).arg(keys).arg(args);
            command
        };
        match command("EVALSHA", &self.hash).query_async(&mut link).await {
            Err(failure) if failure.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                command("EVAL", self.code).query_async(&mut link).await
            }
            answer => answer,
        }
    }
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Node(node) => node.req_packed_command(cmd),
            Self::Cluster(cluster) => cluster.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Node(node) => node.req_packed_commands(pipeline, offset, count),
            Self::Cluster(cluster) => cluster.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Node(node) => node.get_db(),
            Self::Cluster(cluster) => cluster.get_db(),
        }
    }
}

/// Whether another connection may fare better: this one is gone, silent, or leads to a server
/// that is no master any more.
fn is_broken(failure: &RedisError) -> bool {
    let demoted = [
        ServerErrorKind::ReadOnly,
        ServerErrorKind::MasterDown,
        ServerErrorKind::BusyLoading,
        ServerErrorKind::ClusterDown,
    ];
    failure.is_unrecoverable_error()
        || failure.is_timeout()
        || failure.is_io_error()
        || demoted.iter().any(|kind| failure.kind() == ErrorKind::Server(*kind))
}

fn refused(failure: &RedisError) -> StoreFailure {
    if is_broken(failure) {
        StoreFailure::Unreachable(failure.to_string())
    } else {
        StoreFailure::Broken(failure.to_string())
    }
}
