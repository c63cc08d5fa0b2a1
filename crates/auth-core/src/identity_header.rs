//! Identity headers: what an MCP server is told about the caller, and how nobody else gets to say it.

use std::{borrow::Cow, rc::Rc};

use crate::request_head::is_alike;

/// A header that carries one fact about the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityHeader {
    /// Shared by all principals, who are many.
    name: Rc<str>,
    source: Source,
}

/// Which fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    UserId,
    Username,
    Issuer,
    TokenIssuer,
    Subject,
    Scopes,
    ClientId,
    SessionId,
    Claim(String),
}

/// Why a header name or its source is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not a header name.
    #[error("not a header name")]
    Name,
    /// A header that has another meaning in HTTP, in a proxy or in MCP.
    #[error("this header has a meaning of its own and is not free to carry an identity")]
    Reserved,
    /// Not one of the sources.
    #[error(
        "unknown source; sources are user_id, username, issuer, token_issuer, subject, scopes, \
         client_id, session_id and claim:NAME"
    )]
    Source,
}

/// Longest value, encoded, that a header carries; a longer one leaves the header out.
const LONGEST_VALUE: usize = 1024;

/// Names that mean something to HTTP, proxies or MCP. Names are compared with `_` as `-`.
const RESERVED: [&str; 42] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "grpc-timeout",
    "host",
    "http2-settings",
    "keep-alive",
    "last-event-id",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
    "b3",
    "traceparent",
    "tracestate",
];
const RESERVED_PREFIXES: [&str; 4] = ["mcp-", "sec-", "x-envoy-", "x-b3-"];

impl IdentityHeader {
    /// Reads one entry of `identity_headers`.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn parse(name: &str, source: &str) -> Result<Self, Refused> {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.starts_with(':') {
            return Err(Refused::Reserved);
        }
        if name.is_empty() || name.len() > 128 || !name.bytes().all(token) {
            return Err(Refused::Name);
        }
        let name = name.to_ascii_lowercase();
        let dashed = name.replace('_', "-");
        if RESERVED.contains(&&*dashed)
            || RESERVED_PREFIXES.iter().any(|prefix| dashed.starts_with(prefix))
        {
            return Err(Refused::Reserved);
        }
        let source = match source {
            "user_id" => Source::UserId,
            "username" => Source::Username,
            "issuer" => Source::Issuer,
            "token_issuer" => Source::TokenIssuer,
            "subject" => Source::Subject,
            "scopes" => Source::Scopes,
            "client_id" => Source::ClientId,
            "session_id" => Source::SessionId,
            _ => match source.strip_prefix("claim:") {
                Some(claim) if !claim.is_empty() => Source::Claim(claim.to_owned()),
                _ => return Err(Refused::Source),
            },
        };
        Ok(Self { name: name.into(), source })
    }

    /// The header's name, lowercase.
    pub fn name(&self) -> &Rc<str> {
        &self.name
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// Whether a request header of this name could be taken for it: servers that turn headers into
    /// variables (CGI, WSGI) do not tell `_` from `-`.
    pub fn is_imitated_by(&self, name: &str) -> bool {
        is_alike(name, &self.name)
    }
}

/// `value` so that a header can carry it: bytes outside printable ASCII, `%`, and a space at either
/// end, which servers cut off, as `%XX` of their UTF-8. Nothing if it is empty or longer than 1,024
/// bytes encoded.
///
/// ```
/// use auth_core::identity_header::encode;
/// assert_eq!(encode("Åsa 100%").as_deref(), Some("%C3%85sa 100%25"));
/// ```
pub fn encode(value: &str) -> Option<Cow<'_, str>> {
    let (encoded, is_whole) = encode_up_to(value, LONGEST_VALUE);
    if !is_whole {
        return None;
    }
    let encoded = match value.starts_with(' ') || value.ends_with(' ') {
        true => Cow::Owned(with_ends_encoded(&encoded)),
        false => encoded,
    };
    (1..=LONGEST_VALUE).contains(&encoded.len()).then_some(encoded)
}

fn with_ends_encoded(text: &str) -> String {
    let inner = text.trim_matches(' ');
    let before = text.len() - text.trim_start_matches(' ').len();
    let behind = text.len() - before - inner.len();
    format!("{}{inner}{}", "%20".repeat(before), "%20".repeat(behind))
}

/// The same encoding of as much of `value` as fits into `most` bytes, and whether that is all of it.
pub(crate) fn encode_up_to(value: &str, most: usize) -> (Cow<'_, str>, bool) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'%';
    if value.len() <= most && value.bytes().all(is_plain) {
        return (Cow::Borrowed(value), true);
    }
    let mut encoded = String::with_capacity(value.len().min(most));
    for byte in value.bytes() {
        let is_plain = is_plain(byte);
        if encoded.len() + if is_plain { 1 } else { 3 } > most {
            return (Cow::Owned(encoded), false);
        }
        match is_plain {
            true => encoded.push(char::from(byte)),
            false => encoded.extend(['%', digit(byte >> 4), digit(byte & 0xf)]),
        }
    }
    (Cow::Owned(encoded), true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    #[test]
    fn reserved_names_are_refused_in_any_spelling() {
        for name in [
            ":path",
            "authorization",
            "Authorization",
            "host",
            "content_length",
            "x-forwarded-for",
            "mcp-session-id",
            "Mcp_Name",
            "sec-fetch-site",
            "x-envoy-original-path",
            "cookie",
        ] {
            assert_eq!(IdentityHeader::parse(name, "user_id"), Err(Refused::Reserved), "{name}");
        }
    }

    #[test]
    fn names_and_sources_are_checked() {
        for name in ["", "x user", "x-user\r\n", "ä", "x:y"] {
            assert_eq!(IdentityHeader::parse(name, "user_id"), Err(Refused::Name), "{name:?}");
        }
        for source in ["", "userid", "claim:", "claim", "User_Id"] {
            assert_eq!(IdentityHeader::parse("x", source), Err(Refused::Source), "{source}");
        }
    }

    #[test]
    fn imitations_are_recognised() {
        let header = IdentityHeader::parse("X-User-Id", "user_id").unwrap();
        for name in ["x-user-id", "x_user_id", "X-User_ID", "x_user-id"] {
            assert!(header.is_imitated_by(name), "{name}");
        }
        for name in ["x-user-i", "x-user-idx", "xuserid", "x.user.id"] {
            assert!(!header.is_imitated_by(name), "{name}");
        }
    }

    #[test]
    fn values_cannot_split_a_header() {
        assert_eq!(encode("a\r\nx-evil: 1").as_deref(), Some("a%0D%0Ax-evil: 1"));
        assert_eq!(encode("\u{7f}\u{0}").as_deref(), Some("%7F%00"));
    }

    #[test]
    fn spaces_that_a_server_would_cut_off_are_encoded() {
        assert_eq!(encode("alice ").as_deref(), Some("alice%20"));
        assert_eq!(encode("  a b").as_deref(), Some("%20%20a b"));
        assert_eq!(encode(" ").as_deref(), Some("%20"));
        assert_eq!(encode(" ä ").as_deref(), Some("%20%C3%A4%20"));
        assert_eq!(encode(&" ".repeat(342)), None);
    }

    #[test]
    fn values_too_long_or_empty_leave_the_header_out() {
        assert_eq!(encode(&"a".repeat(1024)).map(|v| v.len()), Some(1024));
        assert_eq!(encode(&"a".repeat(1025)), None);
        assert_eq!(encode(&"%".repeat(342)), None);
        assert_eq!(encode(""), None);
    }

    proptest! {
        #[test]
        fn every_encoded_value_is_printable_ascii(value in any::<String>()) {
            if let Some(encoded) = encode(&value) {
                assert!(encoded.bytes().all(|b| (0x20..0x7f).contains(&b)));
                assert_eq!(encoded.trim(), encoded);
            }
        }
    }
}
