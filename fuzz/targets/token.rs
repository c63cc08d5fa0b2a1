//! Tokens. One that can be taken apart is three parts of strict base64url, the first two JSON objects
//! as `serde_json` reads them.
#![no_main]

use auth_core::jws::{CompactJws, UntrustedJwt};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Most bytes are no base64: beside the token itself, what it would be with these as its parts.
    let parts: Vec<_> = text.split('\n').map(|part| URL_SAFE_NO_PAD.encode(part)).collect();
    for token in [text.to_owned(), parts.join(".")] {
        let Ok(jws) = CompactJws::decode(&token) else { continue };
        let Ok(jwt) = UntrustedJwt::read(&jws) else { continue };
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, signature] = parts.as_slice() else { panic!("not three parts") };
        let header = object(header);
        let claims = object(claims);
        assert!(URL_SAFE_NO_PAD.decode(signature).is_ok());
        assert_eq!(header["alg"], jwt.algorithm().name());
        assert_eq!(header.get("kid").and_then(Value::as_str), jwt.kid());
        assert!(!header.contains_key("crit") && !header.contains_key("b64"));
        if let Ok(issuer) = jwt.issuer() {
            assert_eq!(claims["iss"], issuer);
        }
    }
});

fn object(part: &str) -> Map<String, Value> {
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("strict base64url");
    serde_json::from_slice(&bytes).expect("an object")
}
