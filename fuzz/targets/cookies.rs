//! `Cookie` headers, one a line: a browser is what one of its cookies says, or a new one.
#![no_main]

use http::{HeaderMap, HeaderValue, header::COOKIE};
use libfuzzer_sys::fuzz_target;
use mcp_auth::oauth::browser::{self, Browser};
use url::Url;

fuzz_target!(|data: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(COOKIE, value);
        }
    }
    for url in ["https://mcp.example.com/", "http://127.0.0.1:8080/"] {
        let url = Url::parse(url).expect("a URL");
        let known = Browser::of(&headers, &url);
        let cookie = known.cookie(&url);
        let (pair, _) = cookie.to_str().expect("text").split_once(';').expect("attributes");
        let said = headers.get_all(COOKIE).iter().any(|value| {
            let parts = value.as_bytes().split(|byte| *byte == b';');
            parts.map(<[u8]>::trim_ascii).any(|part| part == pair.as_bytes())
        });
        assert_eq!(browser::is_of(&headers, &url, &known.digest()), said);
    }
});
