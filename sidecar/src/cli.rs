//! The command line.

use clap::{Args, Parser, Subcommand};

use crate::config::raw::{Flags, SECRETS_HELP};

/// Sessions, revocations and the OAuth authorization server beside the mcp-auth filter.
#[derive(Parser, Debug)]
#[command(name = "mcp-auth", version, about, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What there is to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the service
    #[command(after_help = SERVE_HELP, after_long_help = SERVE_HELP)]
    Serve(Box<Flags>),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// See who is in, and throw somebody out
    Sessions(SessionsArgs),
}

/// What can be done with the configuration.
#[derive(Subcommand, Debug)]
pub enum ConfigCommand {
    /// Say what `serve` would do, without doing it
    #[command(after_help = SERVE_HELP, after_long_help = SERVE_HELP)]
    Check(Box<Flags>),
}

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

const SERVE_HELP: &str = const_format::concatcp!(
    SECRETS_HELP,
    "\n\nLogging:\n  MCP_AUTH_LOG_FORMAT\n          text or json  [default: text]\n  RUST_LOG\n          \
     What is logged, like info or mcp_auth=debug  [default: info]\n\nExit codes: 1 could not run, \
     2 a variable is missing, bad or contradictory."
);

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

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

    #[test]
    fn help_explains_every_variable() {
        let mut command = Cli::command();
        let serve = command.find_subcommand_mut("serve").unwrap();
        let help = serve.render_long_help().to_string();
        for name in crate::config::raw::SECRETS {
            assert!(help.contains(name), "{name}");
        }
        for argument in serve.get_arguments().filter(|it| it.get_env().is_some()) {
            let name = argument.get_env().unwrap().to_str().unwrap();
            assert!(help.contains(name) && argument.get_help().is_some(), "{name}");
        }
    }
}
