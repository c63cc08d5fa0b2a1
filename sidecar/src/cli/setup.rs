//! The arguments of `mcp-auth setup`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Prepares the identity provider, and writes the configuration for it.
#[derive(Args, Debug)]
pub struct SetupArgs {
    /// Which provider.
    #[command(subcommand)]
    pub command: SetupCommand,
}

/// Which provider is set up.
#[derive(Subcommand, Debug)]
pub enum SetupCommand {
    /// Create or update what mcp-auth needs in an Auth0 tenant; safe to repeat
    #[command(after_help = AUTH0_HELP, after_long_help = AUTH0_HELP)]
    Auth0(Box<SetupAuth0Args>),
    /// Check an OpenID provider by its discovery document, and write the configuration for it
    #[command(after_help = OIDC_HELP, after_long_help = OIDC_HELP)]
    Oidc(Box<SetupOidcArgs>),
}

const OIDC_HELP: &str = "\
Secrets, by the environment alone; each may be NAME_FILE=/path instead:
  OIDC_CLIENT_SECRET
          The secret of the upstream OAuth client. Required with --output-file or --show-secrets
  MCP_AUTH_TOKEN
          The token of the internal API; becomes part of --filter-file

Exit codes: 0 the provider can be used, 1 it cannot, 2 wrong usage.";

const AUTH0_HELP: &str = "\
Who calls the Management API, by the environment alone; secrets may be NAME_FILE=/path instead:
  AUTH0_MGMT_TOKEN
          A management token, or
  AUTH0_MGMT_CLIENT_ID, AUTH0_MGMT_CLIENT_SECRET
          a machine-to-machine application to which the Auth0 Management API is granted
Its scopes: read, create and update of resource_servers, clients and client_grants; read and
update of connections and tenant_settings; read:client_keys for --output.
MCP_AUTH_TOKEN, if given, becomes part of --filter-file.

Exit codes: 0 all is as it should be (or would be, with --dry-run), 1 not possible, 2 wrong usage.";

/// `mcp-auth setup auth0`.
#[derive(Args, Debug)]
pub struct SetupAuth0Args {
    /// The tenant, without https://
    #[arg(long, env = "AUTH0_DOMAIN", value_name = "HOST")]
    pub auth0_domain: Option<String>,
    /// The tenant's own address, where AUTH0_DOMAIN is a custom domain, which has no Management
    /// API [default: https://AUTH0_DOMAIN]
    #[arg(long, env = "AUTH0_MGMT_URL", value_name = "URL")]
    pub mgmt_url: Option<String>,
    /// Identifier of the API, and audience of its tokens [default: the first of MCP_RESOURCES]
    #[arg(long, env = "AUTH0_AUDIENCE", value_name = "AUDIENCE")]
    pub audience: Option<String>,
    /// The application, if there is one already [default: the one with the name --name]
    #[arg(long, env = "AUTH0_CLIENT_ID", value_name = "ID")]
    pub client_id: Option<String>,
    /// Name by which the application is found, or made [default: mcp-auth and the host of
    /// MCP_AUTH_URL]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Connections that users may come from, comma-separated; those already enabled stay
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub connections: Vec<String>,
    /// How long Auth0's own access tokens live
    #[arg(long, value_name = "DURATION", default_value = "2h")]
    pub token_lifetime: String,
    /// Leave the settings of the whole tenant as they are
    #[arg(long)]
    pub keep_tenant: bool,
    /// Print what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// What is protected.
    #[command(flatten)]
    pub deployment: DeploymentArgs,
    /// Where the configuration goes.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `mcp-auth setup oidc`.
#[derive(Args, Debug)]
pub struct SetupOidcArgs {
    /// The OpenID provider, byte for byte as in its tokens
    #[arg(long, env = "OIDC_ISSUER", value_name = "URL")]
    pub oidc_issuer: Option<String>,
    /// The client that mcp-auth is there; it is registered at the provider by hand
    #[arg(long, env = "OIDC_CLIENT_ID", value_name = "ID")]
    pub client_id: Option<String>,
    /// The audience asked of the provider, where it understands such a parameter
    #[arg(long, env = "OIDC_AUDIENCE", value_name = "AUDIENCE")]
    pub audience: Option<String>,
    /// Scopes asked of the provider [default: openid profile email offline_access, without those
    /// that it does not support]
    #[arg(long, env = "OIDC_SCOPES", value_name = "SCOPES")]
    pub scopes: Option<String>,
    /// Print what was found as JSON
    #[arg(long)]
    pub json: bool,
    /// What is protected.
    #[command(flatten)]
    pub deployment: DeploymentArgs,
    /// Where the configuration goes.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What `mcp-auth` is going to run as; the same variables as those of `serve`.
#[derive(Args, Debug)]
pub struct DeploymentArgs {
    /// Public base URL, and issuer of the MCP tokens
    #[arg(long, env = "MCP_AUTH_URL", value_name = "URL")]
    pub mcp_auth_url: Option<String>,
    /// Resources that tokens may be asked for, comma-separated
    #[arg(long, env = "MCP_RESOURCES", value_name = "URLS")]
    pub mcp_resources: Option<String>,
    /// Scopes that MCP clients may ask for, comma-separated [default: mcp:read,mcp:write]
    #[arg(long, env = "MCP_SCOPES", value_name = "SCOPES")]
    pub mcp_scopes: Option<String>,
    /// Lifetime of access tokens, at most 1h [default: 15m]
    #[arg(long, env = "MCP_ACCESS_TOKEN_TTL", value_name = "DURATION")]
    pub mcp_access_token_ttl: Option<String>,
    /// Lifetime of refresh tokens; slides with each use [default: 30d]
    #[arg(long, env = "MCP_REFRESH_TOKEN_TTL", value_name = "DURATION")]
    pub mcp_refresh_token_ttl: Option<String>,
    /// The absolute end of a login [default: 90d]
    #[arg(long, env = "MCP_LOGIN_TTL", value_name = "DURATION")]
    pub mcp_login_ttl: Option<String>,
    /// Hosts besides loopback for which http: URLs are accepted, comma-separated
    #[arg(long, env = "MCP_AUTH_INSECURE_HTTP_HOSTS", value_name = "HOSTS")]
    pub mcp_auth_insecure_http_hosts: Option<String>,
    /// Let the filter accept the provider's own access tokens too, beside those of mcp-auth
    #[arg(long)]
    pub accept_provider_tokens: bool,
}

/// Where the configuration goes.
#[derive(Args, Debug)]
pub struct OutputArgs {
    /// Write what the sidecar needs, in this form
    #[arg(long, value_name = "FORM")]
    pub output: Option<OutputForm>,
    /// Write it, secrets and all, to this file, which only you may read (mode 0600)
    #[arg(long, value_name = "PATH", requires = "output")]
    pub output_file: Option<PathBuf>,
    /// Print secrets too; refused if standard output is a terminal
    #[arg(long, requires = "output", conflicts_with = "output_file")]
    pub show_secrets: bool,
    /// Write the filter's configuration to this file (JSON, which is YAML too)
    #[arg(long, value_name = "PATH")]
    pub filter_file: Option<PathBuf>,
    /// Replace files that say something else
    #[arg(long)]
    pub force: bool,
}

/// In which form the configuration is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputForm {
    /// NAME=value, a line each, for `docker compose` and shells
    Env,
    /// A Kubernetes Secret and ConfigMaps
    K8s,
    /// JSON
    Json,
}
