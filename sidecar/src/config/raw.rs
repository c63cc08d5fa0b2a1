//! Texts as they come: from flags, else from the environment, and secrets from files as well.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use clap::Args;

use super::{Refused, build};
use crate::{secret::Secret, tokens::Tokens};

/// Secrets are never longer; whatever the file is, no more of it is read.
const SECRET_LIMIT: u64 = 64 * 1024;

/// The variables that are secrets: no flag, but `NAME_FILE` besides the variable itself.
pub const SECRETS: [&str; 6] = [
    "AUTH0_CLIENT_SECRET",
    "OIDC_CLIENT_SECRET",
    "REDIS_URL",
    "JWT_SIGNING_KEY",
    "STORAGE_ENCRYPTION_KEY",
    "MCP_AUTH_TOKEN",
];

/// Those that may be replaced in their files while the service runs. Another Redis is another store,
/// with nothing in it that is known here.
const REPLACEABLE: [&str; 5] = [
    "AUTH0_CLIENT_SECRET",
    "OIDC_CLIENT_SECRET",
    "JWT_SIGNING_KEY",
    "STORAGE_ENCRYPTION_KEY",
    "MCP_AUTH_TOKEN",
];

/// What of them `--help` says.
pub const SECRETS_HELP: &str = "\
Secrets, by the environment alone; each may be NAME_FILE=/path instead. A file whose text changes is
read again within seconds, without a restart, but for REDIS_URL:
  AUTH0_CLIENT_SECRET, OIDC_CLIENT_SECRET
          The secret of the upstream OAuth client. Required with the OAuth part
  REDIS_URL
          redis://, redis+sentinel://host:port,…/service/db or redis+cluster://host:port,…;
          with rediss instead of redis by TLS  [default: the embedded store in MCP_AUTH_DATA]
  JWT_SIGNING_KEY
          64 hex digits; comma-separated: the first signs, all verify.
          Required with the OAuth part
  STORAGE_ENCRYPTION_KEY
          A Fernet key; comma-separated: the first encrypts, all decrypt.
          Required with Redis and the OAuth part
  MCP_AUTH_TOKEN
          The bearer token that the internal API and /introspect ask for; comma-separated: each
          is taken, commands send the first.
          Required unless the internal listener is on loopback";

macro_rules! flags {
    ($($(#[$doc:meta])* $field:ident = $name:literal, $flag:literal;)*) => {
        /// One flag for each variable that is no secret.
        #[derive(Args, Clone, Debug, Default)]
        pub struct Flags {
            $($(#[$doc])* #[arg(long = $flag, env = $name, value_name = "VALUE")] $field: Option<String>,)*
        }

        impl Flags {
            /// The texts by the names of their variables; an empty one is none.
            fn texts(self) -> BTreeMap<&'static str, String> {
                let texts = [$(($name, self.$field)),*];
                texts
                    .into_iter()
                    .filter_map(|(name, text)| Some((name, text?)))
                    .filter(|(_, text)| !text.is_empty())
                    .collect()
            }
        }
    };
}

flags! {
    /// The Auth0 tenant that users log in at, without https://. Unset: sessions only
    auth0_domain = "AUTH0_DOMAIN", "auth0-domain";
    /// The OpenID provider that users log in at, instead of AUTH0_DOMAIN
    oidc_issuer = "OIDC_ISSUER", "oidc-issuer";
    /// The upstream OAuth client. Required with the OAuth part
    auth0_client_id = "AUTH0_CLIENT_ID", "auth0-client-id";
    /// The same, with another name
    oidc_client_id = "OIDC_CLIENT_ID", "oidc-client-id";
    /// The audience asked of the provider. Required with AUTH0_DOMAIN
    auth0_audience = "AUTH0_AUDIENCE", "auth0-audience";
    /// The same, with another name
    oidc_audience = "OIDC_AUDIENCE", "oidc-audience";
    /// Scopes asked of the provider [default: openid profile email offline_access]
    oidc_scopes = "OIDC_SCOPES", "oidc-scopes";
    /// What the provider asks of users at every login: login, consent or select_account, or
    /// several separated by spaces [default: what it finds necessary]
    oidc_prompt = "OIDC_PROMPT", "oidc-prompt";
    /// Public base URL, and issuer of the MCP tokens byte for byte. Required with the OAuth part
    mcp_auth_url = "MCP_AUTH_URL", "mcp-auth-url";
    /// Resources that tokens may be asked for, comma-separated. Required with the OAuth part
    mcp_resources = "MCP_RESOURCES", "mcp-resources";
    /// Scopes that MCP clients may ask for, comma-separated [default: mcp:read,mcp:write]
    mcp_scopes = "MCP_SCOPES", "mcp-scopes";
    /// Lifetime of access tokens, at most 1h [default: 15m]
    mcp_access_token_ttl = "MCP_ACCESS_TOKEN_TTL", "mcp-access-token-ttl";
    /// Lifetime of refresh tokens; slides with each use [default: 30d]
    mcp_refresh_token_ttl = "MCP_REFRESH_TOKEN_TTL", "mcp-refresh-token-ttl";
    /// The absolute end of a login [default: 90d]
    mcp_login_ttl = "MCP_LOGIN_TTL", "mcp-login-ttl";
    /// Who runs this, for the pages that users see
    mcp_auth_brand_name = "MCP_AUTH_BRAND_NAME", "mcp-auth-brand-name";
    /// The https: address of a logo, for the same pages
    mcp_auth_brand_logo = "MCP_AUTH_BRAND_LOGO", "mcp-auth-brand-logo";
    /// How long revocations of users and clients are kept; at least the longest token lifetime
    /// of any issuer [default: 24h]
    mcp_auth_revocation_ttl = "MCP_AUTH_REVOCATION_TTL", "mcp-auth-revocation-ttl";
    /// Hex digits of the hash in a user id, 8 to 40; equal to the filter's [default: 8]
    mcp_user_id_hash_digits = "MCP_USER_ID_HASH_DIGITS", "mcp-user-id-hash-digits";
    /// Dynamic registrations per client address; 0: no limit [default: 60]
    mcp_registrations_per_minute = "MCP_REGISTRATIONS_PER_MINUTE", "mcp-registrations-per-minute";
    /// Proxies in front whose X-Forwarded-For is believed [default: 1 behind a loopback or
    /// private address, else 0]
    mcp_auth_trusted_hops = "MCP_AUTH_TRUSTED_HOPS", "mcp-auth-trusted-hops";
    /// The CAs that vouch for Redis, in PEM, instead of the machine's; with rediss only
    redis_ca_file = "REDIS_CA_FILE", "redis-ca-file";
    /// Folder of the embedded store [default: ./mcp-auth-data]
    mcp_auth_data = "MCP_AUTH_DATA", "mcp-auth-data";
    /// Address of the public listener [default: 127.0.0.1:8081]
    mcp_auth_listen = "MCP_AUTH_LISTEN", "mcp-auth-listen";
    /// Address of the internal listener [default: 127.0.0.1:8082]
    mcp_auth_internal_listen = "MCP_AUTH_INTERNAL_LISTEN", "mcp-auth-internal-listen";
    /// Hosts besides loopback for which http: URLs are accepted, comma-separated
    mcp_auth_insecure_http_hosts = "MCP_AUTH_INSECURE_HTTP_HOSTS", "mcp-auth-insecure-http-hosts";
    /// For tests only: a further CA for client id metadata documents
    mcp_auth_cimd_ca_file = "MCP_AUTH_CIMD_CA_FILE", "mcp-auth-cimd-ca-file";
    /// For tests only: 1 lets client id metadata documents be fetched from loopback
    mcp_auth_cimd_allow_loopback = "MCP_AUTH_CIMD_ALLOW_LOOPBACK", "mcp-auth-cimd-allow-loopback";
}

/// All that was given, by the names of the variables.
#[derive(Clone, Debug, Default)]
pub struct RawConfig {
    texts: BTreeMap<&'static str, String>,
    secrets: BTreeMap<&'static str, Secret>,
    /// Where the secrets were read that were given as files.
    files: BTreeMap<&'static str, PathBuf>,
    /// What lies beside the file of a client secret, to fall back on.
    fallback: Option<Secret>,
}

impl RawConfig {
    /// Collects flags and secrets; `variable` looks into the environment.
    ///
    /// # Errors
    /// [`Refused`] if a secret is empty, given twice or its file unreadable.
    pub fn collect(
        flags: Flags,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Refused> {
        let (mut secrets, mut files) = (BTreeMap::new(), BTreeMap::new());
        for name in SECRETS {
            let Some((secret, file)) = given(name, &variable)? else { continue };
            files.extend(file.map(|file| (name, file)));
            secrets.insert(name, secret);
        }
        let fallback = fallback(&files)?;
        Ok(Self { texts: flags.texts(), secrets, files, fallback })
    }

    /// Some texts by the names of their variables, empty ones left out, and some secrets, for
    /// commands that need no more.
    ///
    /// # Errors
    /// [`Refused`] if a secret is empty, given twice or its file unreadable.
    pub(crate) fn partial(
        texts: impl IntoIterator<Item = (&'static str, Option<String>)>,
        secrets: &[&'static str],
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Refused> {
        let texts = texts.into_iter().filter_map(|(name, text)| Some((name, text?)));
        let mut raw =
            Self { texts: texts.filter(|(_, text)| !text.is_empty()).collect(), ..Self::default() };
        for name in secrets {
            raw.secrets.extend(secret(name, &variable)?.map(|secret| (*name, secret)));
        }
        Ok(raw)
    }

    /// The same with the secrets that their files hold now, but for `REDIS_URL`.
    ///
    /// # Errors
    /// [`Refused`] if a file is unreadable or empty.
    pub fn read_again(&self) -> Result<Self, Refused> {
        let mut again = self.clone();
        for (name, path) in self.files.iter().filter(|(name, _)| REPLACEABLE.contains(name)) {
            let text = read_secret(name, path)?;
            if text.is_empty() {
                return Err(Refused::new(name, "is empty"));
            }
            again.secrets.insert(name, Secret::new(text));
        }
        again.fallback = fallback(&self.files)?;
        Ok(again)
    }

    /// The variables whose secrets are others in `newer`.
    pub fn changes(&self, newer: &Self) -> Vec<&'static str> {
        let same = |old: Option<&Secret>, new: Option<&Secret>| match (old, new) {
            (Some(old), Some(new)) => old.matches(new.expose().as_bytes()),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let is_same = |name: &&'static str| same(self.secret(name), newer.secret(name));
        let mut changes: Vec<_> = REPLACEABLE.into_iter().filter(|it| !is_same(it)).collect();
        if !same(self.fallback(), newer.fallback()) {
            changes.push("the client secret to fall back on");
        }
        changes
    }

    /// Whether a secret may change while the service runs.
    pub fn watches(&self) -> bool {
        REPLACEABLE.iter().any(|name| self.is_in_file(name))
    }

    pub(super) fn is_in_file(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// The tokens of the internal API.
    ///
    /// # Errors
    /// [`Refused`] if no header can carry them.
    pub fn tokens(&self) -> Result<Option<Tokens>, Refused> {
        build::tokens(self)
    }

    pub(crate) fn text(&self, name: &'static str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    pub(crate) fn secret(&self, name: &'static str) -> Option<&Secret> {
        self.secrets.get(name)
    }

    pub(super) fn fallback(&self) -> Option<&Secret> {
        self.fallback.as_ref()
    }

    pub(super) fn has(&self, name: &'static str) -> bool {
        self.texts.contains_key(name) || self.secrets.contains_key(name)
    }
}

/// Where the secret lies that is tried if the provider does not know the one in this file.
pub fn fallback_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-fallback");
    PathBuf::from(name)
}

/// What lies beside the file of a client secret, if something does. An empty file holds none.
fn fallback(files: &BTreeMap<&'static str, PathBuf>) -> Result<Option<Secret>, Refused> {
    for name in ["AUTH0_CLIENT_SECRET", "OIDC_CLIENT_SECRET"] {
        let Some(file) = files.get(name).map(|file| fallback_of(file)) else { continue };
        if file.exists() {
            let text = read_secret(name, &file)?;
            return Ok((!text.is_empty()).then(|| Secret::new(text)));
        }
    }
    Ok(None)
}

/// A secret by the name of its variable, or from the file that `NAME_FILE` names.
///
/// # Errors
/// [`Refused`] if it is empty, given twice or its file unreadable.
pub fn secret(
    name: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Secret>, Refused> {
    Ok(given(name, variable)?.map(|(secret, _)| secret))
}

/// The same, with the file.
fn given(
    name: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<(Secret, Option<PathBuf>)>, Refused> {
    let file = format!("{name}_FILE");
    let (secret, file) = match (variable(name), variable(&file)) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(Refused::both(name, &file)),
        (Some(text), None) => (text, None),
        (None, Some(path)) => (read_secret(name, Path::new(&path))?, Some(PathBuf::from(path))),
    };
    if secret.is_empty() {
        return Err(Refused::new(name, "is empty"));
    }
    Ok(Some((Secret::new(secret), file)))
}

fn read_secret(name: &str, path: &Path) -> Result<String, Refused> {
    read(path).map_err(|why| Refused::new(&format!("{name}_FILE"), &why))
}

/// The file's text without the line end that editors leave.
fn read(path: &Path) -> Result<String, String> {
    let cannot = |why: std::io::Error| format!("cannot be read: {why}");
    // Opening a pipe would wait for whoever writes it.
    if !fs::metadata(path).map_err(cannot)?.is_file() {
        return Err("is not a file".to_owned());
    }
    let mut text = String::new();
    fs::File::open(path)
        .and_then(|file| file.take(SECRET_LIMIT).read_to_string(&mut text))
        .map_err(cannot)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
