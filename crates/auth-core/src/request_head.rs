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
