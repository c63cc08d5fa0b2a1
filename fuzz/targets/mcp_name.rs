//! `Mcp-Name`: a name has one encoding, and what no header may carry is refused.
#![no_main]

use auth_core::mcp::mirrored::decode_name;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(name) = decode_name(data) else { return };
    let encoded = format!("=?base64?{}?=", STANDARD.encode(&name));
    assert!(data == name.as_bytes() || data == encoded.as_bytes(), "{name:?} in two ways");
    assert_eq!(decode_name(encoded.as_bytes()).expect("it is encoded"), name);
});
