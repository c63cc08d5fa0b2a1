//! What clients say of themselves: the body of a registration, and with other members the document at
//! a client id. What is accepted can be answered somewhere, and is told back in JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_auth::oauth::client::{metadata::Metadata, redirect_uri};

fuzz_target!(|data: &[u8]| {
    let scopes = ["mcp:read".to_owned(), "mcp:write".to_owned()];
    let Ok(metadata) = Metadata::of_registration(data, &scopes) else { return };
    let told = metadata.registered();
    let uris = told["redirect_uris"].as_array().expect("a list");
    assert!(!uris.is_empty());
    for uri in uris {
        assert!(redirect_uri::check(uri.as_str().expect("a string"), None).is_ok());
    }
    for scope in told.get("scope").and_then(|it| it.as_str()).unwrap_or("").split_whitespace() {
        assert!(scopes.iter().any(|known| known == scope), "{scope:?} is none of ours");
    }
});
