//! The head of a request (RFC 9110 §6.2) as a host hands it over, pseudo headers included.

use std::fmt;

/// The header fields of a request, in their order, duplicates kept.
#[derive(Clone, Default)]
pub struct RequestHead {
    fields: Vec<(String, Vec<u8>)>,
    /// The lengths of their names: most names that are looked for are not there, and few have a length
    /// that is.
    lengths: Lengths,
}

/// A set of lengths modulo 64.
#[derive(Clone, Copy, Default)]
struct Lengths(u64);

impl Lengths {
    const fn of(name: &str) -> Self {
        Self(1 << (name.len() % 64))
    }

    const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
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
    pub fn new(fields: Vec<(String, Vec<u8>)>) -> Self {
        let lengths = fields.iter().map(|(name, _)| Lengths::of(name));
        let lengths = lengths.fold(Lengths::default(), Lengths::with);
        Self { fields, lengths }
    }

    /// The names of all fields, duplicates kept.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name.as_str())
    }

    /// All values of the field `name`.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.as_long_as(name)
            .iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    /// The one value of the field `name`, as text; nothing if it is absent, there twice, or no text.
    pub fn text(&self, name: &str) -> Option<&str> {
        let mut found = None;
        for (other, value) in self.as_long_as(name) {
            if !other.eq_ignore_ascii_case(name) {
                continue;
            }
            if found.is_some() {
                return None;
            }
            found = Some(value);
        }
        std::str::from_utf8(found?).ok()
    }

    /// The one value of the field `name`, if it is there. Servers that turn fields into variables do
    /// not tell `_` from `-`, so one of such a name counts as a second copy.
    pub(crate) fn only(&self, name: &str) -> Result<Option<&[u8]>, Ambiguous> {
        let mut found = None;
        for (other, value) in self.as_long_as(name) {
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

    /// The names of all fields that servers could take for the field `name`, duplicates kept.
    pub(crate) fn names_like(&self, name: &str) -> impl Iterator<Item = &str> {
        let names = self.as_long_as(name).iter().map(|(other, _)| other.as_str());
        names.filter(move |other| is_alike(other, name))
    }

    /// All fields, unless none has a name as long as `name`.
    fn as_long_as(&self, name: &str) -> &[(String, Vec<u8>)] {
        if self.lengths.meets(Lengths::of(name)) { &self.fields } else { &[] }
    }

    /// Whether the field `name` is there.
    pub fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// Path and query of the target; an absent path is an empty one.
    pub fn path_and_query(&self) -> (&str, &str) {
        let target = self.text(":path").unwrap_or_default();
        // Targets are short: a plain loop is faster than what `split_once` prepares.
        match target.bytes().position(|byte| byte == b'?') {
            Some(at) => (&target[..at], &target[at + 1..]),
            None => (target, ""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_there_is_found_however_long_its_name() {
        let long = |letter: &str, length| letter.repeat(length);
        let head = RequestHead::new(vec![
            (long("a", 1), b"short".to_vec()),
            (long("x_", 33), b"long".to_vec()),
        ]);
        assert_eq!(head.text(&long("a", 1)), Some("short"));
        assert_eq!(head.text(&long("x_", 33)), Some("long"));
        assert_eq!(head.only(&long("x-", 33)), Err(Ambiguous));
        assert_eq!(head.names_like(&long("X-", 33)).count(), 1);
        for absent in [String::new(), long("a", 2), long("a", 65), long("b", 1)] {
            assert_eq!(head.text(&absent), None);
            assert_eq!(head.only(&absent), Ok(None));
            assert!(!head.has(&absent));
        }
    }
}
