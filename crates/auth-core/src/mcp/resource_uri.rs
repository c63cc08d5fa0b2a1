//! URIs of MCP resources (RFC 3986) as rules see them. Servers resolve dot segments, decode escapes,
//! drop queries and ignore case, or they do not: what is left here reads alike for all of them.

use crate::path::is_escape_needed;

use super::name_pattern::NamePattern;

/// What a path may have plain or escaped.
const OPTIONAL: &[u8] = b"!$&'()+,:=@";

/// A URI without a second reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanonicalUri<'u>(&'u str);

/// A URI that two servers could read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the URI is not canonical")]
pub struct NotCanonical;

impl<'u> CanonicalUri<'u> {
    /// Accepts visible ASCII without `\`, without `.`, `..` or empty segments (but for a slash at the
    /// end), without user information, and with no escape that is broken, not needed, or stands for a
    /// slash, backslash, semicolon or control character. `file:` has to be written `file:///…`.
    ///
    /// ```
    /// use auth_core::mcp::resource_uri::CanonicalUri;
    /// assert!(CanonicalUri::parse("file:///notes/a%20b.md").is_ok());
    /// assert!(CanonicalUri::parse("file:///notes/../secret").is_err());
    /// ```
    ///
    /// # Errors
    /// [`NotCanonical`].
    pub fn parse(uri: &'u str) -> Result<Self, NotCanonical> {
        let visible = uri.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        let canonical = visible && are_escapes_needed(uri) && is_hierarchy_plain(resource(uri));
        if canonical { Ok(Self(uri)) } else { Err(NotCanonical) }
    }

    /// Whether a rule with this pattern is about the URI, or about what is left of it without
    /// fragment, query and final slash. Case is ignored, and so is whether a character is escaped
    /// that may be.
    pub fn fits(self, pattern: &NamePattern) -> bool {
        let bare = resource(self.0);
        let without_fragment = self.0.split('#').next().unwrap_or_default();
        let without_slash = bare.strip_suffix('/').unwrap_or(bare);
        let as_written = [self.0, without_fragment, bare, without_slash];
        if as_written.into_iter().any(|spelling| pattern.matches_ignoring_case(spelling)) {
            return true;
        }
        if !bare.contains('%') && !pattern.as_str().contains('%') {
            return false;
        }
        let pattern = pattern.respelled(unescaped);
        let fits = |spelling| pattern.matches_ignoring_case(&unescaped(spelling));
        fits(bare) || fits(without_slash)
    }
}

/// The text with the characters plain that a path may have plain or escaped (RFC 3986 §3.3), but for
/// those that [`CanonicalUri::parse`] refuses to see escaped.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('%');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let character = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match character {
            Some(byte) if OPTIONAL.contains(&byte) => {
                plain.push(char::from(byte));
                plain.push_str(&part[2..]);
            }
            _ => {
                plain.push('%');
                plain.push_str(part);
            }
        }
    }
    plain
}

/// The URI up to its query or fragment.
fn resource(uri: &str) -> &str {
    uri.split(['?', '#']).next().unwrap_or_default()
}

fn are_escapes_needed(uri: &str) -> bool {
    let mut escapes = uri.split('%');
    escapes.next();
    // An escaped `*` would be a wildcard in a pattern.
    escapes.all(|behind| {
        behind.get(..2).is_some_and(|it| is_escape_needed(it) && !it.eq_ignore_ascii_case("2a"))
    })
}

fn is_hierarchy_plain(resource: &str) -> bool {
    let (scheme, rest) = resource.split_once(':').unwrap_or(("", resource));
    let is_file = scheme.eq_ignore_ascii_case("file");
    let path = match rest.strip_prefix("//") {
        None if is_file => return false,
        None => rest,
        Some(behind) => {
            let (authority, path) = behind.split_at(behind.find('/').unwrap_or(behind.len()));
            if authority.contains('@') || (is_file && !authority.is_empty()) {
                return false;
            }
            path
        }
    };
    let inner = path.strip_prefix('/').unwrap_or(path);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    inner.is_empty() || inner.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    #[test]
    fn ordinary_uris_are_canonical() {
        for uri in [
            "file:///notes/a.md",
            "file:///notes/",
            "file:///",
            "note://Shopping",
            "note:shopping",
            "https://example.com/a?b=/../c#d",
            "db://[::1]:5432/table",
            "urn:isbn:0451450523",
            "notes/a",
            "file:///%C3%A4%20b",
        ] {
            assert!(CanonicalUri::parse(uri).is_ok(), "{uri}");
        }
    }

    #[test]
    fn second_readings_are_refused() {
        for uri in [
            "file:///notes/../secret/a",
            "file:///./secret/a",
            "file:///notes//secret",
            "file:////secret/a",
            "file:///notes/..",
            "file:/secret/a",
            "file:secret",
            "file://localhost/secret/a",
            "FILE://localhost/secret/a",
            "file:///%73ecret/a",
            "file:///notes/%2e%2e/secret",
            "file:///notes%2fsecret",
            "file:///notes\\secret",
            "file:///notes%5csecret",
            "file:///secret%00",
            "file:///secret%",
            "file:///secret%zz",
            "file:///secret%2",
            "file:///secret/%2A",
            "https://user@example.com/secret",
            "file:///se cret",
            "file:///sécret",
            "file:///secret\n",
        ] {
            assert_eq!(CanonicalUri::parse(uri), Err(NotCanonical), "{uri}");
        }
    }

    #[test]
    fn a_rule_about_a_resource_is_about_all_its_spellings() {
        let fits = |pattern, uri| {
            CanonicalUri::parse(uri).unwrap().fits(&NamePattern::parse(pattern).unwrap())
        };
        for uri in [
            "file:///secret",
            "FILE:///SECRET",
            "file:///secret/",
            "file:///secret?x",
            "file:///secret#x",
            "file:///secret?x#y",
            "file:///secret/?x",
        ] {
            assert!(fits("file:///secret", uri), "{uri}");
        }
        assert!(!fits("file:///secret", "file:///secrets"));
        assert!(!fits("file:///secret", "file:///secret/a"));
        assert!(fits("file:///secret/*", "file:///secret/a/b?c"));
    }

    #[test]
    fn what_may_be_escaped_or_not_is_one_to_rules() {
        let fits = |pattern, uri| {
            CanonicalUri::parse(uri).unwrap().fits(&NamePattern::parse(pattern).unwrap())
        };
        for pattern in ["file:///team+secret@x/*", "file:///team%2Bsecret%40x/*"] {
            for uri in [
                "file:///team+secret@x/a",
                "file:///team%2Bsecret@x/a",
                "file:///team%2bsecret%40x/a?b",
                "file:///team%2Bsecret%40x/a%20b",
            ] {
                assert!(fits(pattern, uri), "{pattern} {uri}");
            }
            assert!(!fits(pattern, "file:///team%20secret@x/a"));
        }
        assert!(fits("file:///a%20b", "file:///a%20b/"));
        assert!(!fits("file:///a%20b", "file:///a+b"));
    }

    proptest! {
        #[test]
        fn arbitrary_uris_never_panic(uri in any::<String>()) {
            if let Ok(uri) = CanonicalUri::parse(&uri) {
                let _ = uri.fits(&NamePattern::parse("*a*").unwrap());
            }
        }
    }
}
