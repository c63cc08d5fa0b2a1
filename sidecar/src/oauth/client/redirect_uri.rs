//! Where a client may be answered: which redirect URIs may be registered, and which one a request
//! means (RFC 6749 §3.1.2, RFC 8252 §7, RFC 9700 §2.1).

use serde::{Deserialize, Serialize};
use url::Url;

use crate::config::values::is_loopback;

/// The longest redirect URI.
const LONGEST: usize = 2048;

/// Schemes that make a browser do something else than hand the answer to an application.
const REFUSED_SCHEMES: [&str; 12] = [
    "javascript",
    "data",
    "vbscript",
    "file",
    "blob",
    "about",
    "view-source",
    "intent",
    "mailto",
    "ftp",
    "ws",
    "wss",
];

/// What kind of application a client says it is (OpenID Connect Registration §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplicationType {
    /// Runs on a server: answered by `https:` alone.
    Web,
    /// Runs on the user's device.
    Native,
}

/// Why a redirect URI may not be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// Nobody needs one that long.
    #[error("it is longer than {LONGEST} bytes")]
    TooLong,
    /// Not an absolute URI, or not written as RFC 3986 has it.
    #[error("it is not an absolute URI")]
    NotAUri,
    /// A fragment.
    #[error("it has a fragment")]
    Fragment,
    /// User or password.
    #[error("it has a user or password")]
    UserInfo,
    /// A wildcard. None are expanded, and none shall look as if they were.
    #[error("it has a wildcard")]
    Wildcard,
    /// `.` or `..`: browsers would send the answer elsewhere than it says.
    #[error("it has a dot segment")]
    DotSegment,
    /// One of [`REFUSED_SCHEMES`].
    #[error("its scheme is never answered")]
    Scheme,
    /// `http:` to another machine.
    #[error("http: is for loopback only (127.0.0.1, [::1], localhost)")]
    PlainHttp,
    /// Not `https:`, for a web application.
    #[error("application_type web is answered by https: only")]
    WebNeedsHttps,
}

/// Whether a client may register this.
///
/// ```
/// use mcp_auth::oauth::client::redirect_uri::{NotAllowed, check};
/// assert!(check("https://app.example/callback", None).is_ok());
/// assert!(check("http://127.0.0.1:3000/callback", None).is_ok());
/// assert!(check("cursor://anysphere.cursor-retrieval/oauth", None).is_ok());
/// assert_eq!(check("http://app.example/callback", None), Err(NotAllowed::PlainHttp));
/// assert_eq!(check("javascript:alert(1)", None), Err(NotAllowed::Scheme));
/// ```
///
/// # Errors
/// [`NotAllowed`]
pub fn check(text: &str, application: Option<ApplicationType>) -> Result<(), NotAllowed> {
    if text.len() > LONGEST {
        return Err(NotAllowed::TooLong);
    }
    if text.contains('#') {
        return Err(NotAllowed::Fragment);
    }
    if text.contains('*') {
        return Err(NotAllowed::Wildcard);
    }
    if !has_uri_characters_only(text) {
        return Err(NotAllowed::NotAUri);
    }
    let url = Url::parse(text).map_err(|_| NotAllowed::NotAUri)?;
    let parts = Parts::of(text).ok_or(NotAllowed::NotAUri)?;
    if parts.authority.is_some_and(|authority| authority.contains('@')) {
        return Err(NotAllowed::UserInfo);
    }
    if parts.path.split('/').any(is_dot_segment) {
        return Err(NotAllowed::DotSegment);
    }
    match url.scheme() {
        "https" => parts.names_host(&url).then_some(()).ok_or(NotAllowed::NotAUri),
        _ if application == Some(ApplicationType::Web) => Err(NotAllowed::WebNeedsHttps),
        "http" if !parts.names_host(&url) => Err(NotAllowed::NotAUri),
        "http" if is_loopback(&url) => Ok(()),
        "http" => Err(NotAllowed::PlainHttp),
        scheme if REFUSED_SCHEMES.contains(&scheme) => Err(NotAllowed::Scheme),
        _ => Ok(()),
    }
}

/// Whether a request for `asked` means what was registered: the same text, but for the port of an
/// `http:` URI on loopback, which the system chooses when the application starts (RFC 8252 §7.3).
///
/// ```
/// use mcp_auth::oauth::client::redirect_uri::is_same;
/// assert!(is_same("http://localhost/callback", "http://localhost:49152/callback"));
/// assert!(!is_same("http://localhost/callback", "http://127.0.0.1/callback"));
/// assert!(!is_same("https://app.example/callback", "https://app.example:8443/callback"));
/// ```
pub fn is_same(registered: &str, asked: &str) -> bool {
    if registered == asked {
        return true;
    }
    match (without_port(registered), without_port(asked)) {
        (Some(registered), Some(asked)) => registered == asked,
        _ => false,
    }
}

/// Whether only this device can be answered there: then any program on it may be the one that
/// listens.
pub fn is_on_device(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| url.scheme() == "http" && is_loopback(&url))
}

/// A URI taken apart by RFC 3986 alone, without the repairs that browsers make.
struct Parts<'t> {
    authority: Option<&'t str>,
    path: &'t str,
}

impl<'t> Parts<'t> {
    fn of(text: &'t str) -> Option<Self> {
        let (_, rest) = text.split_once(':')?;
        let before_query = rest.split('?').next().unwrap_or(rest);
        Some(match before_query.strip_prefix("//") {
            None => Self { authority: None, path: before_query },
            Some(rest) => {
                let at = rest.find('/').unwrap_or(rest.len());
                Self { authority: Some(&rest[..at]), path: &rest[at..] }
            }
        })
    }

    /// Whether the host stands there as everybody reads it: no `http:/host`, no `127.1`.
    fn names_host(&self, url: &Url) -> bool {
        let Some((host, _)) = self.authority.and_then(host_and_port) else { return false };
        url.host_str().is_some_and(|read| read.eq_ignore_ascii_case(host))
    }
}

/// The port is the digits after the colon, if there is one.
fn host_and_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let end = if authority.starts_with('[') { authority.find(']')? + 1 } else { 0 };
    let (host, port) = match authority[end..].find(':') {
        Some(at) => (&authority[..end + at], Some(&authority[end + at + 1..])),
        None => (authority, None),
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok() && !port.starts_with('+');
    (!host.is_empty() && port.is_none_or(is_port)).then_some((host, port))
}

/// An `http:` URI on loopback, as it would read without its port.
fn without_port(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("http://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, _) = host_and_port(&rest[..end])?;
    check(text, None).ok()?;
    Some((host, &rest[end..]))
}

/// Unreserved, reserved and percent-encoded (RFC 3986 §2).
fn has_uri_characters_only(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()+,;=%".contains(&byte);
    let encoded = |rest: &str| {
        rest.as_bytes().get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    };
    text.bytes().all(allowed) && text.split('%').skip(1).all(encoded)
}

fn is_dot_segment(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn clients_in_use_may_register_what_they_register() {
        for text in [
            "https://claude.ai/api/mcp/auth_callback",
            "https://vscode.dev/redirect",
            "http://127.0.0.1:33418",
            "http://127.0.0.1/",
            "http://localhost:6274/oauth/callback/debug",
            "http://[::1]:8080/callback",
            "http://127.0.0.2/callback",
            "cursor://anysphere.cursor-retrieval/oauth/user-x/callback",
            "vscode://vscode.microsoft-authentication",
            "com.example.app:/oauth2redirect",
            "https://app.example/callback?tenant=%C3%A9&x=y",
            "https://app.example:8443/callback",
            "HTTPS://APP.example/callback",
            "https://app.example/a..b/.c",
        ] {
            assert_eq!(check(text, None), Ok(()), "{text}");
        }
    }

    #[test]
    fn tricks_are_refused() {
        use NotAllowed as N;
        for (text, why) in [
            ("", N::NotAUri),
            ("/callback", N::NotAUri),
            ("callback", N::NotAUri),
            ("https:", N::NotAUri),
            ("https://", N::NotAUri),
            ("https:/app.example/", N::NotAUri),
            ("https:app.example", N::NotAUri),
            ("https:///app.example/", N::NotAUri),
            ("https://app.example\\@evil.example/", N::NotAUri),
            ("https://app.example/ callback", N::NotAUri),
            ("https://app.example/\r\nlocation: x", N::NotAUri),
            ("https://app.example/%zz", N::NotAUri),
            ("https://app.example/é", N::NotAUri),
            ("https://é.example/", N::NotAUri),
            ("https://app.example:99999/", N::NotAUri),
            ("https://app.example/cb#x", N::Fragment),
            ("https://app.example/cb#", N::Fragment),
            ("https://user@app.example/", N::UserInfo),
            ("https://app.example@evil.example/", N::UserInfo),
            ("http://localhost@evil.example/", N::UserInfo),
            ("http://127.0.0.1:80@evil.example/", N::UserInfo),
            ("app://user@host/", N::UserInfo),
            ("https://*.example/", N::Wildcard),
            ("https://app.example/*", N::Wildcard),
            ("https://app.example/a/../b", N::DotSegment),
            ("https://app.example/a/./b", N::DotSegment),
            ("https://app.example/a/%2e%2E/b", N::DotSegment),
            ("https://app.example/.%2e", N::DotSegment),
            ("com.example:/a/../b", N::DotSegment),
            ("http://app.example/", N::PlainHttp),
            ("http://localhost.evil.example/", N::PlainHttp),
            ("http://127.0.0.1.evil.example/", N::PlainHttp),
            ("http://10.0.0.1/", N::PlainHttp),
            ("http://0.0.0.0/", N::PlainHttp),
            ("http://127.1/", N::NotAUri),
            ("http://0x7f000001/", N::NotAUri),
            ("http://2130706433/", N::NotAUri),
            ("javascript:alert(1)", N::Scheme),
            ("JavaScript:alert(1)", N::Scheme),
            ("data:text/html,x", N::Scheme),
            ("vbscript:x", N::Scheme),
            ("file:///etc/passwd", N::Scheme),
            ("blob:https://app.example/x", N::Scheme),
            ("about:blank", N::Scheme),
            ("view-source:https://app.example/", N::Scheme),
            ("intent://scan/#Intent;scheme=zxing;end", N::Fragment),
            ("intent:scan", N::Scheme),
            ("mailto:a", N::Scheme),
            ("ftp://app.example/", N::Scheme),
            ("ws://app.example/", N::Scheme),
            ("wss://app.example/", N::Scheme),
        ] {
            assert_eq!(check(text, None), Err(why), "{text:?}");
        }
        let long = format!("https://app.example/{}", "a".repeat(LONGEST));
        assert_eq!(check(&long, None), Err(N::TooLong));
    }

    #[test]
    fn a_web_application_is_answered_by_https_only() {
        let web = Some(ApplicationType::Web);
        assert_eq!(check("https://app.example/", web), Ok(()));
        for text in ["http://localhost/", "com.example.app:/callback"] {
            assert_eq!(check(text, web), Err(NotAllowed::WebNeedsHttps));
            assert_eq!(check(text, Some(ApplicationType::Native)), Ok(()));
        }
    }

    #[test]
    fn only_the_port_on_loopback_may_differ() {
        for (registered, asked) in [
            ("http://127.0.0.1/cb", "http://127.0.0.1:1/cb"),
            ("http://127.0.0.1:80/cb", "http://127.0.0.1:65535/cb"),
            ("http://127.0.0.1:9/cb", "http://127.0.0.1/cb"),
            ("http://[::1]/cb?x=1", "http://[::1]:7/cb?x=1"),
            ("http://localhost:1", "http://localhost:2"),
        ] {
            assert!(is_same(registered, asked), "{registered} {asked}");
        }
        for (registered, asked) in [
            ("http://127.0.0.1/cb", "http://127.0.0.1:1/cb2"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1/cb?x"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1/cb#x"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1#/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1@evil.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:99999/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:+1/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.2:1/cb"),
            ("http://127.0.0.1/cb", "https://127.0.0.1/cb"),
            ("http://127.0.0.1/", "http://127.0.0.1"),
            ("http://127.0.0.1/a/", "http://127.0.0.1:1/b/../a/"),
            ("https://app.example/cb", "https://app.example:443/cb"),
            ("https://app.example/cb", "https://app.example/cb/"),
            ("https://app.example/cb", "https://APP.example/cb"),
            ("https://app.example/cb", "https://app.example/cb?x"),
            ("https://127.0.0.1/cb", "https://127.0.0.1:1/cb"),
            ("app://127.0.0.1/cb", "app://127.0.0.1:1/cb"),
        ] {
            assert!(!is_same(registered, asked), "{registered} {asked}");
        }
    }

    proptest! {
        #[test]
        fn whatever_may_be_registered_leads_a_browser_where_it_says(
            text in "(https?|app)://[a-z0-9.:@/%?\\[\\]-]{1,20}",
        ) {
            if check(&text, None).is_ok() {
                let url = Url::parse(&text).unwrap();
                prop_assert!(url.username().is_empty() && url.password().is_none());
                prop_assert!(url.fragment().is_none());
                prop_assert!(url.scheme() != "http" || is_loopback(&url));
            }
        }

        #[test]
        fn a_loopback_uri_never_means_another_host(asked in "http://[a-z0-9:@.#?/\\[\\]]{0,30}/cb") {
            if is_same("http://127.0.0.1/cb", &asked) {
                let url = Url::parse(&asked).unwrap();
                prop_assert_eq!(url.host_str(), Some("127.0.0.1"));
            }
        }
    }
}
