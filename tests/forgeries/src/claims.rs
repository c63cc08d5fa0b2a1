//! Claims, signed with the right key: whatever an issuer was talked into, or says to somebody else.

use serde_json::{Value, json};

use crate::{
    FUTURE, Forgery, ISSUER, PAST, RESOURCE, STRICT_ISSUER, forgery, honest_claims, honest_header,
    sign_texts, signing::SigningKey, with, with_exactly,
};

pub(crate) fn all() -> Vec<Forgery> {
    [issuers(), audiences(), dates(), wrong_types(), scopes(), clients(), names(), two_readings()]
        .concat()
}

fn issuers() -> Vec<Forgery> {
    let others = [
        "",
        "https://issuer.example",
        "https://issuer.example//",
        "https://ISSUER.example/",
        "HTTPS://issuer.example/",
        "http://issuer.example/",
        "https://issuer.example/ ",
        " https://issuer.example/",
        "https://issuer.example:443/",
        "https://user@issuer.example/",
        "https://issuer.example/?",
        "https://issuer.example/#",
        "https://issuer.example/x",
        "https://issuer.example.attacker.example/",
        "https://attacker.example/https://issuer.example/",
        "https://issuer.example/\u{0}",
        "https://\u{456}ssuer.example/",
        "issuer.example",
        "null",
        "*",
    ];
    let named =
        |iss: &str| forgery(format!("iss {iss:?}"), signed(json!({"iss": iss})), "unknown_issuer");
    let mut forged: Vec<Forgery> = others.map(named).into();
    forged.push(forgery("no iss", signed(json!({"iss": null})), "unknown_issuer"));
    forged
}

fn audiences() -> Vec<Forgery> {
    let others = [
        json!(""),
        json!("https://mcp.example.com"),
        json!("https://mcp.example.com/"),
        json!("https://mcp.example.com/mcp/"),
        json!("https://mcp.example.com/mcpx"),
        json!("https://MCP.example.com/mcp"),
        json!("http://mcp.example.com/mcp"),
        json!("https://mcp.example.com/mcp "),
        json!("https://mcp.example.com/mcp?"),
        json!("https://mcp.example.com:443/mcp"),
        json!("https://mcp.example.com/%6dcp"),
        json!(" https://mcp.example.com/mcp"),
        json!("https://other.example/mcp"),
        json!("*"),
        json!([]),
        json!([""]),
        json!(["https://other.example/mcp"]),
        json!(["https://mcp.example.com", "/mcp"]),
        json!(ISSUER),
        json!("client-1"),
        json!("https://other.example/mcp https://mcp.example.com/mcp"),
        json!("https://other.example/mcp,https://mcp.example.com/mcp"),
    ];
    let named = |aud: Value| {
        let token = sign(&with_exactly(honest_claims(), "aud", aud.clone()));
        forgery(format!("aud {aud}"), token, "wrong_audience")
    };
    let mut forged: Vec<Forgery> = others.into_iter().map(named).collect();
    forged.push(forgery("no aud", signed(json!({"aud": null})), "wrong_audience"));
    for aud in [
        json!(null),
        json!(1),
        json!(true),
        json!({RESOURCE: 1}),
        json!([[RESOURCE]]),
        json!([RESOURCE, 1]),
        json!([RESOURCE, null]),
    ] {
        let token = sign(&with_exactly(honest_claims(), "aud", aud.clone()));
        forged.push(forgery(format!("aud {aud}"), token, "malformed_token"));
    }
    forged
}

fn dates() -> Vec<Forgery> {
    let mut forged = vec![
        forgery("no exp", signed(json!({"exp": null})), "malformed_token"),
        forgery("expired long ago", signed(json!({"exp": PAST + 1})), "expired"),
        forgery("exp is 0", signed(json!({"exp": 0})), "expired"),
        forgery("exp is 1", signed(json!({"exp": 1})), "expired"),
        forgery(
            "exp in the past with a fraction",
            signed(json!({"exp": 1_600_000_001.9})),
            "expired",
        ),
        forgery(
            "expired and not yet valid",
            signed(json!({"exp": PAST, "nbf": FUTURE})),
            "expired",
        ),
        forgery("nbf far ahead", signed(json!({"nbf": FUTURE})), "not_yet_valid"),
        forgery(
            "nbf far ahead with a fraction",
            signed(json!({"nbf": 3_999_999_999.5})),
            "not_yet_valid",
        ),
        forgery("iat far ahead", signed(json!({"iat": FUTURE})), "not_yet_valid"),
    ];
    for name in ["exp", "nbf", "iat"] {
        for value in [
            json!(null),
            json!("4000000000"),
            json!(""),
            json!(true),
            json!([FUTURE]),
            json!({"$gt": 0}),
            json!(-1),
            json!(-0.5),
            json!(1e16),
            json!(9_007_199_254_740_994_u64),
            json!(u64::MAX),
            json!(1e300),
        ] {
            let token = sign(&with_exactly(honest_claims(), name, value.clone()));
            forged.push(forgery(format!("{name} is {value}"), token, "malformed_token"));
        }
    }
    forged
}

/// Claims that are read, of another type than theirs.
fn wrong_types() -> Vec<Forgery> {
    let mut forged = Vec::new();
    for name in ["iss", "sub", "azp", "client_id", "sid", "jti"] {
        for value in [json!(null), json!(1), json!(false), json!(["user-1"]), json!({"a": 1})] {
            let token = sign(&with_exactly(honest_claims(), name, value.clone()));
            forged.push(forgery(format!("{name} is {value}"), token, "malformed_token"));
        }
    }
    for value in [
        json!(null),
        json!(1),
        json!(true),
        json!({"mcp:read": true}),
        json!(["mcp:read", 1]),
        json!([["mcp:read"]]),
    ] {
        let token = sign(&with_exactly(honest_claims(), "scope", value.clone()));
        forged.push(forgery(format!("scope is {value}"), token, "malformed_token"));
    }
    forged
}

/// Scopes that only look like the one that is needed.
fn scopes() -> Vec<Forgery> {
    let others = [
        json!(""),
        json!(" "),
        json!("mcp"),
        json!("mcp:"),
        json!("mcp:rea"),
        json!("mcp:readx"),
        json!("MCP:READ"),
        json!("mcp:*"),
        json!("*"),
        json!("mcp:read,mcp:write"),
        json!("xmcp:read"),
        json!("mcp:read\tmcp:write"),
        json!("mcp:read\u{a0}mcp:write"),
        json!("mcp%3aread"),
        json!("-mcp:read"),
        json!([]),
        json!([""]),
        json!(["mcp:write"]),
        json!(["mcp:read mcp:write"]),
        json!([" mcp:read"]),
    ];
    let named = |scope: Value| {
        let token = sign(&with_exactly(honest_claims(), "scope", scope.clone()));
        forgery(format!("scope {scope}"), token, "insufficient_scope")
    };
    let mut forged: Vec<Forgery> = others.into_iter().map(named).collect();
    forged.push(forgery("no scope", signed(json!({"scope": null})), "insufficient_scope"));
    let elsewhere = signed(json!({"scope": null, "scopes": "mcp:read", "roles": ["mcp:read"]}));
    forged.push(forgery(
        "the scope in a claim that nobody asked for",
        elsewhere,
        "insufficient_scope",
    ));
    forged
}

fn clients() -> Vec<Forgery> {
    let two = signed(json!({"azp": "client-2"}));
    let mut forged = vec![forgery("azp and client_id that differ", two, "malformed_token")];
    let brief = json!({"iss": STRICT_ISSUER, "exp": PAST + 60});
    for client in ["", "client-2", "CLIENT-1", "client-1 ", "client-11", "client"] {
        // Their lives are over as well: nothing of the strict issuer's that is fixed can be alive.
        let claims = with(with(honest_claims(), brief.clone()), json!({"client_id": client}));
        let token = SigningKey::of_a_stranger("ES256").sign(&claims);
        forged.push(forgery(
            format!("an expired token of the client {client:?}"),
            token,
            "expired",
        ));
    }
    forged
}

/// Nobody to speak for.
fn names() -> Vec<Forgery> {
    let nobody = json!({"preferred_username": null, "sub": null});
    let unnamed = |members: Value| signed(merged(&nobody, &members));
    vec![
        forgery("no name at all", unnamed(json!({})), "malformed_token"),
        forgery(
            "empty names",
            unnamed(json!({"preferred_username": "", "sub": ""})),
            "malformed_token",
        ),
        forgery(
            "a name that is a number",
            unnamed(json!({"preferred_username": 1})),
            "malformed_token",
        ),
        forgery("a name that is a list", unnamed(json!({"name": ["alice"]})), "malformed_token"),
        forgery(
            "an email that is not verified and no name",
            unnamed(json!({"email": "alice@example.com", "email_verified": false})),
            "malformed_token",
        ),
        forgery(
            "an email whose verification is a word, and no name",
            unnamed(json!({"email": "alice@example.com", "email_verified": "yes"})),
            "malformed_token",
        ),
        forgery(
            "an email whose verification is a number, and no name",
            unnamed(json!({"email": "alice@example.com", "email_verified": 1})),
            "malformed_token",
        ),
    ]
}

/// Payloads that two readers read differently, or that are no claims.
fn two_readings() -> Vec<Forgery> {
    let good = honest_claims().to_string();
    let inner = &good[1..good.len() - 1];
    let payloads = [
        ("iss twice", format!(r#"{{"iss":"https://attacker.example/",{inner}}}"#)),
        ("aud twice", format!(r#"{{{inner},"aud":"https://other.example/"}}"#)),
        ("exp twice", format!(r#"{{"exp":1,{inner}}}"#)),
        ("scope twice", format!(r#"{{{inner},"scope":"admin"}}"#)),
        ("sub twice by an escape", format!(r#"{{{inner},"s\u0075b":"admin"}}"#)),
        ("a member twice that nobody reads", format!(r#"{{{inner},"x":1,"x":1}}"#)),
        ("a member twice further down", format!(r#"{{{inner},"x":[{{"y":1,"y":2}}]}}"#)),
        ("something behind", format!("{good}{good}")),
        ("a letter behind", format!("{good}x")),
        ("a null byte behind", format!("{good}\u{0}")),
        ("a byte order mark", format!("\u{feff}{good}")),
        ("a comment", format!("{{/**/{inner}}}")),
        ("a comma too many", format!("{{{inner},}}")),
        ("a comma before", format!("{{,{inner}}}")),
        ("single quotes", good.replace('"', "'")),
        ("NaN", format!(r#"{{{inner},"x":NaN}}"#)),
        ("Infinity", format!(r#"{{{inner},"x":Infinity}}"#)),
        ("a leading zero", format!(r#"{{{inner},"x":01}}"#)),
        ("a hexadecimal number", format!(r#"{{{inner},"x":0x1}}"#)),
        ("a plus sign", format!(r#"{{{inner},"x":+1}}"#)),
        ("a number that ends in its dot", format!(r#"{{{inner},"x":1.}}"#)),
        ("half of a surrogate pair", format!(r#"{{{inner},"x":"\udc00"}}"#)),
        ("an escape that is none", format!(r#"{{{inner},"x":"\x41"}}"#)),
        ("a raw tab", format!("{{{inner},\"x\":\"\t\"}}")),
        ("500 deep", format!(r#"{{{inner},"x":{}1{}}}"#, "[".repeat(500), "]".repeat(500))),
        ("cut short", good[..good.len() - 1].to_owned()),
        ("a list around it", format!("[{good}]")),
        ("a string", serde_json::to_string(&good).expect("a string becomes JSON")),
        ("null", "null".to_owned()),
        ("a number", "4000000000".to_owned()),
        ("white space", " ".to_owned()),
        ("a query string", "iss=x&aud=y".to_owned()),
    ];
    let key = SigningKey::for_algorithm("ES256");
    let header = honest_header("ES256").to_string();
    let mut forged: Vec<Forgery> = payloads
        .into_iter()
        .map(|(name, text)| {
            forgery(format!("payload: {name}"), sign_texts(&key, &header, text), "malformed_token")
        })
        .collect();
    let mut not_utf8 = good.into_bytes();
    not_utf8.splice(1..1, *b"\"x\":\"\xc3\x28\",");
    forged.push(forgery(
        "payload: not UTF-8",
        sign_texts(&key, &header, not_utf8),
        "malformed_token",
    ));
    forged
}

/// A token with these claims changed, null takes one out.
fn signed(members: Value) -> String {
    sign(&with(honest_claims(), members))
}

fn sign(claims: &Value) -> String {
    SigningKey::for_algorithm("ES256").sign(claims)
}

/// The members of both, nulls too.
fn merged(one: &Value, other: &Value) -> Value {
    let members = [one, other].map(|value| value.as_object().expect("it is an object").clone());
    members.into_iter().flatten().collect()
}
