//! The arguments of `mcp-auth config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::SERVE_HELP;
use crate::config::raw::Flags;

/// What can be done with the configuration.
#[derive(Subcommand, Debug)]
pub enum ConfigCommand {
    /// Say what `serve` would do, or check a filter configuration, without doing anything
    #[command(after_help = SERVE_HELP, after_long_help = SERVE_HELP)]
    Check(Box<CheckArgs>),
    /// Print the JSON Schema of the filter configuration, for editors
    Schema,
}

/// What to check.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Check the filter configuration in this file instead and print it with its defaults, as YAML.
    /// JSON or YAML: by itself, in an Envoy bootstrap, an Istio WasmPlugin or an
    /// EnvoyExtensionPolicy; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub filter: Option<PathBuf>,
    /// What `serve` takes.
    #[command(flatten)]
    pub flags: Flags,
}
