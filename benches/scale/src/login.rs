//! Tokens and requests with them, and the configuration that accepts them.

use auth_core::{
    request_head::RequestHead,
    user_id::{HashDigits, UserId},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

const ISSUER: &str = "https://tenant.example.com/";
const RESOURCE: &str = "https://mcp.example.com/mcp";
const USERNAME: &str = "alice@example.com";

/// A configuration with defaults for all that can be one. `mode` is that of sessions.
pub fn config(mode: &str, sessions: Value) -> Value {
    let mut config = json!({
        "issuers": [{
            "issuer": ISSUER,
            "jwks": {"uri": format!("{ISSUER}.well-known/jwks.json"), "cluster": "idp"},
            "session": mode,
        }],
        "resources": [{"path": "/mcp", "resource": RESOURCE}],
        "audit": "off",
    });
    if mode != "off" {
        config["sessions"] = sessions;
    }
    config
}

/// The key set of the issuer with these key ids.
pub fn key_set(kids: &[&str]) -> Vec<u8> {
    let key = |kid: &&str| {
        json!({
            "kty": "EC", "crv": "P-256", "kid": kid,
            "x": "eSnUMdyIwq9hPDZGjF0aQw0OaXkdRe5rbp81CgxYrqE",
            "y": "6QLxf_Xdr0nDBXWhKIgVcf6P1In7hbyGko7LbnAhe_g",
        })
    };
    json!({"keys": kids.iter().map(key).collect::<Vec<_>>()}).to_string().into_bytes()
}

/// A token of the session `sid`, signed with the key `kid`.
pub fn token(kid: &str, sid: &str) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": kid});
    let claims = json!({
        "iss": ISSUER, "aud": RESOURCE, "sub": "auth0|6f1d2c3b4a5968778695a4b3",
        "preferred_username": USERNAME, "azp": "client-1",
        "iat": 1_789_999_000, "exp": 1_790_186_400, "sid": sid,
    });
    format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode([7; 64]))
}

/// A request with a token.
pub fn request(token: &str) -> RequestHead {
    let fields = [
        (":method", "GET"),
        (":path", "/mcp"),
        (":authority", "mcp.example.com"),
        ("authorization", &format!("Bearer {token}")),
    ];
    RequestHead::new(
        fields.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).into(),
    )
}

/// What the sidecar says of a session of whoever has these tokens.
pub fn session(id: &str) -> Vec<u8> {
    let user_id = UserId::new(USERNAME, ISSUER, HashDigits::default());
    json!({
        "session_id": id, "user_id": user_id.as_str(), "issuer": ISSUER,
        "created_at": 1, "last_seen_at": 1, "expires_at": 2_000_000_000_u64,
    })
    .to_string()
    .into_bytes()
}
