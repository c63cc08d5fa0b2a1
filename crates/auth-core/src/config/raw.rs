//! The configuration as it is written: names and defaults, nothing checked beyond its types.
//! `Config` is what has been checked.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

/// The whole document.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    #[serde(default)]
    pub(super) issuers: Vec<RawIssuer>,
    #[serde(default)]
    pub(super) resources: Vec<RawResource>,
    #[serde(default)]
    pub(super) public: Vec<String>,
    pub(super) sessions: Option<RawSessions>,
    #[serde(default)]
    #[expect(dead_code, reason = "only tools policies read bodies, and these are refused so far")]
    pub(super) body_access: bool,
    #[serde(default = "body_limit")]
    pub(super) body_limit: String,
    #[serde(default = "identity_headers")]
    pub(super) identity_headers: BTreeMap<String, String>,
    #[serde(default = "user_id_hash_digits")]
    pub(super) user_id_hash_digits: usize,
    #[serde(default)]
    pub(super) forward_token: bool,
    #[serde(default = "token_cache")]
    pub(super) token_cache: usize,
    #[serde(default)]
    pub(super) audit: RawAudit,
}

/// `issuers[]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIssuer {
    pub(super) issuer: String,
    #[serde(default)]
    pub(super) audiences: Vec<String>,
    pub(super) jwks: RawJwks,
    pub(super) algorithms: Option<Vec<String>>,
    #[serde(default = "leeway")]
    pub(super) leeway: String,
    pub(super) max_token_lifetime: Option<String>,
    #[serde(default)]
    pub(super) clients: Vec<String>,
    #[serde(default)]
    pub(super) identity_issuer_claim: String,
    #[serde(default = "scope_claims")]
    pub(super) scope_claims: Vec<String>,
    #[serde(default = "username_claims")]
    pub(super) username_claims: Vec<String>,
    #[serde(default)]
    pub(super) session: RawSessionMode,
}

/// `issuers[].jwks`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawJwks {
    pub(super) uri: Option<String>,
    pub(super) cluster: Option<String>,
    #[serde(default = "jwks_timeout")]
    pub(super) timeout: String,
    #[serde(default = "jwks_refresh")]
    pub(super) refresh: String,
    #[serde(default = "jwks_cooldown")]
    pub(super) cooldown: String,
    pub(super) keys: Option<Vec<Map<String, Value>>>,
}

/// `resources[]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawResource {
    pub(super) path: String,
    #[serde(default)]
    pub(super) hosts: Vec<String>,
    pub(super) resource: String,
    pub(super) name: Option<String>,
    pub(super) issuers: Option<Vec<String>>,
    #[serde(default)]
    pub(super) audiences: Vec<String>,
    #[serde(default)]
    pub(super) scopes: Vec<String>,
    #[serde(default)]
    pub(super) tools: Vec<RawTool>,
    #[serde(default)]
    pub(super) trust_mcp_headers: bool,
    #[serde(default)]
    pub(super) origins: Vec<String>,
}

/// `resources[].tools[]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "tools policies are parsed but refused until they are enforced")]
pub(super) struct RawTool {
    pub(super) name: String,
    pub(super) scopes: Vec<String>,
}

/// `sessions`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSessions {
    pub(super) cluster: String,
    #[serde(default, deserialize_with = "secret")]
    pub(super) token: String,
    #[serde(default = "session_timeout")]
    pub(super) timeout: String,
    #[serde(default = "session_cache")]
    pub(super) cache: String,
    #[serde(default = "session_revocations")]
    pub(super) revocations: String,
    #[serde(default)]
    pub(super) on_feed_loss: RawFeedLoss,
    #[serde(default = "feed_loss_after")]
    pub(super) feed_loss_after: String,
}

/// `sessions.on_feed_loss`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawFeedLoss {
    #[default]
    Allow,
    Deny,
}

/// `issuers[].session`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum RawSessionMode {
    #[default]
    Off,
    Observe,
    Required,
}

impl<'de> Deserialize<'de> for RawSessionMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match word_or_off(deserializer)?.as_str() {
            "off" => Ok(Self::Off),
            "observe" => Ok(Self::Observe),
            "required" => Ok(Self::Required),
            _ => Err(de::Error::custom("expected off, observe or required")),
        }
    }
}

/// `audit`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum RawAudit {
    #[default]
    Authentications,
    EveryRequest,
    Off,
}

impl<'de> Deserialize<'de> for RawAudit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match word_or_off(deserializer)?.as_str() {
            "authentications" => Ok(Self::Authentications),
            "every_request" => Ok(Self::EveryRequest),
            "off" => Ok(Self::Off),
            _ => Err(de::Error::custom("expected authentications, every_request or off")),
        }
    }
}

/// YAML 1.1 readers, those of Envoy and Kubernetes among them, turn a bare `off` into `false`.
fn word_or_off<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(word) => Ok(word),
        Value::Bool(false) => Ok("off".to_owned()),
        _ => Err(de::Error::custom("expected a word")),
    }
}

/// A text whose value no error quotes.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(secret) => Ok(secret),
        _ => Err(de::Error::custom("expected a text")),
    }
}

fn body_limit() -> String {
    "1MiB".to_owned()
}

fn identity_headers() -> BTreeMap<String, String> {
    [
        ("x-user-id", "user_id"),
        ("x-user-name", "username"),
        ("x-user-issuer", "issuer"),
        ("x-user-subject", "subject"),
        ("x-user-email", "claim:email"),
        ("x-user-scopes", "scopes"),
        ("x-client-id", "client_id"),
        ("x-session-id", "session_id"),
    ]
    .map(|(header, source)| (header.to_owned(), source.to_owned()))
    .into()
}

fn user_id_hash_digits() -> usize {
    8
}

fn token_cache() -> usize {
    10_000
}

fn leeway() -> String {
    "60s".to_owned()
}

fn scope_claims() -> Vec<String> {
    ["scope", "scp", "permissions"].map(str::to_owned).into()
}

fn username_claims() -> Vec<String> {
    ["preferred_username", "email", "name", "sub"].map(str::to_owned).into()
}

fn jwks_timeout() -> String {
    "5s".to_owned()
}

fn jwks_refresh() -> String {
    "10m".to_owned()
}

fn jwks_cooldown() -> String {
    "10s".to_owned()
}

fn session_timeout() -> String {
    "250ms".to_owned()
}

fn session_cache() -> String {
    "30s".to_owned()
}

fn session_revocations() -> String {
    "1s".to_owned()
}

fn feed_loss_after() -> String {
    "60s".to_owned()
}
