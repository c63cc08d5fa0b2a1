//! The identifier of a protected resource (RFC 8707 §2) and the place of its metadata
//! (RFC 9728 §3.1).

use crate::path::CanonicalPath;

/// Where metadata documents lie.
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// An absolute http(s) URL without query and fragment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResourceId {
    text: String,
    origin_len: usize,
}

/// Why a text is not a resource identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a resource identifier is an absolute http or https URL with a canonical path, without user, query, fragment or white space"
)]
pub struct NotAResourceId;

impl ResourceId {
    /// Reads an identifier.
    ///
    /// # Errors
    /// [`NotAResourceId`].
    pub fn parse(text: &str) -> Result<Self, NotAResourceId> {
        let url = HttpUrl::parse(text).ok_or(NotAResourceId)?;
        // Where its metadata lies is asked by this path.
        if !url.path.is_empty() && CanonicalPath::parse(url.path).is_err() {
            return Err(NotAResourceId);
        }
        if text.contains(['?', '#']) {
            return Err(NotAResourceId);
        }
        Ok(Self { text: text.to_owned(), origin_len: url.origin.len() })
    }

    /// The identifier's text, byte for byte as configured.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host and port.
    pub fn authority(&self) -> &str {
        let origin = &self.text[..self.origin_len];
        origin.split_once("://").map_or(origin, |(_, authority)| authority)
    }

    /// The path of the metadata document: the identifier's path inserted behind
    /// `/.well-known/oauth-protected-resource`. An identifier that ends with its host, or with the
    /// slash behind it, has none to insert.
    pub fn metadata_path(&self) -> String {
        match &self.text[self.origin_len..] {
            "/" => WELL_KNOWN.to_owned(),
            path => format!("{WELL_KNOWN}{path}"),
        }
    }

    /// The URL of the metadata document, on the identifier's own origin.
    pub fn metadata_url(&self) -> String {
        format!("{}{}", &self.text[..self.origin_len], self.metadata_path())
    }
}

/// An absolute http(s) URL, split as far as is needed here.
pub(crate) struct HttpUrl<'u> {
    pub(crate) scheme: &'u str,
    /// Scheme, host and port.
    pub(crate) origin: &'u str,
    pub(crate) authority: &'u str,
    /// Path and query; empty if there is neither.
    pub(crate) path: &'u str,
}

impl<'u> HttpUrl<'u> {
    pub(crate) fn parse(text: &'u str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let visible = |b: u8| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b);
        let valid = matches!(scheme, "http" | "https")
            && !host.is_empty()
            && !authority.contains('@')
            && port.is_none_or(|port| port.parse::<u16>().is_ok())
            && text.bytes().all(visible);
        let origin = &text[..scheme.len() + "://".len() + authority.len()];
        valid.then_some(Self { scheme, origin, authority, path: &text[origin.len()..] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_path_inserted_on_the_identifiers_own_origin() {
        for (id, url) in [
            (
                "https://mcp.example.com/mcp",
                "https://mcp.example.com/.well-known/oauth-protected-resource/mcp",
            ),
            (
                "https://mcp.example.com",
                "https://mcp.example.com/.well-known/oauth-protected-resource",
            ),
            (
                "https://mcp.example.com/",
                "https://mcp.example.com/.well-known/oauth-protected-resource",
            ),
            (
                "http://localhost:8080/a/b/",
                "http://localhost:8080/.well-known/oauth-protected-resource/a/b/",
            ),
        ] {
            assert_eq!(ResourceId::parse(id).unwrap().metadata_url(), url);
        }
    }

    #[test]
    fn other_texts_are_no_identifiers() {
        for text in [
            "",
            "/mcp",
            "mcp.example.com/mcp",
            "ftp://h/x",
            "HTTPS://h/x",
            "https://",
            "https:///x",
            "https://h/x?y",
            "https://h/x#y",
            "https://u:p@h/x",
            "https://h:x/y",
            "https://h/a b",
            "https://h/\"",
            "https://ä/x",
            "https://h/a;b",
            "https://h//x",
            "https://h/x/../y",
            "https://h/%61",
        ] {
            assert_eq!(ResourceId::parse(text), Err(NotAResourceId), "{text}");
        }
    }
}
