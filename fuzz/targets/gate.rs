//! The whole gate: requests come, bodies and answers arrive in any order, time passes. A request goes
//! on only if a simple model, which knows nothing of caches and waiting, would let it.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use arbitrary::Arbitrary;
use auth_core::{
    algorithm::Algorithm,
    bounded::DigestKey,
    config::Config,
    decision::Decision,
    fetch::FetchId,
    gate::{Gate, Hold, StreamId},
    jwk::VerificationKey,
    key_ring::FetchOutcome,
    outcome::Outcome,
    request_head::RequestHead,
    signature::Verify,
    time::UnixTime,
    user_id::{HashDigits, UserId},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

const START: u64 = 1_790_000_000;
const LEEWAY: u64 = 60;
const ISSUER: &str = "https://issuer.example/";

const CONFIG: &str = r#"{
    "issuers": [{
        "issuer": "https://issuer.example/", "algorithms": ["ES256"], "session": "required",
        "jwks": {"uri": "https://issuer.example/jwks.json", "cluster": "issuer"}
    }],
    "sessions": {"cluster": "mcp-auth"},
    "resources": [{
        "path": "/mcp", "resource": "https://mcp.example.com/mcp", "scopes": ["read"],
        "tools": [{"name": "delete_*", "scopes": ["write"]}]
    }],
    "public": ["/open"],
    "body_access": true
}"#;

#[derive(Arbitrary, Debug)]
enum Step {
    /// A request comes.
    Come(Request),
    /// More of the body of one that came, counted from the last.
    Body { of: u8, bytes: u8, last: bool },
    /// One goes away.
    Leave { of: u8 },
    /// What is due is fetched.
    Fetch(Answer),
    /// Time passes.
    Pass { secs: u16 },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
struct Request {
    token: Token,
    path: Path,
    is_post: bool,
    says: Says,
    /// The address that a client may forge.
    forges_user: bool,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
struct Token {
    is_signed: bool,
    is_for_us: bool,
    is_of_issuer: bool,
    key: bool,
    reads: bool,
    writes: bool,
    user: bool,
    session: u8,
    lives: u16,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Path {
    Mcp,
    Below,
    Open,
    Elsewhere,
    Encoded,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq)]
enum Says {
    Nothing,
    Add,
    Delete,
    Both,
    Garbage,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
struct Answer {
    keys: Keys,
    session: Known,
    revokes: Option<u8>,
    comes: bool,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Keys {
    First,
    Second,
    Both,
    Garbage,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Known {
    Live { user: bool },
    Revoked { user: bool },
    Unknown,
    Garbage,
}

/// What may be known of the world without a look at the gate.
#[derive(Default)]
struct Model {
    keys: BTreeSet<bool>,
    /// Sessions that were ever told to be live, with their user.
    live: BTreeSet<(String, bool)>,
    seen: Vec<String>,
    revoked: BTreeSet<String>,
    requests: BTreeMap<u32, Request>,
}

fuzz_target!(|steps: Vec<Step>| {
    let config = Config::parse(CONFIG.as_bytes()).expect("it is valid");
    let mut gate = Gate::new(config, Box::new(FirstByte), DigestKey::new([7; 16]));
    let (mut model, mut now, mut last) = (Model::default(), START, 0);
    let at = |now| UnixTime::from_secs(now);
    for step in steps {
        match step {
            Step::Come(request) => {
                last += 1;
                model.requests.insert(last, request);
                let body = request.is_post;
                let outcome = gate.start(StreamId(last), request.head(), body, at(now));
                model.judge(last, outcome, now);
            }
            Step::Body { of, bytes, last: is_last } => {
                let id = last.saturating_sub(u32::from(of % 8));
                let Some(request) = model.requests.get(&id) else { continue };
                if gate.hold(StreamId(id)) != Hold::ReadsBody {
                    continue;
                }
                let body = request.says.body();
                let piece = &body[..usize::from(bytes).min(body.len())];
                // The whole body at once, or a part that can be no whole.
                let piece = if is_last { body.as_slice() } else { &piece[..piece.len().min(1)] };
                let is_whole = is_last;
                let outcome = gate.body(StreamId(id), piece, is_whole, at(now));
                if !is_whole {
                    // What began otherwise than its body does is garbage from now on.
                    model.requests.get_mut(&id).expect("it is there").says = Says::Garbage;
                }
                model.judge(id, outcome, now);
            }
            Step::Leave { of } => {
                let id = last.saturating_sub(u32::from(of % 8));
                gate.forget(StreamId(id));
                model.requests.remove(&id);
            }
            Step::Fetch(answer) => {
                for fetch in gate.due(at(now)) {
                    let outcome = model.answer(&fetch.id, answer, now);
                    let fetched = gate.fetched(&fetch.id, outcome, at(now));
                    for (id, outcome) in fetched.decided {
                        model.judge(id.0, Some(outcome), now);
                    }
                }
            }
            Step::Pass { secs } => {
                now += u64::from(secs);
                for (id, outcome) in gate.overdue(at(now)) {
                    model.judge(id.0, Some(outcome), now);
                }
            }
        }
    }
});

impl Model {
    /// What is fetched, and what the model learns of it.
    fn answer(&mut self, id: &FetchId, answer: Answer, now: u64) -> FetchOutcome {
        if !answer.comes {
            return FetchOutcome::Unanswered("it did not come");
        }
        let body = match id {
            FetchId::Keys(_) => {
                let kids: &[bool] = match answer.keys {
                    Keys::First => &[false],
                    Keys::Second => &[true],
                    Keys::Both => &[false, true],
                    Keys::Garbage => return answered("{\"keys\": 7}"),
                };
                self.keys = kids.iter().copied().collect();
                json!({"keys": kids.iter().copied().map(jwk).collect::<Vec<_>>()})
            }
            FetchId::Session(id) => {
                self.seen.push(id.as_str().to_owned());
                let (user, revoked_at) = match answer.session {
                    Known::Live { user } => (user, Value::Null),
                    Known::Revoked { user } => (user, now.into()),
                    Known::Unknown => return FetchOutcome::Answered { status: 404, body: vec![] },
                    Known::Garbage => return answered("[]"),
                };
                if revoked_at.is_null() {
                    self.live.insert((id.as_str().to_owned(), user));
                }
                json!({
                    "session_id": id.as_str(), "user_id": user_id(user), "issuer": ISSUER,
                    "created_at": now, "last_seen_at": now, "expires_at": now + 100_000,
                    "revoked_at": revoked_at,
                })
            }
            FetchId::Revocations => {
                let of = |nth: u8| self.seen.get(usize::from(nth) % self.seen.len().max(1));
                let session = answer.revokes.and_then(of).cloned();
                self.revoked.extend(session.clone());
                let entries: Vec<_> = session
                    .map(|id| json!({"session_id": id, "expires_at": now + 100_000}))
                    .into_iter()
                    .collect();
                json!({"cursor": "1", "more": false, "entries": entries})
            }
            FetchId::Report(_) | FetchId::McpSession(_) | FetchId::McpSessionClaim(_) => json!({}),
        };
        answered(&body.to_string())
    }

    /// The oracle.
    fn judge(&self, id: u32, outcome: Option<Outcome>, now: u64) {
        let Some(Outcome { decision: Decision::Forward(edits), .. }) = outcome else { return };
        let request = self.requests.get(&id).expect("it has not left");
        let header = |name: &str| {
            edits.set.iter().find(|(set, _)| &**set == name).map(|(_, value)| value.as_str())
        };
        let strips_forged = edits.remove.iter().any(|name| name == "x_user-id");
        assert!(strips_forged || !request.forges_user, "a forged identity is left");
        match request.path {
            Path::Open => return assert!(edits.set.is_empty()),
            Path::Mcp | Path::Below => {}
            Path::Elsewhere | Path::Encoded => panic!("{request:?} went on"),
        }
        let token = request.token;
        assert!(token.is_signed && token.is_for_us && token.is_of_issuer, "{request:?}");
        assert!(self.keys.contains(&token.key), "its key is not published any more");
        assert!(now < token.expires_at() + LEEWAY, "it has expired");
        assert!(token.reads, "its scope is not enough");
        match request.says {
            _ if !request.is_post => {}
            Says::Add => {}
            Says::Delete | Says::Both => assert!(token.writes, "it may not delete"),
            Says::Nothing | Says::Garbage => panic!("nobody knows what it calls"),
        }
        let session = header("x-session-id").expect("its session is told").to_owned();
        assert!(!self.revoked.contains(&session), "its session is revoked");
        assert!(self.live.contains(&(session, token.user)), "its session is not known");
        assert_eq!(header("x-user-id"), Some(user_id(token.user).as_str()));
        assert!(edits.remove.iter().any(|name| name == "authorization"), "the token goes on");
    }
}

impl Request {
    fn head(self) -> RequestHead {
        let path = match self.path {
            Path::Mcp => "/mcp",
            Path::Below => "/mcp/x?y=z",
            Path::Open => "/open",
            Path::Elsewhere => "/mcpx",
            Path::Encoded => "/open/%2e%2e/mcp",
        };
        let method = if self.is_post { "POST" } else { "GET" };
        let authorization = format!("Bearer {}", self.token.text());
        let mut fields = vec![
            (":method", method),
            (":path", path),
            (":authority", "mcp.example.com"),
            ("content-type", "application/json"),
            ("authorization", &authorization),
        ];
        if self.forges_user {
            fields.push(("x_user-id", "root"));
        }
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.as_bytes().to_vec());
        RequestHead::new(fields.into_iter().map(owned).collect())
    }
}

impl Token {
    fn expires_at(self) -> u64 {
        START + u64::from(self.lives)
    }

    fn text(self) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let scopes: Vec<&str> = [(self.reads, "read"), (self.writes, "write")]
            .iter()
            .filter(|it| it.0)
            .map(|it| it.1)
            .collect();
        let header = json!({"alg": "ES256", "kid": kid(self.key)});
        let claims = json!({
            "iss": if self.is_of_issuer { ISSUER } else { "https://else.example/" },
            "aud": if self.is_for_us { "https://mcp.example.com/mcp" } else { "https://else.example" },
            "sub": username(self.user),
            "sid": (self.session % 4).to_string(),
            "exp": self.expires_at(),
            "scope": scopes.join(" "),
        });
        let signature = [u8::from(self.is_signed); 64];
        format!("{}.{}.{}", part(&header), part(&claims), URL_SAFE_NO_PAD.encode(signature))
    }
}

impl Says {
    fn body(self) -> Vec<u8> {
        let call = |name: &str| json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name}});
        match self {
            Self::Nothing => Vec::new(),
            Self::Add => call("add").to_string().into_bytes(),
            Self::Delete => call("delete_note").to_string().into_bytes(),
            Self::Both => json!([call("add"), call("delete_note")]).to_string().into_bytes(),
            Self::Garbage => b"{".to_vec(),
        }
    }
}

/// A signature is right if it begins with 1.
struct FirstByte;

impl Verify for FirstByte {
    fn verify(&self, _: Algorithm, _: &VerificationKey, _: &[u8], signature: &[u8]) -> bool {
        signature.first() == Some(&1)
    }

    fn supports(&self, _: Algorithm) -> bool {
        true
    }
}

fn answered(body: &str) -> FetchOutcome {
    FetchOutcome::Answered { status: 200, body: body.as_bytes().to_vec() }
}

fn jwk(key: bool) -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "kid": kid(key),
        "x": "eSnUMdyIwq9hPDZGjF0aQw0OaXkdRe5rbp81CgxYrqE",
        "y": "6QLxf_Xdr0nDBXWhKIgVcf6P1In7hbyGko7LbnAhe_g",
    })
}

fn kid(key: bool) -> &'static str {
    if key { "second" } else { "first" }
}

fn username(user: bool) -> &'static str {
    if user { "alice" } else { "bob" }
}

fn user_id(user: bool) -> String {
    UserId::new(username(user), ISSUER, HashDigits::default()).as_str().to_owned()
}
