//! From texts to a [`Config`]: what is missing, bad or contradictory is refused by name.

use std::{
    fs,
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use auth_core::user_id::HashDigits;

use super::{
    Config, StoreConfig,
    client_secret::{ClientSecret, ClientSecrets},
    oauth::{Brand, CimdExceptions, Lifetimes, OAuthConfig, Provider, TrustedHops},
    raw::RawConfig,
    values::{GivenUrl, HttpHosts, Key256, duration, is_scope, list},
};
use crate::{live::Live, store::redis::RedisAddress, tokens::Tokens};

/// Names the variable and says what is wrong with it; quotes no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {why}")]
pub struct Refused {
    variable: String,
    why: String,
}

const REDIS_CA_FILE: &str = "REDIS_CA_FILE";

/// What only makes sense with a provider.
const OAUTH_ONLY: [&str; 22] = [
    "AUTH0_CLIENT_ID",
    "AUTH0_CLIENT_SECRET",
    "AUTH0_AUDIENCE",
    "OIDC_CLIENT_ID",
    "OIDC_CLIENT_SECRET",
    "OIDC_AUDIENCE",
    "OIDC_SCOPES",
    "OIDC_PROMPT",
    "MCP_AUTH_URL",
    "MCP_RESOURCES",
    "MCP_SCOPES",
    "MCP_ACCESS_TOKEN_TTL",
    "MCP_REFRESH_TOKEN_TTL",
    "MCP_LOGIN_TTL",
    "MCP_AUTH_BRAND_NAME",
    "MCP_AUTH_BRAND_LOGO",
    "MCP_REGISTRATIONS_PER_MINUTE",
    "MCP_AUTH_TRUSTED_HOPS",
    "JWT_SIGNING_KEY",
    "STORAGE_ENCRYPTION_KEY",
    "MCP_AUTH_CIMD_CA_FILE",
    "MCP_AUTH_CIMD_ALLOW_LOOPBACK",
];

impl Refused {
    /// Names a variable or flag, and says what is wrong with it.
    pub(crate) fn new(variable: &str, why: &str) -> Self {
        Self { variable: variable.to_owned(), why: why.to_owned() }
    }

    pub(super) fn both(one: &str, other: &str) -> Self {
        Self::new(one, &format!("and {other} are both set: only one may be"))
    }
}

impl Config {
    /// Makes sense of what was given.
    ///
    /// # Errors
    /// [`Refused`] names the first variable that is missing, bad or contradictory.
    pub fn build(raw: &RawConfig) -> Result<Self, Refused> {
        let internal_listen = address(raw, "MCP_AUTH_INTERNAL_LISTEN", 8082)?;
        let listen = address(raw, "MCP_AUTH_LISTEN", 8081)?;
        let tokens = tokens(raw)?;
        if tokens.is_none() && !internal_listen.ip().is_loopback() {
            let why = "is required, because MCP_AUTH_INTERNAL_LISTEN is not on loopback";
            return Err(Refused::new("MCP_AUTH_TOKEN", why));
        }
        let revocation_ttl = time(raw, "MCP_AUTH_REVOCATION_TTL", 24 * 3600)?;
        let insecure_http_hosts = http_hosts(raw)?;
        let user_id_hash_digits = hash_digits(raw)?;
        let store = store(raw)?;
        let oauth = oauth(raw, &insecure_http_hosts, &store)?;
        if let Some(oauth) = &oauth {
            if revocation_ttl < oauth.lifetimes.access_token {
                let why = "is shorter than MCP_ACCESS_TOKEN_TTL";
                return Err(Refused::new("MCP_AUTH_REVOCATION_TTL", why));
            }
            if listen == internal_listen && listen.port() != 0 {
                let why = "is the same address as MCP_AUTH_INTERNAL_LISTEN";
                return Err(Refused::new("MCP_AUTH_LISTEN", why));
            }
        }
        Ok(Self {
            internal_listen,
            tokens,
            listen,
            store,
            revocation_ttl,
            user_id_hash_digits,
            insecure_http_hosts,
            oauth,
        })
    }
}

pub(crate) fn http_hosts(raw: &RawConfig) -> Result<HttpHosts, Refused> {
    let name = "MCP_AUTH_INSECURE_HTTP_HOSTS";
    HttpHosts::parse(raw.text(name)).map_err(|why| Refused::new(name, &why))
}

pub(crate) fn public_url(raw: &RawConfig, http: &HttpHosts) -> Result<GivenUrl, Refused> {
    let name = "MCP_AUTH_URL";
    let url = GivenUrl::parse(required(raw, name)?, http);
    let url = url.map_err(|why| Refused::new(name, &why))?;
    // The router would take these for something else than text.
    match url.url().path().contains([':', '*']) {
        true => Err(Refused::new(name, "has a colon or an asterisk in its path")),
        false => Ok(url),
    }
}

fn hash_digits(raw: &RawConfig) -> Result<HashDigits, Refused> {
    let digits = number(raw, "MCP_USER_ID_HASH_DIGITS", 8, 8, 40)?;
    Ok(HashDigits::new(digits).expect("8 to 40 digits are accepted"))
}

fn store(raw: &RawConfig) -> Result<StoreConfig, Refused> {
    if let Some(address) = redis(raw)? {
        return Ok(StoreConfig::Redis(address));
    }
    let folder = PathBuf::from(raw.text("MCP_AUTH_DATA").unwrap_or("./mcp-auth-data"));
    if folder.exists() && !folder.is_dir() {
        return Err(Refused::new("MCP_AUTH_DATA", "is not a folder"));
    }
    Ok(StoreConfig::Embedded(folder))
}

pub(crate) fn redis(raw: &RawConfig) -> Result<Option<RedisAddress>, Refused> {
    let ca_file = raw.text(REDIS_CA_FILE);
    let Some(url) = raw.secret("REDIS_URL") else {
        return match ca_file {
            Some(_) => Err(Refused::new(REDIS_CA_FILE, "is set, but REDIS_URL is not")),
            None => Ok(None),
        };
    };
    let address = RedisAddress::parse(url.expose());
    let address = address.map_err(|why| Refused::new("REDIS_URL", &why.to_string()))?;
    match ca_file {
        None => Ok(Some(address)),
        Some(path) => trusting(address, Path::new(path)).map(Some),
    }
}

fn trusting(address: RedisAddress, ca_file: &Path) -> Result<RedisAddress, Refused> {
    let refused = |why: String| Refused::new(REDIS_CA_FILE, &why);
    let pem = pem(ca_file).map_err(refused)?;
    address.trusting(pem.as_bytes()).map_err(|why| refused(why.to_string()))
}

pub(super) fn tokens(raw: &RawConfig) -> Result<Option<Tokens>, Refused> {
    let Some(secret) = raw.secret("MCP_AUTH_TOKEN") else { return Ok(None) };
    let why = "must be printable ASCII without spaces, so that a header can carry it, or several \
               such separated by commas";
    let tokens = Tokens::parse(secret.expose());
    tokens.map(Some).ok_or_else(|| Refused::new("MCP_AUTH_TOKEN", why))
}

fn oauth(
    raw: &RawConfig,
    http: &HttpHosts,
    store: &StoreConfig,
) -> Result<Option<OAuthConfig>, Refused> {
    let Some(issuer) = issuer(raw, http)? else {
        return match OAUTH_ONLY.into_iter().find(|name| raw.has(name)) {
            Some(name) => {
                Err(Refused::new(name, "is set, but neither AUTH0_DOMAIN nor OIDC_ISSUER is"))
            }
            None => Ok(None),
        };
    };
    let storage_keys = keys(raw, "STORAGE_ENCRYPTION_KEY", Key256::from_fernet)?;
    if storage_keys.is_empty() && matches!(store, StoreConfig::Redis(_)) {
        let why = "is required with Redis and the OAuth part";
        return Err(Refused::new("STORAGE_ENCRYPTION_KEY", why));
    }
    let signing_keys = keys(raw, "JWT_SIGNING_KEY", Key256::from_hex)?;
    if signing_keys.is_empty() {
        return Err(missing("JWT_SIGNING_KEY"));
    }
    Ok(Some(OAuthConfig {
        provider: provider(raw, issuer)?,
        url: public_url(raw, http)?,
        resources: resources(raw, http)?,
        scopes: scopes(raw)?,
        lifetimes: lifetimes(raw)?,
        registrations_per_minute: NonZeroU32::new(number(
            raw,
            "MCP_REGISTRATIONS_PER_MINUTE",
            60,
            0,
            u32::MAX,
        )?),
        trusted_hops: match raw.text("MCP_AUTH_TRUSTED_HOPS") {
            None => TrustedHops::ByPeer,
            Some(_) => TrustedHops::Fixed(number(raw, "MCP_AUTH_TRUSTED_HOPS", 0, 0, 32)?),
        },
        signing_keys,
        storage_keys,
        brand: brand(raw, http)?,
        cimd: cimd(raw)?,
    }))
}

pub(crate) fn issuer(raw: &RawConfig, http: &HttpHosts) -> Result<Option<GivenUrl>, Refused> {
    match (raw.text("AUTH0_DOMAIN"), raw.text("OIDC_ISSUER")) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(Refused::both("AUTH0_DOMAIN", "OIDC_ISSUER")),
        (None, Some(issuer)) => {
            let issuer = GivenUrl::parse(issuer, http);
            issuer.map(Some).map_err(|why| Refused::new("OIDC_ISSUER", &why))
        }
        (Some(domain), None) => {
            let refused = || Refused::new("AUTH0_DOMAIN", "must be a host name, without https://");
            let url =
                GivenUrl::parse(&format!("https://{domain}/"), http).map_err(|_| refused())?;
            let is_host = url.url().host_str() == Some(domain) && url.url().port().is_none();
            is_host.then_some(Some(url)).ok_or_else(refused)
        }
    }
}

fn provider(raw: &RawConfig, issuer: GivenUrl) -> Result<Provider, Refused> {
    let is_auth0 = raw.has("AUTH0_DOMAIN");
    let client_id = either(raw, ["AUTH0_CLIENT_ID", "OIDC_CLIENT_ID"])?;
    let audience = either(raw, ["AUTH0_AUDIENCE", "OIDC_AUDIENCE"])?;
    let [one, other] = ["AUTH0_CLIENT_SECRET", "OIDC_CLIENT_SECRET"];
    if raw.has(one) && raw.has(other) {
        return Err(Refused::both(one, other));
    }
    let own = |auth0, oidc| if is_auth0 { auth0 } else { oidc };
    let client_secret = raw.secret(one).or(raw.secret(other)).cloned().map(|secret| ClientSecret {
        live: Live::new(ClientSecrets::new(secret, raw.fallback().cloned())),
        may_change: raw.is_in_file(one) || raw.is_in_file(other),
    });
    if is_auth0 && audience.is_none() {
        return Err(missing("AUTH0_AUDIENCE"));
    }
    let scopes: Vec<String> = raw
        .text("OIDC_SCOPES")
        .unwrap_or("openid profile email offline_access")
        .split_ascii_whitespace()
        .map(str::to_owned)
        .collect();
    if !scopes.iter().all(|scope| is_scope(scope)) || !scopes.iter().any(|it| it == "openid") {
        return Err(Refused::new("OIDC_SCOPES", "must be scopes separated by spaces, with openid"));
    }
    Ok(Provider {
        issuer,
        client_id: client_id.ok_or_else(|| missing(own("AUTH0_CLIENT_ID", "OIDC_CLIENT_ID")))?,
        client_secret: client_secret.ok_or_else(|| missing(own(one, other)))?,
        audience,
        scopes,
        prompt: prompt(raw)?,
    })
}

/// `none` would forbid the provider what a login is for.
fn prompt(raw: &RawConfig) -> Result<Option<String>, Refused> {
    let Some(text) = raw.text("OIDC_PROMPT") else { return Ok(None) };
    let mut parts = text.split(' ');
    if !parts.all(|part| matches!(part, "login" | "consent" | "select_account")) {
        let why = "must be login, consent or select_account, or several separated by spaces";
        return Err(Refused::new("OIDC_PROMPT", why));
    }
    Ok(Some(text.to_owned()))
}

fn brand(raw: &RawConfig, http: &HttpHosts) -> Result<Brand, Refused> {
    let name = raw.text("MCP_AUTH_BRAND_NAME").map(str::to_owned);
    let is_long = |name: &String| name.chars().count() > 80;
    if name.as_ref().is_some_and(|name| is_long(name) || name.chars().any(char::is_control)) {
        let why = "must have at most 80 characters, all of them visible";
        return Err(Refused::new("MCP_AUTH_BRAND_NAME", why));
    }
    let logo = raw.text("MCP_AUTH_BRAND_LOGO").map(|text| GivenUrl::parse(text, http)).transpose();
    Ok(Brand { name, logo: logo.map_err(|why| Refused::new("MCP_AUTH_BRAND_LOGO", &why))? })
}

pub(crate) fn resources(raw: &RawConfig, http: &HttpHosts) -> Result<Vec<GivenUrl>, Refused> {
    let refused = |why: String| Refused::new("MCP_RESOURCES", &why);
    let texts = list(required(raw, "MCP_RESOURCES")?).map_err(refused)?;
    let parse = |text: &String| {
        GivenUrl::parse(text, http).map_err(|why| refused(format!("has {text:?}, which {why}")))
    };
    texts.iter().map(parse).collect()
}

pub(crate) fn scopes(raw: &RawConfig) -> Result<Vec<String>, Refused> {
    let scopes = list(raw.text("MCP_SCOPES").unwrap_or("mcp:read,mcp:write"));
    let scopes = scopes.map_err(|why| Refused::new("MCP_SCOPES", &why))?;
    if !scopes.iter().all(|scope| is_scope(scope)) {
        return Err(Refused::new("MCP_SCOPES", "has a part that is no scope (RFC 6749 §3.3)"));
    }
    Ok(scopes)
}

pub(crate) fn lifetimes(raw: &RawConfig) -> Result<Lifetimes, Refused> {
    const HOUR: u64 = 3600;
    let lifetimes = Lifetimes {
        access_token: time(raw, "MCP_ACCESS_TOKEN_TTL", HOUR / 4)?,
        refresh_token: time(raw, "MCP_REFRESH_TOKEN_TTL", 30 * 24 * HOUR)?,
        login: time(raw, "MCP_LOGIN_TTL", 90 * 24 * HOUR)?,
    };
    if lifetimes.access_token > Duration::from_secs(HOUR) {
        return Err(Refused::new("MCP_ACCESS_TOKEN_TTL", "is longer than 1h"));
    }
    Ok(lifetimes)
}

fn cimd(raw: &RawConfig) -> Result<CimdExceptions, Refused> {
    let name = "MCP_AUTH_CIMD_ALLOW_LOOPBACK";
    let allow_loopback = match raw.text(name) {
        None | Some("0") => false,
        Some("1") => true,
        Some(_) => return Err(Refused::new(name, "must be 1, or left out")),
    };
    let ca_pem = raw.text("MCP_AUTH_CIMD_CA_FILE").map(|file| ca_pem(Path::new(file)));
    let ca_pem = ca_pem.transpose().map_err(|why| Refused::new("MCP_AUTH_CIMD_CA_FILE", &why))?;
    Ok(CimdExceptions { ca_pem, allow_loopback })
}

fn ca_pem(file: &Path) -> Result<String, String> {
    let pem = pem(file)?;
    match reqwest::Certificate::from_pem_bundle(pem.as_bytes()) {
        Ok(certificates) if !certificates.is_empty() => Ok(pem),
        _ => Err("holds no certificate".to_owned()),
    }
}

fn pem(file: &Path) -> Result<String, String> {
    if !file.is_file() {
        return Err("is not a file".to_owned());
    }
    fs::read_to_string(file).map_err(|why| format!("cannot be read: {why}"))
}

fn keys(
    raw: &RawConfig,
    name: &'static str,
    parse: fn(&str) -> Result<Key256, String>,
) -> Result<Vec<Key256>, Refused> {
    let Some(secret) = raw.secret(name) else { return Ok(Vec::new()) };
    let parse = |text: &str| parse(text.trim()).map_err(|why| Refused::new(name, &why));
    secret.expose().split(',').map(parse).collect()
}

fn address(raw: &RawConfig, name: &'static str, port: u16) -> Result<SocketAddr, Refused> {
    let Some(text) = raw.text(name) else { return Ok(([127, 0, 0, 1], port).into()) };
    let refused = |_| Refused::new(name, "must be an IP address and port, like 127.0.0.1:8082");
    text.parse().map_err(refused)
}

fn time(raw: &RawConfig, name: &'static str, default_secs: u64) -> Result<Duration, Refused> {
    let Some(text) = raw.text(name) else { return Ok(Duration::from_secs(default_secs)) };
    duration(text).map_err(|why| Refused::new(name, &why))
}

fn number<N: Copy + FromStr + PartialOrd + std::fmt::Display>(
    raw: &RawConfig,
    name: &'static str,
    default: N,
    least: N,
    most: N,
) -> Result<N, Refused> {
    let Some(text) = raw.text(name) else { return Ok(default) };
    match text.parse::<N>() {
        Ok(number) if !text.starts_with('+') && number >= least && number <= most => Ok(number),
        _ => Err(Refused::new(name, &format!("must be a number from {least} to {most}"))),
    }
}

fn either(raw: &RawConfig, names: [&'static str; 2]) -> Result<Option<String>, Refused> {
    match names.map(|name| raw.text(name)) {
        [Some(_), Some(_)] => Err(Refused::both(names[0], names[1])),
        [one, other] => Ok(one.or(other).map(str::to_owned)),
    }
}

fn required<'r>(raw: &'r RawConfig, name: &'static str) -> Result<&'r str, Refused> {
    raw.text(name).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Refused {
    Refused::new(name, "is required with AUTH0_DOMAIN or OIDC_ISSUER")
}
