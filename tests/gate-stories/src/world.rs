//! Provider and sidecar: what is fetched from them, by what a step says that they answer.

use std::{collections::BTreeMap, sync::LazyLock};

use auth_core::{
    fetch::{Fetch, FetchId},
    key_ring::FetchOutcome,
    mcp::session::Owner,
    user_id::{HashDigits, UserId},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::step::{Answer, Fails, Keys, Known, McpSession};

/// When every story begins.
pub(crate) const START: u64 = 1_790_000_000;
/// Whose tokens need a session.
pub(crate) const ISSUER: &str = "https://issuer.example/";
/// Whose sessions are only reported; its one key is in the configuration.
pub(crate) const OBSERVED_ISSUER: &str = "https://observed.example/";
pub(crate) const BODY_LIMIT: usize = 1024;
const RESOURCE: &str = "https://mcp.example.com/mcp";

/// The configuration of the gate.
pub(crate) static CONFIG: LazyLock<String> = LazyLock::new(|| {
    let issuer = |name: &str, session: &str, jwks: Value| {
        json!({
            "issuer": name, "algorithms": ["ES256"], "session": session, "jwks": jwks,
            "clients": ["app"], "max_token_lifetime": "24h",
        })
    };
    let config = json!({
        "issuers": [
            issuer(ISSUER, "required", json!({"uri": format!("{ISSUER}jwks.json"), "cluster": "issuer"})),
            issuer(OBSERVED_ISSUER, "observe", json!({"keys": [jwk("fixed")]})),
        ],
        "sessions": {"cluster": "mcp-auth", "on_feed_loss": "deny"},
        "resources": [{
            "path": "/mcp", "resource": RESOURCE, "scopes": ["read"],
            "origins": ["https://app.example"], "claims": {"tenant": ["ours"]},
            "tools": [
                {"name": "delete_*", "scopes": ["write"]},
                {"name": "pay", "acr_values": ["strong"], "max_age": "1h"},
            ],
        }],
        "public": ["/open"],
        "body_access": true,
        "body_limit": format!("{BODY_LIMIT}B"),
    });
    config.to_string()
});

static KEY_SETS: LazyLock<[String; 3]> = LazyLock::new(|| {
    [Keys::First, Keys::Second, Keys::Both].map(|keys| {
        let keys: Vec<_> = keys.kids().iter().copied().map(jwk).collect();
        json!({"keys": keys}).to_string()
    })
});

/// What the sidecar keeps.
#[derive(Default)]
pub(crate) struct World {
    /// Whose MCP sessions are, by the name that the filter has for them.
    bindings: BTreeMap<String, String>,
    /// The session that was asked for last.
    asked_last: Option<String>,
}

/// What was answered, as far as anybody learns something from it.
pub(crate) enum Told {
    Keys(&'static [&'static str]),
    Session {
        id: String,
        verdict: Verdict,
    },
    Feed {
        revokes: Option<String>,
    },
    Owner {
        mcp_session: String,
        owner: Option<String>,
    },
    /// Somebody else was first.
    Taken {
        mcp_session: String,
    },
    /// A call to the sidecar failed.
    SidecarFailed,
    Nothing,
}

/// What was said of a session.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    Live { user_id: String, expires_at: u64 },
    Revoked,
    Unknown,
}

impl World {
    /// What is answered to a call.
    pub(crate) fn answer(&mut self, fetch: &Fetch, how: Answer, now: u64) -> (FetchOutcome, Told) {
        let status = |status| FetchOutcome::Answered { status, body: Vec::new() };
        let failure = match how.fails {
            Fails::No => None,
            Fails::Silence => Some(FetchOutcome::Unanswered("it did not come")),
            Fails::ServerError => Some(status(500)),
            Fails::Garbage => Some(answered("{\"keys\": 7}")),
        };
        if let Some(failure) = failure {
            let told = match fetch.id {
                FetchId::Keys(_) => Told::Nothing,
                _ => Told::SidecarFailed,
            };
            return (failure, told);
        }
        if let Some(id) = how.binds.id() {
            self.bindings.entry(mcp_session_key(id)).or_insert_with(|| owner(ISSUER, "bob"));
        }
        match &fetch.id {
            FetchId::Keys(_) => {
                (answered(&KEY_SETS[how.keys as usize]), Told::Keys(how.keys.kids()))
            }
            FetchId::Session(id) => self.session(id.as_str(), how.session, now),
            FetchId::Revocations => {
                let session = self.asked_last.clone().filter(|_| how.revokes);
                let entry = |id: &String| json!({"session_id": id, "expires_at": now + 1_000_000});
                let entries: Vec<_> = session.iter().map(entry).collect();
                let page = json!({"cursor": "1", "more": false, "entries": entries});
                (answered(&page.to_string()), Told::Feed { revokes: session })
            }
            FetchId::Report(_) => (status(200), Told::Nothing),
            FetchId::McpSession(key) => {
                let (mcp_session, owner) = (key.to_string(), self.bindings.get(&key.to_string()));
                let outcome = match owner {
                    Some(owner) => answered(&json!({"owner": owner}).to_string()),
                    None => status(404),
                };
                (outcome, Told::Owner { mcp_session, owner: owner.cloned() })
            }
            FetchId::McpSessionClaim(key) => {
                let mcp_session = key.to_string();
                let body: Value = serde_json::from_str(fetch.body.as_deref().unwrap_or_default())
                    .expect("the filter sends JSON");
                let claimed = body["owner"].as_str().expect("it names an owner").to_owned();
                let owner = self.bindings.entry(mcp_session.clone()).or_insert(claimed.clone());
                match *owner == claimed {
                    true => (status(200), Told::Nothing),
                    false => (status(409), Told::Taken { mcp_session }),
                }
            }
        }
    }

    fn session(&mut self, id: &str, known: Known, now: u64) -> (FetchOutcome, Told) {
        self.asked_last = Some(id.to_owned());
        let (user, expires_at) = match known {
            Known::Live | Known::Revoked | Known::Unknown => ("alice", now + 100_000),
            Known::Ending => ("alice", now + 10),
            Known::OfTheOther => ("bob", now + 100_000),
        };
        let user_id = user_id(user, ISSUER);
        let is_revoked = known == Known::Revoked;
        let session = json!({
            "session_id": id, "user_id": user_id, "issuer": ISSUER,
            "created_at": now, "last_seen_at": now, "expires_at": expires_at,
            "revoked_at": is_revoked.then_some(now),
        });
        let (outcome, verdict) = match known {
            Known::Unknown => {
                (FetchOutcome::Answered { status: 404, body: Vec::new() }, Verdict::Unknown)
            }
            Known::Revoked => (answered(&session.to_string()), Verdict::Revoked),
            Known::Live | Known::Ending | Known::OfTheOther => {
                (answered(&session.to_string()), Verdict::Live { user_id, expires_at })
            }
        };
        (outcome, Told::Session { id: id.to_owned(), verdict })
    }
}

impl Keys {
    fn kids(self) -> &'static [&'static str] {
        match self {
            Self::First => &["first"],
            Self::Second => &["second"],
            Self::Both => &["first", "second"],
        }
    }
}

impl McpSession {
    /// The name that the filter and the sidecar have for it.
    pub(crate) fn key(self) -> Option<String> {
        self.id().map(mcp_session_key)
    }
}

/// The same as what the sidecar's documentation says: the id itself is never told.
fn mcp_session_key(id: &str) -> String {
    let hash = Sha256::digest(["mcp-session", RESOURCE, id].join("\0"));
    URL_SAFE_NO_PAD.encode(&hash[..16])
}

/// Whom an MCP session is bound to.
pub(crate) fn owner(issuer: &str, username: &str) -> String {
    Owner::new(issuer, username).to_string()
}

pub(crate) fn user_id(username: &str, issuer: &str) -> String {
    UserId::new(username, issuer, HashDigits::default()).as_str().to_owned()
}

fn answered(body: &str) -> FetchOutcome {
    FetchOutcome::Answered { status: 200, body: body.as_bytes().to_vec() }
}

fn jwk(kid: &str) -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "kid": kid,
        "x": "eSnUMdyIwq9hPDZGjF0aQw0OaXkdRe5rbp81CgxYrqE",
        "y": "6QLxf_Xdr0nDBXWhKIgVcf6P1In7hbyGko7LbnAhe_g",
    })
}
