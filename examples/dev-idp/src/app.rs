//! The provider: what its routes share, and which route answers which address.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::from_fn_with_state,
    routing::{MethodRouter, get, post},
};
use tokio::sync::OnceCell;
use tower_http::cors::CorsLayer;

use crate::{
    clock::Clock,
    config::Config,
    fault::{self, Endpoint, Endpoints},
    grants::Grants,
    keys::{KeyPair, KeyRing},
    page,
    routes::{
        authorize, dev_fault, dev_rotate, dev_stats, dev_token, discovery, health, jwks, login,
        logout, revoke, token, userinfo,
    },
};

/// Longest request body, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// What the routes share.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) endpoints: Endpoints,
    /// Keys that are never published, made when the first forgery is asked for.
    pub(crate) forger: OnceCell<KeyPair>,
    keys: RwLock<KeyRing>,
    grants: Mutex<Grants>,
}

impl App {
    pub(crate) fn new(config: Config, clock: Clock, keys: KeyPair) -> Self {
        Self {
            config,
            clock,
            endpoints: Endpoints::default(),
            forger: OnceCell::new(),
            keys: RwLock::new(KeyRing::new(keys)),
            grants: Mutex::new(Grants::new()),
        }
    }

    pub(crate) fn keys(&self) -> RwLockReadGuard<'_, KeyRing> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn keys_mut(&self) -> RwLockWriteGuard<'_, KeyRing> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn grants(&self) -> MutexGuard<'_, Grants> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every address of the provider.
pub(crate) fn router(app: Arc<App>) -> Router {
    let guarded = |endpoint: Endpoint, method: MethodRouter<Arc<App>>| {
        method.layer(from_fn_with_state((Arc::clone(&app), endpoint), fault::guard))
    };
    let discovery = || guarded(Endpoint::Discovery, get(discovery::document));
    // What a script in a browser may call. The pages and the knobs are not among it.
    let api = Router::new()
        .route("/.well-known/openid-configuration", discovery())
        .route("/.well-known/oauth-authorization-server", discovery())
        .route("/.well-known/jwks.json", guarded(Endpoint::Jwks, get(jwks::document)))
        .route("/oauth/token", guarded(Endpoint::Token, post(token::issue)))
        .route("/oauth/revoke", guarded(Endpoint::Revoke, post(revoke::revoke)))
        .route(
            "/userinfo",
            guarded(Endpoint::Userinfo, get(userinfo::claims).post(userinfo::claims)),
        )
        .layer(CorsLayer::permissive());
    let logout = |method| guarded(Endpoint::Logout, method);
    let pages = Router::new()
        .route("/", get(page::home))
        .route("/style.css", get(page::stylesheet))
        .route(
            "/authorize",
            guarded(Endpoint::Authorize, get(authorize::begin).post(authorize::begin)),
        )
        .route("/u/login", guarded(Endpoint::Login, get(login::show).post(login::submit)))
        .route("/v2/logout", logout(get(logout::auth0)))
        .route("/oidc/logout", logout(get(logout::oidc).post(logout::oidc)));
    let knobs = Router::new()
        .route("/healthz", get(health::ok))
        .route("/dev/rotate", post(dev_rotate::rotate))
        .route("/dev/fault", post(dev_fault::set))
        .route("/dev/token", post(dev_token::issue))
        .route("/dev/stats", get(dev_stats::show));
    api.merge(pages).merge(knobs).layer(DefaultBodyLimit::max(BODY_LIMIT)).with_state(app)
}
