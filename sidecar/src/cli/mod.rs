//! The command line: one file for the arguments of each command that has its own.

mod config;
mod doctor;
mod explain;
mod health;
mod keys;
mod place;
mod secrets;
mod sessions;
mod setup;

use clap::{Parser, Subcommand};

pub use self::{
    config::{CheckArgs, ConfigCommand},
    doctor::DoctorArgs,
    explain::ExplainArgs,
    health::HealthArgs,
    keys::{KeysArgs, KeysCommand, PolicyArgs, PruneArgs, RotateArgs, Target},
    place::{ClusterArgs, PlaceArgs},
    secrets::{Format, GenerateArgs, SecretsCommand},
    sessions::{HolderArgs, RevokeArgs, SessionsArgs, SessionsCommand},
    setup::{
        DeploymentArgs, OutputArgs, OutputForm, SetupArgs, SetupAuth0Args, SetupCommand,
        SetupOidcArgs,
    },
};
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
    /// Ask a running service whether it is ready, for the health check of a container
    Health(HealthArgs),
    /// Say why the filter lets a request through or not
    Explain(Box<ExplainArgs>),
    /// See who is in, and throw somebody out
    Sessions(SessionsArgs),
    /// Prepare the identity provider, and write the configuration for it
    Setup(SetupArgs),
    /// Make the secrets that `serve` needs
    #[command(subcommand)]
    Secrets(SecretsCommand),
    /// See, rotate and prune keys
    Keys(KeysArgs),
    /// Look at everything that authentication depends on, and say what to do
    Doctor(Box<DoctorArgs>),
}

const SERVE_HELP: &str = const_format::concatcp!(
    SECRETS_HELP,
    "\n\nLogging:\n  MCP_AUTH_LOG_FORMAT\n          text or json  [default: text]\n  RUST_LOG\n          \
     What is logged, like info or mcp_auth=debug  [default: info]\n\nMemory, for every command:\n  \
     MCP_AUTH_ALLOW_CORE_DUMPS\n          1 lets the kernel write core dumps, which hold secrets, \
     and debuggers attach\n          [default: neither, but for root]\n\nExit codes: 1 could not run, \
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
