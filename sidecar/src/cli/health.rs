//! The arguments of `mcp-auth health`.

use clap::Args;

/// Where to ask.
#[derive(Args, Debug)]
#[command(after_help = "Exit codes: 0 ready, 1 not ready, 2 wrong usage.")]
pub struct HealthArgs {
    /// Where the internal API is
    #[arg(
        long,
        env = "MCP_AUTH_INTERNAL_URL",
        default_value = "http://127.0.0.1:8082",
        value_name = "URL"
    )]
    pub internal_url: String,
}
