//! The arguments of `mcp-auth sessions`.

use clap::{Args, Subcommand};

/// Operators' commands, against the internal API of a running service.
#[derive(Args, Debug)]
#[command(
    after_help = "MCP_AUTH_TOKEN or MCP_AUTH_TOKEN_FILE: the token, if the service asks for \
                        one.\nExit codes: 0 done, 1 not found or not possible, 2 wrong usage."
)]
pub struct SessionsArgs {
    /// Where the internal API is
    #[arg(
        long,
        env = "MCP_AUTH_INTERNAL_URL",
        default_value = "http://127.0.0.1:8082",
        global = true,
        value_name = "URL"
    )]
    pub internal_url: String,
    /// What to do with sessions.
    #[command(subcommand)]
    pub command: SessionsCommand,
}

/// What can be done with sessions.
#[derive(Subcommand, Debug)]
pub enum SessionsCommand {
    /// List sessions, newest first
    List {
        /// Only those of this user or client
        #[command(flatten)]
        holder: HolderArgs,
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Show one session
    Show {
        /// Its id
        session: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke one session, or all of a user or client
    Revoke(RevokeArgs),
}

/// Whose sessions.
#[derive(Args, Debug)]
#[group(multiple = false)]
pub struct HolderArgs {
    /// Those of this user
    #[arg(long, value_name = "ID")]
    pub user: Option<String>,
    /// Those of this client
    #[arg(long, value_name = "ID")]
    pub client: Option<String>,
}

/// What to revoke: exactly one of them.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct RevokeArgs {
    /// This session
    pub session: Option<String>,
    /// All sessions and tokens of this user
    #[arg(long, value_name = "ID")]
    pub user: Option<String>,
    /// All sessions and tokens of this client
    #[arg(long, value_name = "ID")]
    pub client: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::Cli;

    #[test]
    fn revoking_needs_exactly_one_target() {
        let parse = |args: &[&str]| {
            Cli::try_parse_from([&["mcp-auth", "sessions", "revoke"], args].concat()).is_ok()
        };
        assert!(
            parse(&["0123456789abcdef"]) && parse(&["--user", "a"]) && parse(&["--client", "a"])
        );
        assert!(!parse(&[]) && !parse(&["x", "--user", "a"]));
        assert!(!parse(&["--user", "a", "--client", "b"]));
    }
}
