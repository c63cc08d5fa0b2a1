//! Key sets. A key that is used was published as public, and is strong enough.
#![no_main]

use auth_core::jwk;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Ok(keys) = jwk::parse_set(data) else { return };
    // Each key is read on its own, so there may be keys that cannot be read beside one that can.
    let Ok(document) = serde_json::from_slice::<Value>(data) else { return };
    let published = document["keys"].as_array().expect("a list");
    assert!(keys.len() <= published.len());
    let usable = |jwk: &&Value| jwk.get("d").is_none() && jwk["kty"] != "oct";
    assert!(keys.len() <= published.iter().filter(usable).count());
    for key in keys {
        assert!(!key.spki().is_empty());
    }
});
