//! `mcp-auth serve`: opens the store, listens, sweeps, and drains when told to stop.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use auth_core::user_id::HashDigits;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::timeout};

use crate::{
    clock::Clock,
    config::{Config, StoreConfig, oauth::CimdExceptions, raw::RawConfig},
    listener::{HEAD_WITHIN, Listener},
    mcp_sessions::McpSessions,
    oauth::{self, AuthorizationServer, NotBuilt},
    page,
    reload::{InUse, Reload},
    routes::{self, Internal, Keys},
    sessions::Sessions,
    store::{SWEPT_AT_ONCE, Store, embedded::EmbeddedStore, redis::RedisStore},
};

/// How often what has expired is removed.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// How soon the sweep goes on if there was more than is removed at once.
const SWEEP_ON: Duration = Duration::from_millis(100);
/// How long requests under way may take once the process is told to stop: the identity provider has
/// 13 s in a refresh. Kubernetes waits for 30.
const DRAIN: Duration = Duration::from_secs(20);

/// Why it does not run.
#[derive(Debug, thiserror::Error)]
pub enum NotServed {
    /// The embedded store.
    #[error("MCP_AUTH_DATA {folder}: {why}")]
    Store {
        /// Where it should be.
        folder: String,
        /// What is wrong.
        why: crate::store::embedded::OpenFailure,
    },
    /// The authorization server.
    #[error(transparent)]
    NotBuilt(#[from] NotBuilt),
    /// A listener.
    #[error("{variable} {address}: {why}")]
    Listen {
        /// Which one.
        variable: &'static str,
        /// Its address.
        address: SocketAddr,
        /// What is wrong.
        why: std::io::Error,
    },
    /// Where a listener is cannot be told.
    #[error("a listener failed: {0}")]
    Address(#[from] std::io::Error),
}

/// Serves until `stop` resolves, then drains. Secrets of `given`, which `config` was built from, are
/// read again when their files change.
///
/// # Errors
/// [`NotServed`] names the variable that has to change.
pub async fn serve(
    config: Config,
    given: RawConfig,
    metrics: PrometheusHandle,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), NotServed> {
    let internal_listener =
        Listener::trusting(listen("MCP_AUTH_INTERNAL_LISTEN", config.internal_listen).await?);
    let listener = match &config.oauth {
        Some(_) => {
            let tcp = listen("MCP_AUTH_LISTEN", config.listen).await?;
            Some(Listener::for_strangers(tcp, HEAD_WITHIN))
        }
        None => None,
    };
    let clock = Clock::system();
    let store = open(&config.store, clock.clone())?;
    let server = AuthorizationServer::new(&config, &store, clock.clone())?;
    let internal = Internal {
        mcp_sessions: McpSessions::new(Arc::clone(&store)),
        sessions: Sessions::of(&config, &store),
        store: Arc::clone(&store),
        page: page::Keys::new(config.tokens.as_ref(), clock),
        tokens: config.tokens.clone(),
        keys: server.as_ref().map(Keys::of),
        provider: server.as_ref().map(|server| server.provider.clone()),
        metrics: metrics.clone(),
    };
    let mut background = JoinSet::new();
    background.spawn(sweep(store, metrics));
    if let Some(server) = &server {
        background.spawn(server.provider.clone().keep_known());
    }
    if let Some(keys) = &internal.keys {
        background.spawn(keys.reencryption().keep());
    }
    if given.watches() {
        background.spawn(Reload::new(given, InUse::new(&config, server.as_ref())).keep());
    }
    announce(&config, &internal_listener, listener.as_ref())?;
    // Secrets that are replaced must not stay here.
    drop(config);

    let under_way = server.as_ref().map(|server| server.under_way.clone()).unwrap_or_default();
    let (stopping, stopped) = watch::channel(false);
    let internal = internal_listener.answer(routes::router(internal), stopped.clone());
    let public = async {
        if let (Some(listener), Some(server)) = (listener, server) {
            listener.answer(oauth::router(server), stopped).await;
        }
    };
    let serving = async {
        tokio::join!(internal, public);
        under_way.close();
        under_way.wait().await;
    };
    tokio::pin!(serving);
    tokio::select! {
        () = &mut serving => {}
        () = stop => {
            tracing::info!("stopping: requests under way are finished");
            // Nobody listens only if serving has ended already.
            let _ = stopping.send(true);
            if timeout(DRAIN, serving).await.is_err() {
                tracing::warn!("some requests were not finished in time");
            }
        }
    }
    background.abort_all();
    Ok(())
}

fn announce(
    config: &Config,
    internal: &Listener,
    public: Option<&Listener>,
) -> std::io::Result<()> {
    let address = internal.address()?;
    tracing::info!(%address, store = ?config.store, "the internal listener is open");
    if let (Some(public), Some(oauth)) = (public, &config.oauth) {
        let address = public.address()?;
        tracing::info!(%address, issuer = %oauth.url, "the public listener is open");
        if config.user_id_hash_digits.can_be_searched() {
            tracing::warn!("MCP_USER_ID_HASH_DIGITS: {}", HashDigits::SEARCHED);
        }
        if oauth.cimd != CimdExceptions::default() {
            tracing::warn!(
                "MCP_AUTH_CIMD_CA_FILE or MCP_AUTH_CIMD_ALLOW_LOOPBACK is set: NOT FOR PRODUCTION, \
                 clients may make this machine call itself"
            );
        }
    }
    if config.tokens.is_none() {
        tracing::warn!(
            "MCP_AUTH_TOKEN is unset: whoever reaches this machine's loopback may revoke"
        );
    }
    Ok(())
}

async fn listen(variable: &'static str, address: SocketAddr) -> Result<TcpListener, NotServed> {
    let refused = |why| NotServed::Listen { variable, address, why };
    TcpListener::bind(address).await.map_err(refused)
}

fn open(config: &StoreConfig, clock: Clock) -> Result<Arc<dyn Store>, NotServed> {
    match config {
        StoreConfig::Redis(address) => Ok(Arc::new(RedisStore::new(address.clone()))),
        StoreConfig::Embedded(folder) => match EmbeddedStore::open(folder, clock) {
            Ok(store) => Ok(Arc::new(store)),
            Err(why) => Err(NotServed::Store { folder: folder.display().to_string(), why }),
        },
    }
}

/// Removes what has expired, and says when the store goes away and comes back.
async fn sweep(store: Arc<dyn Store>, metrics: PrometheusHandle) {
    let mut was_up = true;
    loop {
        let swept = store.sweep().await;
        metrics::gauge!("mcp_auth_store_up").set(if swept.is_ok() { 1.0 } else { 0.0 });
        match &swept {
            Ok(count) => metrics::counter!("mcp_auth_swept_total").increment(*count as u64),
            Err(cause) if was_up => tracing::error!(%cause, "the store is away"),
            Err(_) => {}
        }
        if swept.is_ok() && !was_up {
            tracing::info!("the store is back");
        }
        was_up = swept.is_ok();
        metrics.run_upkeep();
        if swept.is_ok_and(|count| count >= SWEPT_AT_ONCE) {
            tokio::time::sleep(SWEEP_ON).await;
            continue;
        }
        // Replicas that started together do not stay together.
        let jitter = Duration::from_millis(rand::random::<u64>() % 2000);
        tokio::time::sleep(SWEEP_EVERY + jitter).await;
    }
}
