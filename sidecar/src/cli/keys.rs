//! The arguments of `mcp-auth keys`.

use std::time::Duration;

use auth_core::time::parse_duration;
use clap::{Args, Subcommand, ValueEnum};

use super::PlaceArgs;

/// Operators' commands for keys and the secrets that are rotated like them.
#[derive(Args, Debug)]
#[command(after_help = HELP, after_long_help = HELP)]
pub struct KeysArgs {
    /// Where the internal API is, which knows what is encrypted with which storage key
    #[arg(
        long,
        env = "MCP_AUTH_INTERNAL_URL",
        default_value = "http://127.0.0.1:8082",
        global = true,
        value_name = "URL"
    )]
    pub internal_url: String,
    /// What to do with keys.
    #[command(subcommand)]
    pub command: KeysCommand,
}

const HELP: &str = "\
MCP_AUTH_TOKEN or MCP_AUTH_TOKEN_FILE: the token of the internal API, if it asks for one.
AUTH0_MGMT_TOKEN, or AUTH0_MGMT_CLIENT_ID and AUTH0_MGMT_CLIENT_SECRET (or _FILE), for
client-secret: needs read:clients, read:client_keys, update:clients and update:client_keys.
Exit codes: 0 done, 1 not possible, 2 wrong usage.";

/// What can be done with keys.
#[derive(Subcommand, Debug)]
pub enum KeysCommand {
    /// Show which keys there are, how old, which is used, and when others may go
    List {
        /// Where they lie.
        #[command(flatten)]
        place: PlaceArgs,
        /// How long things take.
        #[command(flatten)]
        policy: PolicyArgs,
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Take the next step of a rotation: add a key, use it, drop the old one
    #[command(after_help = ROTATE_HELP, after_long_help = ROTATE_HELP)]
    Rotate(RotateArgs),
    /// Drop retired keys that nothing depends on any more
    Prune(PruneArgs),
    /// Encrypt everything stored with the first storage key now, and wait for it
    Reencrypt,
}

const ROTATE_HELP: &str = "\
A run does what is due, and is safe to repeat, also by several at once:
  1. A new key is added behind the first. Every replica publishes it, verifies or decrypts
     with it.
  2. After --settle, when every replica and filter knows it, it becomes the first: it signs
     or encrypts.
  3. The old key is dropped when nothing made with it counts any more: signing keys after
     --settle and 65 min, storage keys once everything stored is encrypted with the new one,
     tokens by `keys prune`.

A new client secret is made here and given to every replica to fall back on; Auth0 is told of
it after --settle, and the old one is taken away after the same time again. Should Auth0 have
another secret than is stored, that is stored. --at-once has Auth0 make one, which counts
before the replicas have it.

Exit codes: 0 done, or nothing is due, 1 not possible, 2 wrong usage.";

/// What to rotate, and how fast.
#[derive(Args, Debug)]
pub struct RotateArgs {
    /// What to rotate
    #[arg(required = true, value_enum)]
    pub targets: Vec<Target>,
    /// Where they lie.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// How long things take.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Begin only if the key in use is older, like 720h; without it a run begins unless a rotation is
    /// under way
    #[arg(long, value_name = "DURATION", value_parser = parsed)]
    pub every: Option<Duration>,
    /// Use the new key at once, before all replicas and filters know it: for a stolen key
    #[arg(long, conflicts_with = "wait")]
    pub at_once: bool,
    /// Stay until the new key is used
    #[arg(long)]
    pub wait: bool,
    /// The Auth0 tenant, for client-secret [default: auth0-domain where the secrets lie]
    #[arg(long, env = "AUTH0_DOMAIN", value_name = "HOST")]
    pub auth0_domain: Option<String>,
    /// Our client there [default: server-client-id where the secrets lie]
    #[arg(long, env = "AUTH0_CLIENT_ID", value_name = "ID")]
    pub auth0_client_id: Option<String>,
    /// The tenant's own address, where AUTH0_DOMAIN is a custom domain, which has no Management
    /// API [default: https://AUTH0_DOMAIN]
    #[arg(long, env = "AUTH0_MGMT_URL", value_name = "URL")]
    pub mgmt_url: Option<String>,
}

/// What to prune.
#[derive(Args, Debug)]
pub struct PruneArgs {
    /// What to prune
    #[arg(required = true, value_enum)]
    pub targets: Vec<Target>,
    /// Where they lie.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// How long things take.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Drop every key but the first, whatever depends on it: for a stolen key
    #[arg(long)]
    pub force: bool,
}

/// How long things take.
#[derive(Args, Clone, Debug)]
pub struct PolicyArgs {
    /// After how long every replica and every filter has what was written: Kubernetes' delay for
    /// mounted Secrets, and the filters' `jwks.refresh`, with some to spare
    #[arg(long, value_name = "DURATION", default_value = "20m", value_parser = parsed)]
    pub settle: Duration,
}

/// What can be rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// JWT_SIGNING_KEY
    Signing,
    /// STORAGE_ENCRYPTION_KEY
    Storage,
    /// MCP_AUTH_TOKEN: the first is for the filters' `sessions.token`, before older ones are pruned
    Token,
    /// AUTH0_CLIENT_SECRET, through Auth0's Management API
    ClientSecret,
}

fn parsed(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|refused| refused.to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::Cli;

    fn parses(line: &str) -> bool {
        Cli::try_parse_from(line.split(' ')).is_ok()
    }

    #[test]
    fn one_place_is_asked_for() {
        assert!(parses("mcp-auth keys list --dir /secrets"));
        assert!(parses("mcp-auth keys rotate signing storage --kubernetes --namespace n"));
        assert!(!parses("mcp-auth keys list"));
        assert!(!parses("mcp-auth keys list --dir /secrets --kubernetes"));
        assert!(!parses("mcp-auth keys list --dir /secrets --namespace n"));
        assert!(!parses("mcp-auth keys rotate --dir /secrets"));
        assert!(!parses("mcp-auth keys rotate signing --dir /secrets --settle soon"));
    }

    #[test]
    fn secrets_are_files_of_a_folder_or_go_elsewhere() {
        assert!(parses("mcp-auth secrets generate --out secrets"));
        assert!(parses("mcp-auth secrets generate --apply --context c"));
        assert!(!parses("mcp-auth secrets generate --apply --show"));
        assert!(!parses("mcp-auth secrets generate --format k8s --context c"));
    }
}
