//! What is going to be protected, by the variables and rules of `serve`.

use crate::{
    cli::DeploymentArgs,
    config::{
        self, Refused,
        oauth::Lifetimes,
        raw::RawConfig,
        values::{GivenUrl, HttpHosts},
    },
    secret::Secret,
};

/// `mcp-auth` and the resources behind it.
#[derive(Debug)]
pub(super) struct Deployment {
    /// The public base URL.
    pub(super) url: GivenUrl,
    /// The resources; at least one.
    pub(super) resources: Vec<GivenUrl>,
    /// The scopes; at least one.
    pub(super) scopes: Vec<String>,
    /// How long logins live.
    pub(super) lifetimes: Lifetimes,
    /// For which hosts `http:` is accepted.
    pub(super) http_hosts: HttpHosts,
    /// What the filter shows to the internal API, if it is known.
    pub(super) token: Option<Secret>,
    /// The variables as they were given.
    given: Vec<(&'static str, String)>,
}

impl Deployment {
    /// # Errors
    /// [`Refused`] names the variable.
    pub(super) fn read(
        args: &DeploymentArgs,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Refused> {
        let texts = [
            ("MCP_AUTH_URL", &args.mcp_auth_url),
            ("MCP_RESOURCES", &args.mcp_resources),
            ("MCP_SCOPES", &args.mcp_scopes),
            ("MCP_ACCESS_TOKEN_TTL", &args.mcp_access_token_ttl),
            ("MCP_REFRESH_TOKEN_TTL", &args.mcp_refresh_token_ttl),
            ("MCP_LOGIN_TTL", &args.mcp_login_ttl),
            ("MCP_AUTH_INSECURE_HTTP_HOSTS", &args.mcp_auth_insecure_http_hosts),
        ];
        let given = || texts.iter().map(|(name, text)| (*name, (*text).clone()));
        let raw = RawConfig::partial(given(), &["MCP_AUTH_TOKEN"], variable)?;
        let http_hosts = config::http_hosts(&raw)?;
        Ok(Self {
            url: config::public_url(&raw, &http_hosts)?,
            resources: config::resources(&raw, &http_hosts)?,
            scopes: config::scopes(&raw)?,
            lifetimes: config::lifetimes(&raw)?,
            http_hosts,
            token: raw.tokens()?.map(|tokens| tokens.first()),
            given: given()
                .filter_map(|(name, text)| Some((name, text.filter(|text| !text.is_empty())?)))
                .collect(),
        })
    }

    /// The variables of `serve` that it was described by.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.given.iter().map(|(name, text)| (*name, text.as_str()))
    }

    /// An address below the public base URL; `path` begins with a slash.
    pub(super) fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.url.as_str().trim_end_matches('/'))
    }
}
