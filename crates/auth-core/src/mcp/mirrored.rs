//! What a request says of itself in headers (MCP 2026-07-28, "Request Metadata"): `Mcp-Method` and
//! `Mcp-Name`. Whether the body says the same is found out elsewhere.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::call::{Call, NameMember};
use crate::request_head::RequestHead;

/// The longest value that is decoded.
const LONGEST: usize = 16 * 1024;

/// What the headers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mirrored {
    pub(crate) method: String,
    pub(crate) name: Option<String>,
}

/// A header that is missing, there twice, or unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Mcp-Method or Mcp-Name is missing, there twice or unreadable")]
pub struct Unreadable;

impl Mirrored {
    /// Reads both headers. `Mcp-Name` may be absent here.
    pub(crate) fn read(head: &RequestHead) -> Result<Self, Unreadable> {
        let method = head.only("mcp-method").map_err(|_| Unreadable)?.ok_or(Unreadable)?;
        let is_method = !method.is_empty() && method.iter().all(u8::is_ascii_graphic);
        let name = head.only("mcp-name").map_err(|_| Unreadable)?;
        Ok(Self {
            method: String::from_utf8(method.to_vec())
                .ok()
                .filter(|_| is_method)
                .ok_or(Unreadable)?,
            name: name.map(decode_name).transpose()?,
        })
    }

    /// The call that the headers announce.
    pub(crate) fn to_call(&self) -> Call {
        let printable = |name: &&String| !name.chars().any(char::is_control);
        Call { method: self.method.clone(), name: self.name.as_ref().filter(printable).cloned() }
    }

    /// Whether `call` is the one that the headers announce. A name that need not be in the headers
    /// has to agree where it is.
    pub(crate) fn announces(&self, call: &Call) -> bool {
        let names_nothing = NameMember::of(&call.method).is_none();
        let may_be_silent = self.name.is_none() && !Call::must_mirror_name(&call.method);
        self.method == call.method && (names_nothing || may_be_silent || self.name == call.name)
    }
}

/// The name in a value of `Mcp-Name`: the value itself, or what `=?base64?…?=` encodes ("Value
/// Encoding").
///
/// ```
/// use auth_core::mcp::mirrored::decode_name;
/// assert_eq!(decode_name(b"get_weather").unwrap(), "get_weather");
/// assert_eq!(decode_name(b"=?base64?SGVsbG8sIOS4lueVjA==?=").unwrap(), "Hello, 世界");
/// assert!(decode_name("世界".as_bytes()).is_err());
/// ```
///
/// # Errors
/// [`Unreadable`] for a value that no header may have, and for base64 or UTF-8 that is not strict.
pub fn decode_name(value: &[u8]) -> Result<String, Unreadable> {
    let text = std::str::from_utf8(value).map_err(|_| Unreadable)?;
    let plain = |byte: u8| matches!(byte, b'\t' | b' '..=b'~');
    if text.len() > LONGEST || !text.bytes().all(plain) || text.trim_ascii() != text {
        return Err(Unreadable);
    }
    match text.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        None => Ok(text.to_owned()),
        Some(encoded) => {
            let bytes = STANDARD.decode(encoded).map_err(|_| Unreadable)?;
            String::from_utf8(bytes).map_err(|_| Unreadable)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    #[test]
    fn the_specifications_examples_are_decoded() {
        for (value, name) in [
            ("us-west1", "us-west1"),
            ("=?base64?SGVsbG8sIOS4lueVjA==?=", "Hello, 世界"),
            ("=?base64?IHBhZGRlZCA=?=", " padded "),
            ("=?base64?bGluZTEKbGluZTI=?=", "line1\nline2"),
            ("=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=", "=?base64?literal?="),
            ("=?BASE64?YQ==?=", "=?BASE64?YQ==?="),
            ("=?base64?=", "=?base64?="),
            ("=?base64??=", ""),
            ("", ""),
        ] {
            assert_eq!(decode_name(value.as_bytes()).as_deref(), Ok(name), "{value}");
        }
    }

    #[test]
    fn there_is_one_encoding_of_a_name() {
        for value in [
            "=?base64?YQ?=",
            "=?base64?YR==?=",
            "=?base64?YQ==\n?=",
            "=?base64?Y Q==?=",
            "=?base64?YQ=?=",
            "=?base64?_-8=?=",
            "=?base64?/w==?=",
            " name",
            "name ",
            "name\r",
            "n\0ame",
            "näme",
        ] {
            assert_eq!(decode_name(value.as_bytes()), Err(Unreadable), "{value:?}");
        }
        assert_eq!(decode_name(&[0xff]), Err(Unreadable));
    }

    proptest! {
        #[test]
        fn every_name_survives_its_encoding(name in any::<String>()) {
            let value = format!("=?base64?{}?=", STANDARD.encode(&name));
            assert_eq!(decode_name(value.as_bytes()), Ok(name));
        }

        #[test]
        fn arbitrary_bytes_never_panic(value in any::<Vec<u8>>()) {
            let _ = decode_name(&value);
        }
    }
}
