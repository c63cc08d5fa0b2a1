//! The arguments of `mcp-auth sessions`.

use auth_core::session_id::SessionId;
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
        #[arg(allow_hyphen_values = true, value_parser = session_id)]
        session: SessionId,
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
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub client: Option<String>,
}

/// What to revoke: exactly one of them.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct RevokeArgs {
    /// This session
    #[arg(allow_hyphen_values = true, value_parser = session_id)]
    pub session: Option<SessionId>,
    /// All sessions and tokens of this user
    #[arg(long, value_name = "ID")]
    pub user: Option<String>,
    /// All sessions and tokens of this client
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub client: Option<String>,
}

fn session_id(text: &str) -> Result<SessionId, &'static str> {
    SessionId::parse(text).ok_or("a session id has 16 to 64 characters of base64url")
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
        assert!(!parse(&[]) && !parse(&["0123456789abcdef", "--user", "a"]));
        assert!(!parse(&["--user", "a", "--client", "b"]));
    }

    #[test]
    fn ids_may_begin_like_an_option() {
        let parse = |line: &str| {
            let words = ["mcp-auth", "sessions"].into_iter().chain(line.split(' '));
            Cli::try_parse_from(words).is_ok()
        };
        for id in ["-msnt_P6MAzeR75MrOTKhQ", "-hsnt_P6MAzeR75MrOTKhQ", "--nt_P6MAzeR75MrOTKhQ"] {
            assert!(parse(&format!("revoke {id}")) && parse(&format!("revoke --client {id}")));
            assert!(parse(&format!("show {id} --json")) && parse(&format!("show --json {id}")));
            assert!(parse(&format!("list --client {id} --json")));
        }
        assert!(!parse("revoke --usr=a") && !parse("revoke -x") && !parse("show short"));
    }
}
