//! `mcp-auth serve`: opens the store, listens, sweeps, and drains when told to stop.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use auth_core::user_id::HashDigits;
use axum::{Router, serve::ListenerExt};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::timeout};

use crate::{
    clock::Clock,
    config::{Config, StoreConfig, oauth::CimdExceptions, raw::RawConfig},
    mcp_sessions::McpSessions,
    oauth::{self, AuthorizationServer, NotBuilt},
    page,
    reload::{InUse, Reload},
    routes::{self, Internal, Keys},
    sessions::Sessions,
    store::{Store, embedded::EmbeddedStore, redis::RedisStore},
};

/// How often what has expired is removed.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// How long requests under way may take once the process is told to stop.
const DRAIN: Duration = Duration::from_secs(10);

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
    /// Serving ended by itself.
    #[error("a listener failed: {0}")]
    Ended(#[from] std::io::Error),
}

/// Serves until `stop` resolves, then drains. Secrets of `given`, which `config` was built from, are
/// read again when their files change.
///
/// # Errors
/// [`NotServed`] names the variable that has to change.
pub async fn serve(
    config: &Config,
    given: RawConfig,
    metrics: PrometheusHandle,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), NotServed> {
    let internal_listener = listen("MCP_AUTH_INTERNAL_LISTEN", config.internal_listen).await?;
    let listener = match &config.oauth {
        Some(_) => Some(listen("MCP_AUTH_LISTEN", config.listen).await?),
        None => None,
    };
    let clock = Clock::system();
    let store = open(&config.store, clock.clone())?;
    let server = AuthorizationServer::new(config, &store, clock.clone())?;
    let internal = Internal {
        mcp_sessions: McpSessions::new(Arc::clone(&store)),
        sessions: Sessions::new(Arc::clone(&store), config.revocation_ttl),
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
        background.spawn(Reload::new(given, InUse::new(config, server.as_ref())).keep());
    }
    announce(config, &internal_listener, listener.as_ref())?;

    let (stopping, stopped) = watch::channel(false);
    let internal = answer(internal_listener, routes::router(internal), stopped.clone());
    let public = async {
        match (listener, server) {
            (Some(listener), Some(server)) => {
                answer(listener, oauth::router(server), stopped.clone()).await
            }
            (None, _) | (_, None) => Ok(()),
        }
    };
    let serving = async { tokio::try_join!(internal, public).map(drop) };
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = stop => {
            tracing::info!("stopping: requests under way are finished");
            // Nobody listens only if serving has ended already.
            let _ = stopping.send(true);
            timeout(DRAIN, serving).await.unwrap_or_else(|_| {
                tracing::warn!("some requests were not finished in time");
                Ok(())
            })
        }
    };
    background.abort_all();
    Ok(ended?)
}

/// Answers until it is told to stop, and then what is under way.
async fn answer(
    listener: TcpListener,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) -> std::io::Result<()> {
    // An answer is one small packet, which is not to wait for another.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let told = async move { drop(stopped.wait_for(|stopping| *stopping).await) };
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(told).await
}

fn announce(
    config: &Config,
    internal: &TcpListener,
    public: Option<&TcpListener>,
) -> std::io::Result<()> {
    let address = internal.local_addr()?;
    tracing::info!(%address, store = ?config.store, "the internal listener is open");
    if let (Some(public), Some(oauth)) = (public, &config.oauth) {
        let address = public.local_addr()?;
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
        // Replicas that started together do not stay together.
        let jitter = Duration::from_millis(rand::random::<u64>() % 2000);
        tokio::time::sleep(SWEEP_EVERY + jitter).await;
    }
}
