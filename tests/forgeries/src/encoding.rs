//! The compact serialization (RFC 7515 §7.1): parts too many or too few, and base64url that is not the
//! one encoding of its bytes, so that one signature would be good for several texts.

use serde_json::json;

use crate::{
    Forgery, forgery, honest, honest_claims, parts, sign_input,
    signing::{SigningKey, encode},
};

/// What is done to a part.
type Change = fn(&str) -> String;

pub(crate) fn all() -> Vec<Forgery> {
    [other_forms(), loose_base64()].concat()
}

fn other_forms() -> Vec<Forgery> {
    let good = honest("ES256");
    let [header, payload, signature] = parts(&good);
    let flattened = json!({"protected": header, "payload": payload, "signature": signature});
    let general = json!({
        "payload": payload,
        "signatures": [{"protected": header, "signature": signature}],
    });
    let malformed = [
        ("one part", header.to_owned()),
        ("two parts", format!("{header}.{payload}")),
        ("four parts", format!("{good}.{signature}")),
        (
            "five parts, as a JWE has",
            format!("{header}.{signature}.{signature}.{payload}.{signature}"),
        ),
        ("a dot before", format!(".{good}")),
        ("a dot behind", format!("{good}.")),
        ("dots alone", "..".to_owned()),
        ("one dot", ".".to_owned()),
        ("no header", format!(".{payload}.{signature}")),
        ("no payload", format!("{header}..{signature}")),
        (
            "a detached payload",
            sign_input(&SigningKey::for_algorithm("ES256"), &format!("{header}.")),
        ),
        ("parts in another order", format!("{payload}.{header}.{signature}")),
        ("a slash for a dot", format!("{header}/{payload}/{signature}")),
        ("a token in a token", encode(good.as_bytes())),
        ("JSON, flattened, encoded", encode(flattened.to_string().as_bytes())),
        ("JSON, general, encoded", encode(general.to_string().as_bytes())),
        ("no token at all", "null".to_owned()),
        ("a percent escape for a dot", format!("{header}%2e{payload}.{signature}")),
        ("quotes around it", format!("\"{good}\"")),
    ];
    let request = [
        ("JSON, flattened", flattened.to_string()),
        ("JSON, general", general.to_string()),
        ("twice, with a comma", format!("{good},{good}")),
        ("twice, with a space", format!("{good} {good}")),
        ("a comma behind", format!("{good},")),
    ];
    malformed
        .map(|(name, token)| forgery(name, token, "malformed_token"))
        .into_iter()
        .chain(request.map(|(name, token)| forgery(name, token, "malformed_request")))
        .collect()
}

/// What lenient decoders let through, in each part; the first two parts signed as they stand.
fn loose_base64() -> Vec<Forgery> {
    let key = SigningKey::for_algorithm("ES256");
    // With a `>` and a `?` in them, so that the two alphabets differ, and of a length that wants
    // padding.
    let header = json!({"x": "~~~???>>>", "kid": "ES256", "alg": "ES256"}).to_string();
    let mut claims = honest_claims();
    claims["x"] = json!("~~~???>>>");
    let payload = claims.to_string();
    let padded = |text: &str| {
        let spaces = (1..).find(|spaces| (text.len() + spaces) % 3 == 1);
        encode(format!("{text}{}", " ".repeat(spaces.expect("one of three"))).as_bytes())
    };
    let texts = [padded(&header), padded(&payload)];
    let changes: [(&str, Change); 15] = [
        ("padding", |part| format!("{part}==")),
        ("half of the padding", |part| format!("{part}=")),
        ("padding before", |part| format!("=={part}")),
        ("the other alphabet", |part| part.replace('-', "+").replace('_', "/")),
        ("a bit that means nothing", |part| format!("{}{}", &part[..part.len() - 1], stray(part))),
        ("a letter too many", |part| format!("{part}AAA")),
        ("a letter cut off", |part| part[..part.len() - 1].to_owned()),
        ("a star in it", |part| format!("{}*{}", &part[..4], &part[4..])),
        ("a tilde in it", |part| format!("{}~{}", &part[..4], &part[4..])),
        ("an escape in it", |part| format!("{}%41{}", &part[..4], &part[5..])),
        ("a backslash in it", |part| format!("{}\\{}", &part[..4], &part[4..])),
        ("a colon before", |part| format!(":{part}")),
        ("a null escape in it", |part| format!("{}%00{}", &part[..4], &part[4..])),
        ("an equals sign in the middle", |part| format!("{}={}", &part[..4], &part[4..])),
        ("a quote behind", |part| format!("{part}\"")),
    ];
    let mut forged = Vec::new();
    for (name, change) in changes {
        let [header, payload] = &texts;
        let signed = |input: &str| sign_input(&key, input);
        let in_header = signed(&format!("{}.{payload}", change(header)));
        let in_payload = signed(&format!("{header}.{}", change(payload)));
        forged.push(forgery(format!("header with {name}"), in_header, "malformed_token"));
        forged.push(forgery(format!("payload with {name}"), in_payload, "malformed_token"));
        if let Some(token) = in_signature(name, change) {
            forged.push(forgery(format!("signature with {name}"), token, "malformed_token"));
        }
    }
    forged
}

/// A good token whose signature is encoded loosely, if the change finds something to change in it.
fn in_signature(name: &str, change: Change) -> Option<String> {
    // A signature has 64 bytes: 86 letters, of which the last one has four stray bits.
    let good = honest("EdDSA");
    let (input, signature) = good.rsplit_once('.').expect("it has dots");
    let changed = change(signature);
    let is_another = changed != signature && name != "a letter too many";
    is_another.then(|| format!("{input}.{changed}"))
}

/// Another last letter for the same bytes, of which the last group has one.
fn stray(part: &str) -> char {
    match part.chars().last() {
        Some('A') => 'B',
        Some('Q') => 'R',
        Some('g') => 'h',
        Some('w') => 'x',
        other => panic!("{other:?} does not end a group of one byte"),
    }
}
