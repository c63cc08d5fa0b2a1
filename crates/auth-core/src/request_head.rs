//! The head of a request (RFC 9110 §6.2) as a host hands it over, pseudo headers included.

use std::fmt;

/// The header fields of a request, in their order, duplicates kept.
#[derive(Clone, Default)]
pub struct RequestHead {
    fields: Vec<(String, Vec<u8>)>,
}

/// Names alone: among the values are credentials.
impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// A field that is there twice, or in a spelling that some servers take for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ambiguous;

/// Whether two names are one to servers that do not tell `_` from `-`.
pub(crate) fn is_alike(name: &str, other: &str) -> bool {
    let alike = |a: u8, b: u8| match (a, b) {
        (b'-' | b'_', b'-' | b'_') => true,
        _ => a.eq_ignore_ascii_case(&b),
    };
    name.len() == other.len() && name.bytes().zip(other.bytes()).all(|(a, b)| alike(a, b))
}

impl RequestHead {
    /// Takes the fields with lowercase names, among them `:method`, `:path` and `:authority`.
    pub const fn new(fields: Vec<(String, Vec<u8>)>) -> Self {
        Self { fields }
    }

    /// The names of all fields, duplicates kept.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name.as_str())
    }

    /// All values of the field `name`.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.fields
            .iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    /// The one value of the field `name`, as text; nothing if it is absent, there twice, or no text.
    pub fn text(&self, name: &str) -> Option<&str> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (Some(value), None) => std::str::from_utf8(value).ok(),
            _ => None,
        }
    }

    /// The one value of the field `name`, if it is there. Servers that turn fields into variables do
    /// not tell `_` from `-`, so one of such a name counts as a second copy.
    pub(crate) fn only(&self, name: &str) -> Result<Option<&[u8]>, Ambiguous> {
        let mut found = None;
        for (other, value) in &self.fields {
            if !is_alike(other, name) {
                continue;
            }
            if found.is_some() || other.contains('_') {
                return Err(Ambiguous);
            }
            found = Some(value.as_slice());
        }
        Ok(found)
    }

    /// Whether the field `name` is there.
    pub fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// Path and query of the target; an absent path is an empty one.
    pub fn path_and_query(&self) -> (&str, &str) {
        let target = self.text(":path").unwrap_or_default();
        target.split_once('?').unwrap_or((target, ""))
    }
}
