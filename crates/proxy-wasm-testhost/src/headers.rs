//! An ordered header map with Envoy's rules for repeated names.

use std::fmt;

/// Headers in order, names in lower case, values as bytes.
///
/// ```
/// use proxy_wasm_testhost::Headers;
///
/// let headers = Headers::new([("X-User", "alice"), ("x-user", "mallory")]);
/// assert_eq!(headers.get("x-user"), Some("alice"));
/// assert_eq!(headers.get_all("x-user"), ["alice", "mallory"]);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// Builds a map from pairs, as if each arrived on the wire in this order.
    pub fn new<N: AsRef<str>, V: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut headers = Self::default();
        for (name, value) in pairs {
            headers.add(name.as_ref(), value.as_ref());
        }
        headers
    }

    /// The first value of `name`.
    ///
    /// # Panics
    /// If that value is not UTF-8; see [`Headers::get_bytes`].
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_bytes(name).map(text)
    }

    /// The first value of `name`, as it is.
    pub fn get_bytes(&self, name: &str) -> Option<&[u8]> {
        self.iter_bytes().find(|(have, _)| name.eq_ignore_ascii_case(have)).map(|(_, value)| value)
    }

    /// Every value of `name`, in order.
    ///
    /// # Panics
    /// If one of them is not UTF-8.
    pub fn get_all(&self, name: &str) -> Vec<&str> {
        self.iter().filter(|(have, _)| name.eq_ignore_ascii_case(have)).map(|(_, v)| v).collect()
    }

    /// Whether `name` occurs at least once.
    pub fn contains(&self, name: &str) -> bool {
        self.get_bytes(name).is_some()
    }

    /// All pairs in order.
    ///
    /// # Panics
    /// If a value is not UTF-8; see [`Headers::iter_bytes`].
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter_bytes().map(|(name, value)| (name, text(value)))
    }

    /// All pairs in order, values as they are.
    pub fn iter_bytes(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a value; those already there stay in front. Names that Envoy keeps in one slot
    /// are joined with the value that is there.
    pub(crate) fn add(&mut self, name: &str, value: &[u8]) {
        let name = name.to_ascii_lowercase();
        if let Some(separator) = separator_of_joined(&name)
            && let Some((_, have)) = self.0.iter_mut().find(|(have, _)| *have == name)
        {
            have.extend_from_slice(separator);
            have.extend_from_slice(value);
            return;
        }
        self.0.push((name, value.to_vec()));
    }

    /// Removes every copy of `name` and adds one.
    pub(crate) fn replace(&mut self, name: &str, value: &[u8]) {
        self.remove(name);
        self.add(name, value);
    }

    /// Removes every copy of `name`.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|(have, _)| !name.eq_ignore_ascii_case(have));
    }
}

impl<const N: usize> PartialEq<[(&str, &str); N]> for Headers {
    fn eq(&self, other: &[(&str, &str); N]) -> bool {
        self.iter_bytes().eq(other.iter().map(|(name, value)| (*name, value.as_bytes())))
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.0.iter().map(|(name, value)| (name, String::from_utf8_lossy(value))))
            .finish()
    }
}

/// What Envoy puts between the values of a header of which it keeps one slot (its "inline"
/// headers), and `None` for the many of which it keeps every copy.
fn separator_of_joined(name: &str) -> Option<&'static [u8]> {
    const JOINED: &[&str] = &[
        ":authority",
        ":method",
        ":path",
        ":scheme",
        "accept",
        "accept-encoding",
        "authorization",
        "cache-control",
        "connection",
        "content-length",
        "content-type",
        "origin",
        "te",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-request-id",
    ];
    match name {
        "cookie" => Some(b"; "),
        _ if JOINED.contains(&name) => Some(b","),
        _ => None,
    }
}

fn text(value: &[u8]) -> &str {
    std::str::from_utf8(value).expect("the header value is UTF-8 (use get_bytes or iter_bytes)")
}

#[cfg(test)]
mod tests {
    use super::Headers;

    #[test]
    fn replacing_removes_every_copy() {
        let mut headers = Headers::new([("x-user", "a"), ("b", "1"), ("X-User", "c")]);
        headers.replace("x-user", b"real");
        assert_eq!(headers, [("b", "1"), ("x-user", "real")]);
    }

    #[test]
    fn adding_leaves_earlier_copies_in_front() {
        let mut headers = Headers::new([("x-user", "forged")]);
        headers.add("x-user", b"real");
        assert_eq!(headers.get("x-user"), Some("forged"));
    }

    #[test]
    fn repeated_authorization_is_joined_as_envoy_joins_it() {
        let headers = Headers::new([("authorization", "Bearer a"), ("Authorization", "Bearer b")]);
        assert_eq!(headers, [("authorization", "Bearer a,Bearer b")]);
    }

    #[test]
    fn repeated_cookies_are_joined_with_a_semicolon() {
        assert_eq!(Headers::new([("cookie", "a=1"), ("cookie", "b=2")]), [("cookie", "a=1; b=2")]);
    }
}
