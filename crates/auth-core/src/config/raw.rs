//! The configuration as it is written: names, types and defaults, nothing checked beyond that.
//! `Config` is what has been checked.
//!
//! A field is a line in its struct and a line in `read`, which says its name, type and default;
//! what `read` does not ask for is refused as unknown.

use serde_json::{Map, Value};

use super::{ConfigRefused, members::Members};

/// The whole document.
pub(super) struct RawConfig {
    pub(super) issuers: Vec<RawIssuer>,
    pub(super) resources: Vec<RawResource>,
    pub(super) public: Vec<String>,
    pub(super) sessions: Option<RawSessions>,
    pub(super) scope_implies: Vec<(String, Vec<String>)>,
    pub(super) body_access: bool,
    pub(super) body_limit: String,
    pub(super) identity_headers: Vec<(String, String)>,
    pub(super) user_id_hash_digits: usize,
    pub(super) forward_token: bool,
    pub(super) token_cache: usize,
    pub(super) audit: RawAudit,
}

impl RawConfig {
    /// # Errors
    /// [`ConfigRefused`] for what is unknown, missing or of the wrong type.
    pub(super) fn parse(document: Value) -> Result<Self, ConfigRefused> {
        Members::document(document, Self::read)
    }

    pub(super) fn read(from: &mut Members) -> Self {
        Self {
            issuers: from.objects("issuers", RawIssuer::read),
            resources: from.objects("resources", RawResource::read),
            public: from.texts_or("public", &[]),
            sessions: from.optional_object("sessions", RawSessions::read),
            scope_implies: from.lists_by_name("scope_implies", Members::as_text),
            body_access: from.flag("body_access"),
            body_limit: from.text_or("body_limit", "1MiB"),
            identity_headers: from.texts_by_name("identity_headers", default_identity_headers),
            user_id_hash_digits: from.number_or("user_id_hash_digits", 8),
            forward_token: from.flag("forward_token"),
            token_cache: from.number_or("token_cache", 10_000),
            audit: from.word(
                "audit",
                &[
                    ("authentications", RawAudit::Authentications),
                    ("every_request", RawAudit::EveryRequest),
                    ("off", RawAudit::Off),
                ],
            ),
        }
    }
}

fn default_identity_headers() -> Vec<(String, String)> {
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

/// `audit`.
#[derive(Clone, Copy)]
pub(super) enum RawAudit {
    Authentications,
    EveryRequest,
    Off,
}

/// `issuers[]`.
pub(super) struct RawIssuer {
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    pub(super) jwks: RawJwks,
    pub(super) algorithms: Option<Vec<String>>,
    pub(super) leeway: String,
    pub(super) max_token_lifetime: Option<String>,
    pub(super) clients: Vec<String>,
    pub(super) identity_issuer_claim: String,
    pub(super) scope_claims: Vec<String>,
    pub(super) username_claims: Vec<String>,
    pub(super) session: RawSessionMode,
}

impl RawIssuer {
    fn read(from: &mut Members) -> Self {
        Self {
            issuer: from.text("issuer"),
            audiences: from.texts_or("audiences", &[]),
            jwks: from.object("jwks", RawJwks::read),
            algorithms: from.optional_texts("algorithms"),
            leeway: from.text_or("leeway", "60s"),
            max_token_lifetime: from.optional_text("max_token_lifetime"),
            clients: from.texts_or("clients", &[]),
            identity_issuer_claim: from.text_or("identity_issuer_claim", ""),
            scope_claims: from.texts_or("scope_claims", &["scope", "scp", "permissions"]),
            username_claims: from
                .texts_or("username_claims", &["preferred_username", "email", "name", "sub"]),
            session: from.word(
                "session",
                &[
                    ("off", RawSessionMode::Off),
                    ("observe", RawSessionMode::Observe),
                    ("required", RawSessionMode::Required),
                ],
            ),
        }
    }
}

/// `issuers[].session`.
#[derive(Clone, Copy)]
pub(super) enum RawSessionMode {
    Off,
    Observe,
    Required,
}

/// `issuers[].jwks`.
pub(super) struct RawJwks {
    pub(super) uri: Option<String>,
    pub(super) cluster: Option<String>,
    pub(super) timeout: String,
    pub(super) refresh: String,
    pub(super) cooldown: String,
    pub(super) keys: Option<Vec<Map<String, Value>>>,
}

impl RawJwks {
    fn read(from: &mut Members) -> Self {
        Self {
            uri: from.optional_text("uri"),
            cluster: from.optional_text("cluster"),
            timeout: from.text_or("timeout", "5s"),
            refresh: from.text_or("refresh", "10m"),
            cooldown: from.text_or("cooldown", "10s"),
            keys: from.optional_maps("keys"),
        }
    }
}

/// `resources[]`.
pub(super) struct RawResource {
    pub(super) path: String,
    pub(super) hosts: Vec<String>,
    pub(super) resource: String,
    pub(super) name: Option<String>,
    pub(super) issuers: Option<Vec<String>>,
    pub(super) audiences: Vec<String>,
    pub(super) needs: RawNeeds,
    pub(super) clients: Vec<String>,
    pub(super) claims: Vec<(String, Vec<Value>)>,
    pub(super) tools: Vec<RawRule>,
    pub(super) methods: Vec<RawRule>,
    pub(super) trust_mcp_headers: bool,
    pub(super) origins: Vec<String>,
}

impl RawResource {
    fn read(from: &mut Members) -> Self {
        Self {
            path: from.text("path"),
            hosts: from.texts_or("hosts", &[]),
            resource: from.text("resource"),
            name: from.optional_text("name"),
            issuers: from.optional_texts("issuers"),
            audiences: from.texts_or("audiences", &[]),
            needs: RawNeeds::read(from),
            clients: from.texts_or("clients", &[]),
            claims: from.lists_by_name("claims", |_, _, value| value),
            tools: from.objects("tools", RawRule::read_tool),
            methods: from.objects("methods", RawRule::read_method),
            trust_mcp_headers: from.flag("trust_mcp_headers"),
            origins: from.texts_or("origins", &[]),
        }
    }
}

/// `resources[].tools[]` and `resources[].methods[]`.
pub(super) struct RawRule {
    pub(super) method: String,
    pub(super) name: Option<String>,
    pub(super) needs: RawNeeds,
}

impl RawRule {
    fn read_tool(from: &mut Members) -> Self {
        Self {
            method: "tools/call".to_owned(),
            name: Some(from.text("name")),
            needs: RawNeeds::read(from),
        }
    }

    fn read_method(from: &mut Members) -> Self {
        Self {
            method: from.text("method"),
            name: from.optional_text("name"),
            needs: RawNeeds::read(from),
        }
    }
}

/// What resources and rules ask for alike.
pub(super) struct RawNeeds {
    pub(super) scopes: Vec<String>,
    pub(super) max_age: Option<String>,
    pub(super) acr_values: Vec<String>,
}

impl RawNeeds {
    fn read(from: &mut Members) -> Self {
        Self {
            scopes: from.texts_or("scopes", &[]),
            max_age: from.optional_text("max_age"),
            acr_values: from.texts_or("acr_values", &[]),
        }
    }
}

/// `sessions`.
pub(super) struct RawSessions {
    pub(super) cluster: String,
    pub(super) token: String,
    pub(super) timeout: String,
    pub(super) cache: String,
    pub(super) revocations: String,
    pub(super) on_feed_loss: RawFeedLoss,
    pub(super) feed_loss_after: String,
}

impl RawSessions {
    fn read(from: &mut Members) -> Self {
        Self {
            cluster: from.text("cluster"),
            token: from.text_or("token", ""),
            timeout: from.text_or("timeout", "250ms"),
            cache: from.text_or("cache", "30s"),
            revocations: from.text_or("revocations", "1s"),
            on_feed_loss: from.word(
                "on_feed_loss",
                &[("allow", RawFeedLoss::Allow), ("deny", RawFeedLoss::Deny)],
            ),
            feed_loss_after: from.text_or("feed_loss_after", "60s"),
        }
    }
}

/// `sessions.on_feed_loss`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RawFeedLoss {
    Allow,
    Deny,
}
