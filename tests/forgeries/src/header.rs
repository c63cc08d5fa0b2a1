//! The JOSE header: algorithms that are none, keys that a token brings along, types, readings that
//! differ.

use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{
    ALGORITHMS, Forgery, RESOURCE, forgery, honest, honest_claims, honest_header, parts,
    sign_input, sign_texts,
    signing::{SigningKey, encode},
    with, with_exactly,
};

pub(crate) fn all() -> Vec<Forgery> {
    [
        not_an_algorithm(),
        shared_secrets(),
        swapped_algorithms(),
        types(),
        extensions(),
        key_ids(),
        keys_brought_along(),
        two_readings(),
        wrong_types(),
    ]
    .concat()
}

/// `none` and its like (RFC 8725 §3.2), with the good signature and without one.
fn not_an_algorithm() -> Vec<Forgery> {
    let names = [
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        " none",
        "\u{0}none",
        "null",
        "",
        "RS256 ",
        " RS256",
        "rs256",
        "RS-256",
        "RS256\u{0}",
        "RS1",
        "RSA",
        "PS",
        "ES256K",
        "es256",
        "Ed448",
        "ed25519",
        "RSA-OAEP",
        "dir",
        "A128KW",
        "ECDH-ES",
        "A256GCM",
        "HS256K",
        "MD5",
        "RS256,none",
        "*",
    ];
    let input = |name: &str| {
        let header = with(honest_header("RS256"), json!({"alg": name}));
        format!("{}.{}", encode(header.to_string().as_bytes()), encode_claims())
    };
    let signed = names.map(|name| {
        let token = sign_input(&SigningKey::for_algorithm("RS256"), &input(name));
        forgery(format!("alg {name:?}, signed"), token, "algorithm_not_allowed")
    });
    let unsigned = names.map(|name| {
        let token = format!("{}.", input(name));
        forgery(format!("alg {name:?}, no signature"), token, "algorithm_not_allowed")
    });
    signed.into_iter().chain(unsigned).collect()
}

/// A public key taken for a shared secret (RFC 8725 §2.1).
fn shared_secrets() -> Vec<Forgery> {
    let key = SigningKey::for_algorithm("RS256").jwk();
    let text = |name: &str| key[name].as_str().expect("an RSA key has it").as_bytes().to_vec();
    let secrets = [
        ("nothing", Vec::new()),
        ("the modulus", text("n")),
        ("the exponent", text("e")),
        ("the JWK", key.to_string().into_bytes()),
        ("the key set", json!({"keys": [key]}).to_string().into_bytes()),
        ("the issuer", b"https://issuer.example/".to_vec()),
        ("a well-known word", b"secret".to_vec()),
    ];
    let mut forged = Vec::new();
    for algorithm in ["HS256", "HS384", "HS512"] {
        for (name, secret) in &secrets {
            for kid in [Some("RS256"), None] {
                let header = with(honest_header(algorithm), json!({"kid": kid}));
                let input =
                    format!("{}.{}", encode(header.to_string().as_bytes()), encode_claims());
                let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length will do");
                mac.update(input.as_bytes());
                let token = format!("{input}.{}", encode(&mac.finalize().into_bytes()));
                let name = format!("{algorithm} with {name} as the secret, kid {kid:?}");
                forged.push(forgery(name, token, "algorithm_not_allowed"));
            }
        }
    }
    forged
}

/// A signature of one algorithm under the name of another, with the key's name and without.
fn swapped_algorithms() -> Vec<Forgery> {
    let mut forged = Vec::new();
    let is_rsa = |name: &str| name.starts_with(['R', 'P']);
    for signed_by in ALGORITHMS {
        let key = SigningKey::for_algorithm(signed_by);
        for claimed in ALGORITHMS.into_iter().chain(["ES384", "ES512"]) {
            if claimed == signed_by {
                continue;
            }
            for kid in [Some(signed_by), None] {
                let header = with(honest_header(claimed), json!({"kid": kid}));
                let token = key.sign_under(&header, &honest_claims());
                let fits = kid.is_none() || (is_rsa(signed_by) && is_rsa(claimed));
                let reason = match claimed {
                    "ES384" | "ES512" => "algorithm_not_allowed",
                    _ if fits => "bad_signature",
                    _ => "unknown_key",
                };
                let name = format!("{signed_by} called {claimed}, kid {kid:?}");
                forged.push(forgery(name, token, reason));
            }
        }
    }
    forged
}

/// Tokens that were made for something else (RFC 8725 §3.11).
fn types() -> Vec<Forgery> {
    let others = [
        "id+jwt",
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "oauth-authz-req+jwt",
        "JWE",
        "JOSE",
        "JOSE+JSON",
        "at",
        "at+jwt ",
        " JWT",
        "at +jwt",
        "application/",
        "application/id+jwt",
        "text/jwt",
        "application/application/jwt",
        "",
        "jwt;v=1",
        "at+jwt,JWT",
        "J\u{17f}WT",
    ];
    let typed = |typ: &str| sign_header(&with(honest_header("ES256"), json!({"typ": typ})));
    others.map(|typ| forgery(format!("typ {typ:?}"), typed(typ), "wrong_type")).into()
}

/// Extensions that change what a signature is over or what the payload is (RFC 7515 §4.1.11,
/// RFC 7797), understood by nobody here.
fn extensions() -> Vec<Forgery> {
    let members = [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(["b64"])),
        ("crit", json!("exp")),
        ("crit", json!(null)),
        ("crit", json!(1)),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("b64", json!(null)),
        ("zip", json!("DEF")),
        ("zip", json!("")),
        ("zip", json!(null)),
    ];
    let extended = members.map(|(name, value)| {
        let header = with_exactly(honest_header("ES256"), name, value.clone());
        forgery(format!("{name} {value}"), sign_header(&header), "malformed_token")
    });
    let both = with(honest_header("ES256"), json!({"crit": ["b64"], "b64": false}));
    let key = SigningKey::for_algorithm("ES256");
    let input = format!("{}.{}", encode(both.to_string().as_bytes()), honest_claims());
    let unencoded = sign_input(&key, &input);
    extended
        .into_iter()
        .chain([
            forgery("crit b64 with an encoded payload", sign_header(&both), "malformed_token"),
            forgery("crit b64 with a payload as it is", unencoded, "malformed_request"),
        ])
        .collect()
}

/// Key ids that name no key, or a file, a query, an address.
fn key_ids() -> Vec<Forgery> {
    let long = "k".repeat(2000);
    let unknown = [
        "",
        "es256",
        "ES256 ",
        " ES256",
        "ES256\u{0}",
        "ES256\n",
        "../../../../dev/null",
        "/etc/passwd",
        "' OR '1'='1",
        "ES256'; DROP TABLE keys; --",
        "$(id)",
        "|id",
        "https://attacker.example/jwks",
        "\u{ff25}S256",
        "ES256/../EdDSA",
        "*",
        "0",
        "null",
        &long,
    ];
    let named = |kid: &str| sign_header(&with(honest_header("ES256"), json!({"kid": kid})));
    let unknown = unknown.map(|kid| {
        let shown: String = kid.chars().take(40).collect();
        forgery(format!("kid {shown:?}"), named(kid), "unknown_key")
    });
    let of_another_type = ["RS256", "PS512", "EdDSA"]
        .map(|kid| forgery(format!("ES256 with the kid of {kid}"), named(kid), "unknown_key"));
    unknown.into_iter().chain(of_another_type).collect()
}

/// A stranger's key in the token itself (RFC 8725 §3.10): the token does not choose its key.
fn keys_brought_along() -> Vec<Forgery> {
    let mut forged = Vec::new();
    for algorithm in ["RS256", "PS256", "ES256", "EdDSA"] {
        let stranger = SigningKey::of_a_stranger(algorithm);
        let members = [
            ("jwk", stranger.jwk()),
            ("jku", json!("https://attacker.example/jwks.json")),
            ("x5u", json!("https://attacker.example/cert.pem")),
            ("x5c", json!(["MIIB"])),
            ("x5t", json!("AAAA")),
            ("iss", json!("https://attacker.example/")),
        ];
        for (member, value) in members {
            for (kid, reason) in [
                (json!(algorithm), "bad_signature"),
                (json!(null), "bad_signature"),
                (json!("stranger"), "unknown_key"),
            ] {
                let header = with(honest_header(algorithm), json!({"kid": kid}));
                let header = with_exactly(header, member, value.clone());
                let token = stranger.sign_under(&header, &honest_claims());
                forged.push(forgery(
                    format!("{algorithm} with {member}, kid {kid}"),
                    token,
                    reason,
                ));
            }
        }
    }
    forged
}

/// Headers that two readers read differently.
fn two_readings() -> Vec<Forgery> {
    let headers = [
        ("alg twice", r#"{"alg":"ES256","kid":"ES256","alg":"none"}"#),
        ("alg twice, none first", r#"{"alg":"none","kid":"ES256","alg":"ES256"}"#),
        ("alg twice, alike", r#"{"alg":"ES256","kid":"ES256","alg":"ES256"}"#),
        ("alg twice by an escape", r#"{"alg":"ES256","kid":"ES256","\u0061lg":"none"}"#),
        ("kid twice", r#"{"alg":"ES256","kid":"x","kid":"ES256"}"#),
        ("a member twice that nobody reads", r#"{"alg":"ES256","kid":"ES256","x":1,"x":2}"#),
        ("a member twice further down", r#"{"alg":"ES256","kid":"ES256","x":{"y":1,"y":2}}"#),
        ("something behind the object", r#"{"alg":"ES256","kid":"ES256"}{"alg":"none"}"#),
        ("a byte order mark", "\u{feff}{\"alg\":\"ES256\",\"kid\":\"ES256\"}"),
        ("a comment", r#"{"alg":"ES256",/*x*/"kid":"ES256"}"#),
        ("a comma too many", r#"{"alg":"ES256","kid":"ES256",}"#),
        ("single quotes", r#"{'alg':'ES256','kid':'ES256'}"#),
        ("no quotes", r#"{alg:"ES256",kid:"ES256"}"#),
        ("an escape that is none", r#"{"alg":"ES256","kid":"\ES256"}"#),
        ("half of a surrogate pair", r#"{"alg":"ES256","kid":"ES256","x":"\ud800"}"#),
        ("a raw control character", "{\"alg\":\"ES256\",\"kid\":\"ES256\",\"x\":\"\n\"}"),
        ("cut short", r#"{"alg":"ES256","kid":"ES256""#),
        ("nothing", ""),
        ("white space", "  "),
        ("an array", r#"["ES256"]"#),
        ("a string", r#""ES256""#),
        ("a number", "1"),
        ("null", "null"),
        ("an array around it", r#"[{"alg":"ES256","kid":"ES256"}]"#),
        ("no alg", r#"{"kid":"ES256"}"#),
        ("Alg", r#"{"Alg":"ES256","kid":"ES256"}"#),
        ("an empty object", "{}"),
    ];
    let key = SigningKey::for_algorithm("ES256");
    let claims = honest_claims().to_string();
    let texts = headers.map(|(name, text)| {
        forgery(format!("header: {name}"), sign_texts(&key, text, &claims), "malformed_token")
    });
    let not_utf8 =
        sign_texts(&key, b"{\"alg\":\"ES256\",\"kid\":\"ES256\",\"x\":\"\xff\"}", &claims);
    let deep =
        format!(r#"{{"alg":"ES256","kid":"ES256","x":{}1{}}}"#, "[".repeat(500), "]".repeat(500));
    texts
        .into_iter()
        .chain([
            forgery("header: not UTF-8", not_utf8, "malformed_token"),
            forgery("header: 500 deep", sign_texts(&key, deep, &claims), "malformed_token"),
        ])
        .collect()
}

/// Members of another type than theirs.
fn wrong_types() -> Vec<Forgery> {
    let mut forged = Vec::new();
    for member in ["alg", "kid", "typ"] {
        for value in [json!(null), json!(1), json!(true), json!(["ES256"]), json!({"ES256": 1})] {
            let header = with_exactly(honest_header("ES256"), member, value.clone());
            let token = sign_header(&header);
            forged.push(forgery(format!("{member} is {value}"), token, "malformed_token"));
        }
    }
    forged
}

/// A good token but for its header.
fn sign_header(header: &Value) -> String {
    SigningKey::for_algorithm("ES256").sign_under(header, &honest_claims())
}

fn encode_claims() -> String {
    debug_assert!(honest_claims()["aud"] == RESOURCE);
    parts(&honest("EdDSA"))[1].to_owned()
}
