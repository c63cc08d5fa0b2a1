//! The arguments of `mcp-auth secrets`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// What can be done with secrets.
#[derive(Subcommand, Debug)]
pub enum SecretsCommand {
    /// Make a signing key, a storage key and a token, as files or for Kubernetes
    #[command(after_help = HELP, after_long_help = HELP)]
    Generate(GenerateArgs),
}

const HELP: &str = "\
What is there already is kept, and only what is missing is added; --force makes everything
anew, which ends every login (`mcp-auth keys rotate` replaces keys without that). Secrets are
never written to a terminal unless --show asks for it.

Files and keys: jwt-signing-key, storage-encryption-key, mcp-auth-token, and where given
server-client-id, server-client-secret, auth0-domain. For Kubernetes they lie in the Secrets
mcp-jwt-signing-key, mcp-auth-token and mcp-auth0-credentials.

Exit codes: 0 done, 1 not possible, 2 wrong usage.";

/// How to make them, and where to put them.
#[derive(Args, Debug)]
pub struct GenerateArgs {
    /// Files of a folder, lines for a .env file, manifests for Kubernetes, or JSON [default: files;
    /// k8s with --apply]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// The folder for --format files; else the file to write instead of standard output
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// Put the Secrets into the cluster with kubectl, which reads them from a pipe
    #[arg(long, conflicts_with_all = ["out", "show"])]
    pub apply: bool,
    /// The namespace of the Secrets
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// The context of kubectl, for --apply
    #[arg(long, value_name = "NAME", requires = "apply")]
    pub context: Option<String>,
    /// Replace what is there: every login ends
    #[arg(long)]
    pub force: bool,
    /// Write to standard output although it is a terminal
    #[arg(long)]
    pub show: bool,
    /// A file with the client id at Auth0; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub client_id_file: Option<PathBuf>,
    /// A file with the client secret at Auth0; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub client_secret_file: Option<PathBuf>,
    /// The Auth0 tenant, without https://
    #[arg(long, value_name = "HOST")]
    pub auth0_domain: Option<String>,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One file for each, mode 0600
    Files,
    /// Lines like NAME=value, for a .env file
    Env,
    /// Secrets of Kubernetes
    K8s,
    /// One object, by the names of the variables
    Json,
}
