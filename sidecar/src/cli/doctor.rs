//! The arguments of `mcp-auth doctor`.

use std::path::PathBuf;

use clap::Args;

/// Looks at everything that authentication depends on, from here.
#[derive(Args, Debug)]
#[command(after_help = HELP, after_long_help = HELP)]
pub struct DoctorArgs {
    /// The Auth0 tenant, without https://
    #[arg(long, env = "AUTH0_DOMAIN", value_name = "HOST")]
    pub auth0_domain: Option<String>,
    /// The OpenID provider, instead of AUTH0_DOMAIN
    #[arg(long, env = "OIDC_ISSUER", value_name = "URL")]
    pub oidc_issuer: Option<String>,
    /// Audience of the provider's own tokens
    #[arg(long, env = "AUTH0_AUDIENCE", value_name = "AUDIENCE")]
    pub auth0_audience: Option<String>,
    /// The same, with another name
    #[arg(long, env = "OIDC_AUDIENCE", value_name = "AUDIENCE")]
    pub oidc_audience: Option<String>,
    /// Public base URL of mcp-auth
    #[arg(long, env = "MCP_AUTH_URL", value_name = "URL")]
    pub mcp_auth_url: Option<String>,
    /// Resource identifiers, comma-separated
    #[arg(long, env = "MCP_RESOURCES", value_name = "URLS")]
    pub mcp_resources: Option<String>,
    /// Hosts besides loopback for which http: URLs are accepted, comma-separated
    #[arg(long, env = "MCP_AUTH_INSECURE_HTTP_HOSTS", value_name = "HOSTS")]
    pub mcp_auth_insecure_http_hosts: Option<String>,
    /// Where mcp-auth's internal API is
    #[arg(long, env = "MCP_AUTH_INTERNAL_URL", value_name = "URL")]
    pub internal_url: Option<String>,
    /// The CAs that vouch for Redis, in PEM
    #[arg(long, env = "REDIS_CA_FILE", value_name = "PATH")]
    pub redis_ca_file: Option<PathBuf>,
    /// Where Envoy's admin interface is
    #[arg(long, env = "MCP_AUTH_ENVOY_ADMIN", value_name = "URL")]
    pub envoy_admin: Option<String>,
    /// File with an access token to look at; - reads standard input. It is not shown
    #[arg(long, value_name = "PATH")]
    pub token_file: Option<PathBuf>,
    /// How long one call may take
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    pub timeout: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

const HELP: &str = "\
Checks what it is given and says what it was not given. Secrets, by the environment alone; each may
be NAME_FILE=/path instead:
  REDIS_URL
          As serve takes it
  MCP_AUTH_TOKEN
          The token of the internal API

Exit codes: 0 nothing failed, 1 something did, 2 wrong usage.";
