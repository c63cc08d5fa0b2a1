//! Configurations for tests, made as `serve` makes its own.

use std::collections::BTreeMap;

use clap::{Args, Command, FromArgMatches};

use super::{
    Config, Refused,
    raw::{Flags, RawConfig, SECRETS},
};

pub(crate) const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
pub(crate) const FERNET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(crate) const OAUTH: [(&str, &str); 7] = [
    ("AUTH0_DOMAIN", "tenant.auth0.com"),
    ("AUTH0_CLIENT_ID", "client"),
    ("AUTH0_CLIENT_SECRET", "hunter2"),
    ("AUTH0_AUDIENCE", "https://api.example/"),
    ("MCP_AUTH_URL", "https://auth.example/base"),
    ("MCP_RESOURCES", "https://mcp.example/mcp"),
    ("JWT_SIGNING_KEY", KEY),
];

/// Builds as `serve` does, with variables instead of the process's.
pub(crate) fn build(given: &[(&str, &str)]) -> Result<Config, String> {
    raw(given).and_then(|raw| Config::build(&raw)).map_err(|refused| refused.to_string())
}

/// What `serve` builds from.
pub(crate) fn raw(given: &[(&str, &str)]) -> Result<RawConfig, Refused> {
    let given: BTreeMap<&str, &str> = given.iter().copied().collect();
    let is_secret = |name: &str| {
        SECRETS
            .iter()
            .any(|it| name.strip_prefix(it).is_some_and(|rest| rest.is_empty() || rest == "_FILE"))
    };
    let flags = given.iter().filter(|(name, _)| !is_secret(name)).flat_map(|(name, value)| {
        [format!("--{}", name.to_lowercase().replace('_', "-")), (*value).to_owned()]
    });
    let command = Flags::augment_args(Command::new("test")).no_binary_name(true);
    let matches =
        command.mut_args(|arg| arg.env(None).allow_hyphen_values(true)).get_matches_from(flags);
    let flags = Flags::from_arg_matches(&matches).unwrap();
    RawConfig::collect(flags, |name| given.get(name).map(|value| (*value).to_owned()))
}
