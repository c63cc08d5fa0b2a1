//! Named forgeries of access tokens: what RFC 8725 warns of and what libraries got wrong, over header,
//! encoding, signature, keys and claims, each with the reason for which it has to be refused. Keys and
//! times are fixed, so that a forgery is the same in every run and against every verifier.

mod claims;
mod encoding;
mod header;
mod keys;
mod signature;
#[path = "../../../crates/auth-core/tests/rules/support/signing.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod signing;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::signing::{SigningKey, encode};

/// The issuer whose tokens are forged.
pub const ISSUER: &str = "https://issuer.example/";
/// A second issuer, with keys of its own, that accepts little: one algorithm, one client, short lives.
pub const STRICT_ISSUER: &str = "https://strict.example/";
/// The one resource.
pub const RESOURCE: &str = "https://mcp.example.com/mcp";
/// What both issuers' tokens need here.
pub const SCOPE: &str = "mcp:read";

/// The algorithms that the issuer's keys sign with, one `kid` each.
const ALGORITHMS: [&str; 8] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "EdDSA"];
/// Long ago, and far ahead, of whatever clock runs this.
const PAST: u64 = 1_600_000_000;
const FUTURE: u64 = 4_000_000_000;

/// A token that must not pass.
#[derive(Clone, Debug, Serialize)]
pub struct Forgery {
    /// What is wrong with it.
    pub name: String,
    /// The token.
    pub token: String,
    /// The reason in log and metric; `allowed` for the few that are what they say.
    pub reason: &'static str,
}

/// The filter's configuration; the key sets are at clusters `issuer` and `strict`.
pub fn config() -> Value {
    json!({
        "issuers": [
            {"issuer": ISSUER, "jwks": {"uri": format!("{ISSUER}jwks.json"), "cluster": "issuer"}},
            {
                "issuer": STRICT_ISSUER,
                "jwks": {"uri": format!("{STRICT_ISSUER}jwks.json"), "cluster": "strict"},
                "algorithms": ["ES256"],
                "max_token_lifetime": "24h",
                "clients": ["client-1"],
            },
        ],
        "resources": [{"path": "/mcp", "resource": RESOURCE, "scopes": [SCOPE]}],
    })
}

/// The key sets by cluster.
pub fn key_sets() -> Value {
    json!({"issuer": keys::of_the_issuer(), "strict": keys::of_the_strict_issuer()})
}

/// Every forgery, the honest tokens they are made from first.
pub fn all() -> Vec<Forgery> {
    let honest = ALGORITHMS.map(|algorithm| Forgery {
        name: format!("honest {algorithm}"),
        token: honest(algorithm),
        reason: "allowed",
    });
    let forged =
        [header::all(), encoding::all(), signature::all(), keys::all(), claims::all()].concat();
    honest.into_iter().chain(forged).collect()
}

/// A forgery with a name.
fn forgery(name: impl Into<String>, token: impl Into<String>, reason: &'static str) -> Forgery {
    Forgery { name: name.into(), token: token.into(), reason }
}

/// A token that passes.
fn honest(algorithm: &'static str) -> String {
    SigningKey::for_algorithm(algorithm).sign(&honest_claims())
}

fn honest_claims() -> Value {
    json!({
        "iss": ISSUER, "aud": RESOURCE, "sub": "user-1", "preferred_username": "alice",
        "client_id": "client-1", "scope": SCOPE, "iat": PAST, "exp": FUTURE,
    })
}

fn honest_header(algorithm: &str) -> Value {
    json!({"alg": algorithm, "typ": "JWT", "kid": algorithm})
}

/// `object` with these members added or replaced; a member that becomes null is taken out.
fn with(mut object: Value, members: Value) -> Value {
    let (Value::Object(object_members), Value::Object(members)) = (&mut object, members) else {
        panic!("both are objects");
    };
    for (name, value) in members {
        match value {
            Value::Null => drop(object_members.remove(&name)),
            value => drop(object_members.insert(name, value)),
        }
    }
    object
}

/// `object` with one member set to exactly this, null too.
fn with_exactly(mut object: Value, name: &str, value: Value) -> Value {
    let members: &mut Map<String, Value> = object.as_object_mut().expect("it is an object");
    members.insert(name.to_owned(), value);
    object
}

/// A token of these very texts, signed.
fn sign_texts(key: &SigningKey, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    sign_input(key, &format!("{}.{}", encode(header.as_ref()), encode(payload.as_ref())))
}

/// A token of this very signing input, signed.
fn sign_input(key: &SigningKey, input: &str) -> String {
    format!("{input}.{}", encode(&key.signature(input.as_bytes())))
}

/// The three parts of a token.
fn parts(token: &str) -> [&str; 3] {
    let mut parts = token.split('.');
    std::array::from_fn(|_| parts.next().expect("a compact JWS has three parts"))
}
