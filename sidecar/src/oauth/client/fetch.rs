//! Fetching what strangers name: over TLS, from the Internet only, bounded in time and length. What
//! it means is for others.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use auth_core::time::UnixTime;
use http_cache_semantics::CachePolicy;
use reqwest::{
    Certificate, Client, Response, StatusCode,
    header::{self, HeaderMap},
    redirect::Policy,
};
use tokio::{sync::Semaphore, time::timeout};
use url::{Host, Url};

use super::public_names::PublicNames;
use crate::config::oauth::CimdExceptions;

/// How long a fetch may take, from the first lookup to the last byte.
const WITHIN: Duration = Duration::from_secs(5);
/// Hosts are counted in so many groups,
const GROUPS: usize = 256;
/// of which each may be asked by so many at a time: slow ones hold up nobody else.
const AT_A_TIME: usize = 4;
/// How long an answer counts that says nothing about it.
const UNSAID: Duration = Duration::from_secs(60);
/// The longest that an answer counts, whatever it says.
const LONGEST_FRESH: Duration = Duration::from_secs(24 * 3600);

/// Fetches.
#[derive(Clone)]
pub(super) struct Fetcher(Arc<Inner>);

struct Inner {
    http: Client,
    names: PublicNames,
    groups: Vec<Semaphore>,
    chooser: RandomState,
}

/// What was there.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) body: Vec<u8>,
    /// How long it counts (RFC 9111).
    pub(super) fresh_for: Duration,
}

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotFetched {
    /// The address is none that is ever asked.
    #[error("only https: addresses on the Internet are asked")]
    NotAllowed,
    /// Nobody answers, or not in time. So it is for names that stand for addresses that are not on
    /// the Internet.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// It takes too long.
    #[error("it does not answer within {} s", WITHIN.as_secs())]
    TooSlow,
    /// Something else than 200.
    #[error("it answered {0}")]
    Status(StatusCode),
    /// No JSON.
    #[error("its answer is not declared as JSON")]
    NotJson,
    /// More than anybody needs.
    #[error("its answer is longer than {0} bytes")]
    TooLong(usize),
}

impl NotFetched {
    /// Whether it may work another time.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TooSlow => true,
            Self::Status(status) => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::NotAllowed | Self::NotJson | Self::TooLong(_) => false,
        }
    }
}

impl Fetcher {
    /// With the exceptions for tests, if any.
    pub(super) fn new(exceptions: &CimdExceptions) -> Self {
        let names = PublicNames::of_system(exceptions.allow_loopback);
        let mut http = Client::builder()
            .https_only(true)
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .pool_max_idle_per_host(0)
            .dns_resolver(names.clone())
            .user_agent(concat!("mcp-auth/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = &exceptions.ca_pem {
            let ca = Certificate::from_pem_bundle(pem.as_bytes());
            http =
                http.tls_certs_merge(ca.expect("a configuration with an unusable CA is refused"));
        }
        let http = http.build().expect("these settings make a client");
        let groups = (0..GROUPS).map(|_| Semaphore::new(AT_A_TIME)).collect();
        Self(Arc::new(Inner { http, names, groups, chooser: RandomState::new() }))
    }

    /// The JSON at this address, not longer than `longest`.
    pub(super) async fn get(
        &self,
        address: &Url,
        longest: usize,
        now: UnixTime,
    ) -> Result<Fetched, NotFetched> {
        let host = address.host_str().unwrap_or_default();
        if address.scheme() != "https" || !self.may_ask(address) {
            return Err(NotFetched::NotAllowed);
        }
        let group = self.0.chooser.hash_one(host) as usize % GROUPS;
        let fetch = async {
            let _turn = self.0.groups[group].acquire().await.expect("it is never closed");
            self.ask(address, longest, now).await
        };
        timeout(WITHIN, fetch).await.unwrap_or(Err(NotFetched::TooSlow))
    }

    async fn ask(
        &self,
        address: &Url,
        longest: usize,
        now: UnixTime,
    ) -> Result<Fetched, NotFetched> {
        let request = self.0.http.get(address.clone()).header(header::ACCEPT, "application/json");
        let request = request.build().map_err(unreachable)?;
        let asked = (request.method().clone(), request.url().clone(), request.headers().clone());
        let mut answer = self.0.http.execute(request).await.map_err(unreachable)?;
        if answer.status() != StatusCode::OK {
            return Err(NotFetched::Status(answer.status()));
        }
        if !is_json(answer.headers()) {
            return Err(NotFetched::NotJson);
        }
        let fresh_for = fresh_for(&asked, &answer, now);
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > longest {
                return Err(NotFetched::TooLong(longest));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Fetched { body, fresh_for })
    }

    /// Addresses that are written out never reach the resolver.
    fn may_ask(&self, address: &Url) -> bool {
        match address.host() {
            Some(Host::Domain(_)) => true,
            Some(Host::Ipv4(v4)) => self.0.names.may_connect(v4.into()),
            Some(Host::Ipv6(v6)) => self.0.names.may_connect(v6.into()),
            None => false,
        }
    }
}

/// `application/json`, or something that is JSON as well (RFC 6839 §3.1).
fn is_json(headers: &HeaderMap) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = given.unwrap_or("").split(';').next().unwrap_or("").trim();
    let media_type = media_type.to_ascii_lowercase();
    let subtype = media_type.strip_prefix("application/").unwrap_or("");
    subtype == "json" || subtype.ends_with("+json")
}

fn fresh_for(
    (method, url, headers): &(reqwest::Method, Url, HeaderMap),
    answer: &Response,
    now: UnixTime,
) -> Duration {
    let said = [header::CACHE_CONTROL, header::EXPIRES, header::PRAGMA];
    if !said.iter().any(|name| answer.headers().contains_key(name)) {
        return UNSAID;
    }
    let mut request = axum::http::Request::new(());
    *request.method_mut() = method.clone();
    *request.uri_mut() = url.as_str().parse().unwrap_or_default();
    *request.headers_mut() = headers.clone();
    let mut response = axum::http::Response::new(());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    let now: SystemTime = UNIX_EPOCH + Duration::from_millis(now.millis());
    let policy = CachePolicy::new_options(&request, &response, now, Default::default());
    if !policy.is_storable() {
        return Duration::ZERO;
    }
    policy.time_to_live(now).min(LONGEST_FRESH)
}

/// What went wrong, to the bottom.
fn unreachable(failure: reqwest::Error) -> NotFetched {
    let failure = failure.without_url();
    let mut told = failure.to_string();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&failure);
    while let Some(deeper) = cause {
        told = format!("{told}: {deeper}");
        cause = deeper.source();
    }
    NotFetched::Unreachable(told)
}
