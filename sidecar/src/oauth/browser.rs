//! Which browser a login was begun in: a cookie that holds a random value and nothing else.
//!
//! Whoever lures somebody into a login of their own, or brings back an answer that was meant for
//! another browser, does not have the cookie of the browser that began it (RFC 9700 §4.7).

use axum::http::{HeaderMap, HeaderValue};
use url::Url;

use super::{opaque::Opaque, transaction};
use crate::cookie;

/// With this prefix browsers take the cookie only from this very host, over TLS and for all paths,
/// so that no neighbour under the same domain can set it.
const SECURE_NAME: &str = "__Host-mcp-auth-browser";
/// Without TLS, which is for development, there is no such protection.
const PLAIN_NAME: &str = "mcp-auth-browser";
/// The length of the value.
const LENGTH: usize = 43;

/// One browser.
#[derive(Clone, Debug)]
pub struct Browser(Opaque);

impl Browser {
    /// The one that sent this, or a new one if it has not been here lately.
    pub fn of(headers: &HeaderMap, public_url: &Url) -> Self {
        let known = values(headers, name(public_url)).next();
        Self(known.map_or_else(Opaque::random, Opaque::offered))
    }

    /// Names the browser where its value must not be readable.
    pub fn digest(&self) -> String {
        self.0.digest()
    }

    /// The `Set-Cookie` that lasts as long as a login may take from now on.
    pub fn cookie(&self, public_url: &Url) -> HeaderValue {
        let secure = if is_secure(public_url) { "; Secure" } else { "" };
        let (name, value) = (name(public_url), self.0.expose());
        let lasts = transaction::LIFETIME.as_secs();
        // The provider sends the browser back from another site: `Strict` would withhold it then.
        let cookie =
            format!("{name}={value}; Path=/; Max-Age={lasts}; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::from_str(&cookie).expect("the value is base64url")
    }
}

/// Whether the browser of this digest sent this.
pub fn is_of(headers: &HeaderMap, public_url: &Url, digest: &str) -> bool {
    values(headers, name(public_url)).any(|value| Opaque::offered(value).digest() == digest)
}

fn is_secure(public_url: &Url) -> bool {
    public_url.scheme() == "https"
}

fn name(public_url: &Url) -> &'static str {
    if is_secure(public_url) { SECURE_NAME } else { PLAIN_NAME }
}

fn values<'h>(headers: &'h HeaderMap, name: &'h str) -> impl Iterator<Item = &'h str> {
    cookie::values(headers, name).filter(|value| is_ours(value))
}

fn is_ours(value: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    value.len() == LENGTH && value.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use axum::http::header;

    use super::*;

    #[test]
    fn the_cookie_is_kept_from_scripts_neighbours_and_plain_http() {
        let url = Url::parse("https://auth.example/base").unwrap();
        let browser = Browser(Opaque::offered(&"v".repeat(LENGTH)));
        insta::assert_snapshot!(browser.cookie(&url).to_str().unwrap(),
            @"__Host-mcp-auth-browser=vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv; Path=/; Max-Age=900; HttpOnly; SameSite=Lax; Secure");
        let plain = Url::parse("http://localhost:8081").unwrap();
        insta::assert_snapshot!(browser.cookie(&plain).to_str().unwrap(),
            @"mcp-auth-browser=vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv; Path=/; Max-Age=900; HttpOnly; SameSite=Lax");
    }

    #[test]
    fn a_browser_is_known_by_its_own_cookie_only() {
        let url = Url::parse("https://auth.example").unwrap();
        let mut headers = HeaderMap::new();
        let browser = Browser::of(&headers, &url);
        assert_ne!(browser.digest(), Browser::of(&headers, &url).digest());
        let value = browser.0.expose();
        for (cookie, known) in [
            (format!("a=b; {SECURE_NAME}={value}; c=d"), true),
            (format!("{PLAIN_NAME}={value}"), false),
            (format!("{SECURE_NAME}={value}x"), false),
            (format!("{SECURE_NAME}="), false),
            (format!("x{SECURE_NAME}={value}"), false),
        ] {
            headers.insert(header::COOKIE, HeaderValue::from_str(&cookie).unwrap());
            assert_eq!(is_of(&headers, &url, &browser.digest()), known, "{cookie}");
            assert_eq!(Browser::of(&headers, &url).digest() == browser.digest(), known);
        }
    }
}
