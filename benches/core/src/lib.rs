//! Requests that are decided again and again, each by a gate in a state of its own. How long that
//! takes is measured by `benches/decisions.rs`, how many instructions by `main.rs` under valgrind.
//!
//! Signatures are taken for right without a look: in a gateway the host computes them, and here they
//! would hide all the rest.

use auth_core::{
    algorithm::Algorithm,
    bounded::DigestKey,
    config::Config,
    decision::Decision,
    fetch::FetchId,
    gate::{Gate, StreamId},
    jwk::VerificationKey,
    key_ring::FetchOutcome,
    outcome::Outcome,
    request_head::RequestHead,
    signature::Verify,
    time::UnixTime,
    user_id::{HashDigits, UserId},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

const USERNAME: &str = "alice@example.com";
const NOW: UnixTime = UnixTime::from_secs(1_790_000_000);

/// What is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// A token that is known.
    Cached,
    /// The same where there are a thousand resources.
    CachedManyResources,
    /// The same where there are fifty issuers.
    CachedManyIssuers,
    /// The same where a hundred thousand tokens are known.
    CachedManyTokens,
    /// The same where a hundred thousand sessions are revoked, and the session is known.
    CachedManyRevocations,
    /// A known token whose session has to be live.
    CachedSession,
    /// A token that is read anew each time.
    Uncached,
    /// No token.
    Missing,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Cached,
        Self::CachedManyResources,
        Self::CachedManyIssuers,
        Self::CachedManyTokens,
        Self::CachedManyRevocations,
        Self::CachedSession,
        Self::Uncached,
        Self::Missing,
    ];

    /// Its name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cached => "cached",
            Self::CachedManyResources => "cached-1000-resources",
            Self::CachedManyIssuers => "cached-50-issuers",
            Self::CachedManyTokens => "cached-100000-tokens",
            Self::CachedManyRevocations => "cached-100000-revocations",
            Self::CachedSession => "cached-session",
            Self::Uncached => "uncached",
            Self::Missing => "missing-token",
        }
    }

    fn config(self) -> Value {
        let resources = if self == Self::CachedManyResources { 1000 } else { 1 };
        let issuers = if self == Self::CachedManyIssuers { 50 } else { 1 };
        let with_session = matches!(self, Self::CachedSession | Self::CachedManyRevocations);
        let mut config = json!({
            "issuers": (0..issuers).map(|nth| json!({
                "issuer": issuer(nth),
                "jwks": {"keys": [{
                    "kty": "EC", "crv": "P-256", "kid": "1",
                    "x": "eSnUMdyIwq9hPDZGjF0aQw0OaXkdRe5rbp81CgxYrqE",
                    "y": "6QLxf_Xdr0nDBXWhKIgVcf6P1In7hbyGko7LbnAhe_g",
                }]},
                "session": if with_session { "required" } else { "off" },
            })).collect::<Vec<_>>(),
            "resources": (0..resources).map(|nth| json!({
                "path": format!("/mcp/{nth}"),
                "resource": format!("https://mcp.example.com/mcp/{nth}"),
                "scopes": ["mcp:read"],
            })).collect::<Vec<_>>(),
            "audit": "off",
            "token_cache": match self {
                Self::Uncached => 0,
                Self::CachedManyTokens => 200_000,
                _ => 10_000,
            },
        });
        if with_session {
            config["sessions"] = json!({"cluster": "mcp-auth", "cache": "1h"});
        }
        config
    }
}

/// A gate that has seen what its scenario is about.
pub struct Bench {
    gate: Gate,
    head: Vec<(String, Vec<u8>)>,
    next_stream: u32,
}

impl Bench {
    /// Brings a gate into the state that the scenario asks for.
    pub fn new(scenario: Scenario) -> Self {
        let config = Config::parse(scenario.config().to_string().as_bytes())
            .expect("the scenario's configuration is valid");
        let gate = Gate::new(config, Box::new(Believing), DigestKey::new([7; 16]));
        let mut bench = Self { gate, head: head(&token(0)), next_stream: 0 };
        let others = if scenario == Scenario::CachedManyTokens { 100_000 } else { 0 };
        for nth in 1..=others {
            bench.head = head(&token(nth));
            let _ = bench.decide();
        }
        bench.head = head(&token(0));
        if scenario == Scenario::Missing {
            bench.head.retain(|(name, _)| name != "authorization");
        }
        if scenario == Scenario::CachedManyRevocations {
            bench.revoke(100);
        }
        if scenario == Scenario::CachedSession || scenario == Scenario::CachedManyRevocations {
            bench.answer_the_lookup();
        }
        assert_eq!(bench.decide().forwards(), scenario != Scenario::Missing, "{scenario:?}");
        bench
    }

    /// Decides one request.
    pub fn decide(&mut self) -> Decided {
        self.next_stream += 1;
        let head = RequestHead::new(self.head.clone());
        let outcome = self.gate.start(StreamId(self.next_stream), head, false, NOW);
        drop(self.gate.take_counts());
        Decided(outcome)
    }

    fn revoke(&mut self, pages: usize) {
        for page in 0..pages {
            let entries: Vec<Value> = (0..1000)
                .map(|nth| {
                    let id = format!("s{page:010}{nth:011}");
                    json!({"session_id": id, "expires_at": 2_000_000_000})
                })
                .collect();
            let more = page + 1 < pages;
            self.answer(
                &FetchId::Revocations,
                &json!({"cursor": page.to_string(), "more": more, "entries": entries}),
            );
        }
        assert_eq!(self.gate.revocation_entries(), pages * 1000);
    }

    fn answer_the_lookup(&mut self) {
        assert!(self.decide().0.is_none(), "it waits for its session");
        let lookup = self.gate.due(NOW).into_iter().find_map(|fetch| match fetch.id {
            FetchId::Session(id) => Some(id),
            _ => None,
        });
        let id = lookup.expect("the session is looked up");
        let user_id = UserId::new(USERNAME, &issuer(0), HashDigits::default());
        let session = json!({
            "session_id": id.as_str(), "user_id": user_id.as_str(), "issuer": issuer(0),
            "created_at": 1, "last_seen_at": 1, "expires_at": 2_000_000_000,
        });
        self.answer(&FetchId::Session(id), &session);
    }

    fn answer(&mut self, id: &FetchId, body: &Value) {
        let body = body.to_string().into_bytes();
        let _ = self.gate.fetched(id, FetchOutcome::Answered { status: 200, body }, NOW);
    }
}

/// What became of a request.
pub struct Decided(Option<Outcome>);

impl Decided {
    /// Whether it goes on.
    pub fn forwards(&self) -> bool {
        self.0.as_ref().is_some_and(|outcome| matches!(outcome.decision, Decision::Forward(_)))
    }
}

/// Takes every signature for right.
struct Believing;

impl Verify for Believing {
    fn verify(&self, _: Algorithm, _: &VerificationKey, _: &[u8], _: &[u8]) -> bool {
        true
    }

    fn supports(&self, _: Algorithm) -> bool {
        true
    }
}

fn issuer(nth: usize) -> String {
    format!("https://tenant-{nth}.example.com/")
}

/// A token of the size that Auth0 issues.
fn token(nth: usize) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": "1"});
    let claims = json!({
        "iss": issuer(0),
        "sub": "auth0|6f1d2c3b4a5968778695a4b3",
        "aud": ["https://mcp.example.com/mcp/0", "https://tenant-0.example.com/userinfo"],
        "iat": 1_789_999_000,
        "exp": 1_790_086_400,
        "scope": "openid profile email mcp:read mcp:write",
        "azp": "vQ3mYx0JtKk1bD7eFz9hLq2sWc8uRn5p",
        "preferred_username": USERNAME,
        "email": "alice@example.com",
        "sid": "s-1",
        "jti": format!("token-{nth}"),
    });
    // The length of an RSA signature of 2048 bits.
    format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode([7; 256]))
}

/// What an MCP client sends through Envoy.
fn head(token: &str) -> Vec<(String, Vec<u8>)> {
    let authorization = format!("Bearer {token}");
    [
        (":authority", "mcp.example.com"),
        (":path", "/mcp/0"),
        (":method", "POST"),
        (":scheme", "https"),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("user-agent", "python-httpx/0.28.1"),
        ("authorization", &authorization),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/list"),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "5c1f3c54-7c8e-4a8e-9d62-1f3c547c8e4a"),
    ]
    .map(|(name, value)| (name.to_owned(), value.as_bytes().to_owned()))
    .into()
}
