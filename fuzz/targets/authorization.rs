//! Values of `Authorization`, one a line. A token is found only where there is one value, and is a
//! part of it as it stands.
#![no_main]

use auth_core::credential::{Credential, LONGEST_TOKEN, query_has_token};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let values: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    if let Ok(found) = Credential::find(values.iter().copied()) {
        let [value] = values.as_slice() else { panic!("several values, and one token") };
        let token = found.bytes();
        assert!(!token.is_empty() && token.len() <= LONGEST_TOKEN);
        let (scheme, rest) = value.split_at(6);
        assert!(scheme.eq_ignore_ascii_case(b"bearer"));
        assert_eq!(rest.trim_ascii(), token.trim_ascii());
    }
    if let Ok(query) = std::str::from_utf8(data) {
        let plain = query.split('&').any(|pair| pair.split('=').next() == Some("access_token"));
        assert!(query_has_token(query) || !plain);
    }
});
