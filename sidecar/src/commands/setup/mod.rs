//! `mcp-auth setup`: prepares the identity provider, and writes the configuration for it.
//!
//! `deployment` is what is protected, `filter` the filter's configuration for it, `output` how
//! configuration is written.

mod auth0;
mod deployment;
mod filter;
mod oidc;
mod output;

use crate::{
    auth0::Failure,
    cli::{SetupArgs, SetupCommand},
    config::Refused,
    private_file::NotWritten,
};

/// What there is to print.
#[derive(Debug, Default)]
pub struct Printed {
    /// What was found and done.
    pub report: String,
    /// The configuration, if it was asked for on standard output. The report then goes elsewhere.
    pub configuration: Option<String>,
}

/// Why it is not set up.
#[derive(Debug, thiserror::Error)]
pub enum NotSetUp {
    /// A variable or flag.
    #[error(transparent)]
    Usage(#[from] Refused),
    /// Secrets would be left where anybody scrolls by.
    #[error(
        "standard output is a terminal, which keeps what it shows; use --output-file instead of \
         --show-secrets"
    )]
    Terminal,
    /// Auth0 says no.
    #[error(transparent)]
    Auth0(#[from] Failure),
    /// Something is not as it must be for this.
    #[error("{0}")]
    Impossible(String),
    /// A file.
    #[error(transparent)]
    File(#[from] NotWritten),
}

/// What was done, and why it went no further.
#[derive(Debug)]
pub struct Stopped {
    /// What was done until then.
    pub report: String,
    /// Why not more.
    pub why: NotSetUp,
}

impl NotSetUp {
    /// Whether the command line or the environment has to change.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Usage(_) | Self::Terminal => true,
            Self::Auth0(_) | Self::Impossible(_) | Self::File(_) => false,
        }
    }
}

impl<E: Into<NotSetUp>> From<E> for Stopped {
    fn from(why: E) -> Self {
        Self { report: String::new(), why: why.into() }
    }
}

/// Does what the command line says. `variable` looks into the environment.
///
/// # Errors
/// [`Stopped`]
pub async fn run(
    args: &SetupArgs,
    variable: impl Fn(&str) -> Option<String>,
    is_terminal: bool,
) -> Result<Printed, Stopped> {
    match &args.command {
        SetupCommand::Auth0(args) => auth0::run(args, variable, is_terminal).await,
        SetupCommand::Oidc(args) => oidc::run(args, variable, is_terminal).await,
    }
}
