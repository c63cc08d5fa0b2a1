//! The arguments of `mcp-auth explain`.

use std::path::PathBuf;

use clap::Args;

/// Say why the filter lets a request through or not: every rule that is asked, and what it finds.
#[derive(Args, Debug)]
#[command(after_help = "The token is read from a file or from standard input, never from the \
                        command line, where other users and the shell's history would see it. \
                        Neither it nor its signature is printed; what it says of the user is.\n\n\
                        Exit codes: 0 let through, 3 refused, 1 not to be found out, 2 wrong usage.")]
pub struct ExplainArgs {
    /// The filter's configuration, as `config check --filter` takes it
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// File with the token; `-` is standard input. Without it, a request without a token
    #[arg(long, value_name = "FILE")]
    pub token: Option<PathBuf>,
    /// Path of the request, with its query if it has one
    #[arg(long, value_name = "PATH", default_value = "/mcp")]
    pub path: String,
    /// Host of the request
    #[arg(long, value_name = "HOST", default_value = "localhost")]
    pub host: String,
    /// HTTP method [default: POST with --method, else GET]
    #[arg(long, value_name = "METHOD")]
    pub http_method: Option<String>,
    /// MCP method that the request calls, such as tools/call
    #[arg(long, value_name = "METHOD")]
    pub method: Option<String>,
    /// Tool, prompt or resource URI that it names
    #[arg(long, value_name = "NAME", requires = "method")]
    pub name: Option<String>,
    /// MCP version of the client
    #[arg(long, value_name = "DATE", default_value = "2026-07-28")]
    pub protocol_version: String,
    /// Origin header
    #[arg(long, value_name = "ORIGIN")]
    pub origin: Option<String>,
    /// Further header, `name: value`; repeatable
    #[arg(long = "header", value_name = "HEADER")]
    pub headers: Vec<String>,
    /// File with the key set of the token's issuer, instead of fetching it
    #[arg(long, value_name = "FILE")]
    pub keys: Option<PathBuf>,
    /// Internal API of mcp-auth, to ask it about the session; without it, no session is asked for.
    /// MCP_AUTH_TOKEN or MCP_AUTH_TOKEN_FILE: its token
    #[arg(long, env = "MCP_AUTH_INTERNAL_URL", value_name = "URL")]
    pub internal_url: Option<String>,
    /// The time to decide at, in seconds since 1970, instead of now
    #[arg(long, value_name = "SECONDS")]
    pub at: Option<u64>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
