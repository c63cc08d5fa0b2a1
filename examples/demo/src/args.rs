//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Runs an identity provider, Envoy with the filter, and an MCP server on this machine.
#[derive(Debug, Parser)]
#[command(name = "mcp-demo", version, about, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Command {
    /// Start everything, walk through what it does, stop everything
    Run,
    /// Start everything, leave it running and say how to use it
    Up,
    /// Stop what `up` left running
    Down,
    /// Own the stack on behalf of `up`
    #[command(hide = true)]
    Hold,
}

/// The same for every command, so that one line of a Makefile serves all.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The Envoy program, 1.35 or later with Wasm
    #[arg(long, global = true, value_name = "PATH", default_value = "envoy")]
    pub(crate) envoy: PathBuf,

    /// Folder with dev-idp and mcp-server
    #[arg(long, global = true, value_name = "DIR", default_value = "dist")]
    pub(crate) dist: PathBuf,

    /// Envoy's bootstrap; paths in it are relative to the current folder
    #[arg(long, global = true, value_name = "FILE", default_value = "envoy/demo.yaml")]
    pub(crate) envoy_config: PathBuf,

    /// Folder for the logs of what is started, and for the notes of what is up
    #[arg(long, global = true, value_name = "DIR", default_value = ".run")]
    pub(crate) state_dir: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::Args;

    #[test]
    fn every_command_takes_the_same_options() {
        Args::command().debug_assert();
        for command in ["run", "up", "down"] {
            let args = Args::parse_from(["mcp-demo", command, "--envoy", "e", "--state-dir", "s"]);
            assert_eq!(args.options.state_dir.to_str(), Some("s"), "{command}");
        }
    }
}
