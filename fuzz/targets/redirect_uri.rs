//! Redirect URIs: two of them, a line each, the registered and the asked one. A browser that is sent to
//! what was accepted arrives where it says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_auth::oauth::client::redirect_uri::{ApplicationType, check, is_same};
use url::{Host, Url};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (registered, asked) = text.split_once('\n').unwrap_or((text, text));
    if check(registered, None).is_err() {
        return;
    }
    let url = Url::parse(registered).expect("an accepted one is a URL");
    assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
    assert!(!registered.contains(['\\', '\t', '\n', '\r', ' ', '"', '<', '>']));
    match url.scheme() {
        "https" => {}
        "http" => assert!(is_loopback(&url), "{url} is on another machine"),
        scheme => assert!(!["javascript", "data", "file", "blob", "about"].contains(&scheme)),
    }
    if check(registered, Some(ApplicationType::Web)).is_ok() {
        assert_eq!(url.scheme(), "https");
    }
    if is_same(registered, asked) {
        let other = Url::parse(asked).expect("the same but for a port");
        let but_for_port = |url: &Url| {
            (
                url.scheme().to_owned(),
                url.host_str().map(str::to_owned),
                url.path().to_owned(),
                url.query().map(str::to_owned),
            )
        };
        assert_eq!(but_for_port(&url), but_for_port(&other));
        assert!(url.port() == other.port() || url.scheme() == "http" && is_loopback(&url));
        assert!(other.username().is_empty() && other.fragment().is_none());
    }
});

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
