//! The command line, and the settings it amounts to.

use std::{net::SocketAddr, time::Duration};

use clap::Parser;
use serde_json::{Map, Value};

use crate::{
    client::{BadClient, Client},
    config::Config,
    issuer::{BadIssuer, Issuer},
    keys::Algorithm,
    scope::ScopeSet,
    user::User,
};

/// Claims that `--claim` may not set: the provider answers for them.
const RESERVED: [&str; 8] = ["iss", "sub", "aud", "azp", "iat", "exp", "jti", "scope"];

/// FOR DEVELOPMENT ONLY: an OpenID Connect provider that behaves like Auth0 and lets anyone log
/// in as anyone.
///
/// Everything is kept in memory and gone when it stops, signing keys included. Beside the
/// standard endpoints there are knobs under /dev/: POST /dev/token (any token one likes),
/// POST /dev/rotate (new signing keys), POST /dev/fault (misbehave), GET /dev/stats (count
/// requests).
#[derive(Debug, Parser)]
#[command(version, after_help = "RUST_LOG sets what is logged (default: info).")]
pub(crate) struct Args {
    /// Address to listen on; port 0 takes any free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:9000")]
    pub(crate) listen: SocketAddr,

    /// Listen on an address that other machines reach, though anyone can then be anyone
    #[arg(long)]
    pub(crate) allow_non_loopback: bool,

    /// Issuer, and the start of every address handed out [default: http://<listen>/]
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,

    /// Register a client, or replace the one of this id; repeatable. Members: client_id,
    /// client_secret (absent: public), redirect_uris (default ["loopback"]), algorithm.
    /// Registered from the start: demo-client (public), mcp-auth (secret dev-secret)
    #[arg(long = "client", value_name = "JSON", value_parser = parse_client)]
    clients: Vec<Client>,

    /// An audience or resource that may be asked for; repeatable [default: any]
    #[arg(long = "audience", value_name = "AUDIENCE")]
    audiences: Vec<String>,

    /// The audience of a request that names none
    #[arg(long, value_name = "AUDIENCE")]
    default_audience: Option<String>,

    /// Grant, beside openid, profile, email and offline_access, these scopes only
    /// [default: whatever is asked]
    #[arg(long, value_name = "SCOPES", value_parser = ScopeSet::parse)]
    grant_scopes: Option<ScopeSet>,

    /// What tokens are signed with, but for clients that say otherwise
    #[arg(long, value_enum, default_value = "RS256")]
    algorithm: Algorithm,

    /// How long access and ID tokens are good
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = seconds())]
    access_token_lifetime: u32,

    /// How long a login can be refreshed
    #[arg(long, value_name = "SECONDS", default_value_t = 30 * 24 * 3600, value_parser = seconds())]
    refresh_token_lifetime: u32,

    /// Leave e-mail and names out of access tokens, as a bare Auth0 tenant does
    #[arg(long)]
    no_user_claims: bool,

    /// Add a claim to every access token; repeatable. VALUE is JSON, or else a string
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = parse_claim)]
    claims: Vec<(String, Value)>,

    /// Offer this user on the login page; repeatable. Any other name can be typed there
    #[arg(
        long = "user",
        value_name = "NAME",
        value_parser = User::named,
        default_values = ["alice@example.com", "bob@example.com", "carol@example.com"]
    )]
    users: Vec<User>,
}

/// Why the settings are refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadArgs {
    #[error("--issuer")]
    Issuer(#[from] BadIssuer),
    #[error("--issuer is needed, since {0} is no address that a client can call")]
    NoIssuer(SocketAddr),
    #[error("--default-audience: {0} is none of the --audience values")]
    DefaultAudience(String),
}

impl Args {
    /// The settings, once `bound` is known: the default issuer names the real port.
    ///
    /// # Errors
    /// Where values that are fine alone do not fit together.
    pub(crate) fn into_config(self, bound: SocketAddr) -> Result<Config, BadArgs> {
        let issuer = match &self.issuer {
            Some(issuer) => Issuer::parse(issuer)?,
            None if bound.ip().is_unspecified() => return Err(BadArgs::NoIssuer(bound)),
            None => Issuer::at(bound)?,
        };
        let audiences = (!self.audiences.is_empty()).then_some(self.audiences);
        if let (Some(served), Some(default)) = (&audiences, &self.default_audience)
            && !served.contains(default)
        {
            return Err(BadArgs::DefaultAudience(default.clone()));
        }
        Ok(Config {
            issuer,
            clients: with_preconfigured(self.clients),
            audiences,
            default_audience: self.default_audience,
            grant_scopes: self.grant_scopes,
            algorithm: self.algorithm,
            access_token_lifetime: Duration::from_secs(self.access_token_lifetime.into()),
            refresh_token_lifetime: Duration::from_secs(self.refresh_token_lifetime.into()),
            user_claims: !self.no_user_claims,
            extra_claims: self.claims.into_iter().collect::<Map<_, _>>(),
            users: self.users,
        })
    }
}

/// The last word on an id wins.
fn with_preconfigured(given: Vec<Client>) -> Vec<Client> {
    let mut clients = vec![Client::demo(), Client::mcp_auth()];
    for client in given {
        clients.retain(|c| c.id != client.id);
        clients.push(client);
    }
    clients
}

fn parse_client(json: &str) -> Result<Client, BadClient> {
    Client::from_json(json)
}

fn parse_claim(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    if name.is_empty() || RESERVED.contains(&name) {
        return Err(format!("{name:?} cannot be set"));
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((name.to_owned(), value))
}

fn seconds() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn config(args: &[&str]) -> Result<Config, String> {
        config_at("127.0.0.1:4711", args)
    }

    fn config_at(bound: &str, args: &[&str]) -> Result<Config, String> {
        let args =
            Args::try_parse_from(["dev-idp"].iter().chain(args)).map_err(|e| e.to_string())?;
        args.into_config(bound.parse().unwrap()).map_err(|e| e.to_string())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_default_issuer_names_the_bound_port() {
        let config = config(&[]).unwrap();
        assert_eq!(config.issuer.as_str(), "http://127.0.0.1:4711/");
        assert_eq!(config.users.len(), 3);
        let ids: Vec<_> = config.clients.iter().map(|c| c.id.as_str()).collect();
        assert_eq!(ids, ["demo-client", "mcp-auth"]);
    }

    #[test]
    fn an_address_that_cannot_be_called_needs_an_issuer() {
        assert!(config_at("0.0.0.0:9000", &[]).unwrap_err().contains("--issuer"));
        let config = config_at("0.0.0.0:9000", &["--issuer", "http://dev-idp:9000/"]).unwrap();
        assert_eq!(config.issuer.as_str(), "http://dev-idp:9000/");
    }

    #[test]
    fn a_client_of_a_known_id_replaces_it() {
        let json = r#"{"client_id":"mcp-auth","client_secret":"other","algorithm":"ES256"}"#;
        let config = config(&["--client", json]).unwrap();
        assert_eq!(config.clients.len(), 2);
        let client = config.client("mcp-auth").unwrap();
        assert!(client.secret.as_ref().unwrap().matches("other"));
        assert_eq!(config.algorithm_for(&client.id), Algorithm::Es256);
    }

    #[test]
    fn wrong_values_are_refused_with_their_flag() {
        for (args, flag) in [
            (&["--issuer", "http://a/b"][..], "--issuer"),
            (&["--audience", "a", "--default-audience", "b"], "--default-audience"),
            (&["--client", "{}"], "--client"),
            (&["--claim", "sub=x"], "--claim"),
            (&["--claim", "x"], "--claim"),
            (&["--user", " "], "--user"),
            (&["--grant-scopes", "\""], "--grant-scopes"),
            (&["--access-token-lifetime", "0"], "--access-token-lifetime"),
            (&["--algorithm", "HS256"], "--algorithm"),
        ] {
            let error = config(args).unwrap_err();
            assert!(error.contains(flag), "{error}");
        }
    }

    #[test]
    fn claims_are_json_or_text() {
        let config =
            config(&["--claim", "https://x/roles=[\"a\"]", "--claim", "org=acme"]).unwrap();
        assert_eq!(config.extra_claims["https://x/roles"], serde_json::json!(["a"]));
        assert_eq!(config.extra_claims["org"], "acme");
    }
}
