//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Runs an identity provider, Envoy with the filter, and an MCP server on this machine.
#[derive(Debug, Parser)]
#[command(name = "mcp-demo", version, about, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start everything, walk through what it does, stop everything
    Run(Options),
    /// Start everything, leave it running and say how to use it
    Up(Options),
    /// Stop what `up` left running
    Down(StateDir),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The Envoy program, 1.35 or later with Wasm
    #[arg(long, value_name = "PATH", default_value = "envoy")]
    pub(crate) envoy: PathBuf,

    /// Folder with dev-idp and mcp-server
    #[arg(long, value_name = "DIR", default_value = "dist")]
    pub(crate) dist: PathBuf,

    /// Envoy's bootstrap; paths in it are relative to the current folder
    #[arg(long, value_name = "FILE", default_value = "envoy/demo.yaml")]
    pub(crate) envoy_config: PathBuf,

    #[command(flatten)]
    pub(crate) state: StateDir,
}

#[derive(Debug, clap::Args)]
pub(crate) struct StateDir {
    /// Folder for the logs of what is started, and for the notes of what is up
    #[arg(long, value_name = "DIR", default_value = ".run")]
    pub(crate) state_dir: PathBuf,
}
