//! Request paths: the canonical form in which rules are matched, and matching by whole segments.

use std::collections::HashMap;

/// A request's path without its query, in the one form that every server reads alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanonicalPath<'p>(&'p str);

/// A path that two servers could read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path is not absolute and canonical")]
pub struct NotCanonical;

impl<'p> CanonicalPath<'p> {
    /// Accepts a path without query if nothing in it is open to a second reading: no empty, `.` or
    /// `..` segment, no `;`, `\` or `#`, no encoded slash, backslash, semicolon or control
    /// character, no escape that is broken or not needed, nothing outside visible ASCII.
    ///
    /// ```
    /// use auth_core::path::CanonicalPath;
    /// assert!(CanonicalPath::parse("/mcp/a%20b/").is_ok());
    /// assert!(CanonicalPath::parse("/public/%2e%2e/mcp").is_err());
    /// ```
    ///
    /// # Errors
    /// [`NotCanonical`].
    pub fn parse(path: &'p str) -> Result<Self, NotCanonical> {
        let segments = path.strip_prefix('/').ok_or(NotCanonical)?;
        let inner = segments.strip_suffix('/').unwrap_or(segments);
        let canonical = segments.is_empty()
            || inner
                .as_bytes()
                .split(|byte| *byte == b'/')
                .all(|segment| !matches!(segment, b"" | b"." | b"..") && is_canonical(segment));
        if canonical { Ok(Self(path)) } else { Err(NotCanonical) }
    }

    /// The path's text.
    pub fn as_str(self) -> &'p str {
        self.0
    }
}

fn is_canonical(segment: &[u8]) -> bool {
    let mut bytes = segment.iter().copied();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => match (bytes.next().and_then(hex), bytes.next().and_then(hex)) {
                (Some(high), Some(low)) => may_be_escaped(high << 4 | low),
                _ => false,
            },
            b';' | b'\\' | b'#' => false,
            _ => byte.is_ascii_graphic(),
        };
        if !fits {
            return false;
        }
    }
    true
}

/// Whether the two digits behind a `%` stand for a character that has no other spelling and no
/// meaning to the readers of a path.
pub(crate) fn is_escape_needed(digits: &str) -> bool {
    let mut digits = digits.bytes().map(hex);
    match (digits.next().flatten(), digits.next().flatten()) {
        (Some(high), Some(low)) => may_be_escaped(high << 4 | low),
        _ => false,
    }
}

fn may_be_escaped(byte: u8) -> bool {
    let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !unreserved && !byte.is_ascii_control() && !b"/\\;".contains(&byte)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// What stands at paths, found by the longest path of whole segments: `/mcp` matches `/mcp` and
/// `/mcp/x`, never `/mcpx`. The cost grows with the segments of the longest entry, not with the
/// number of entries.
#[derive(Clone, Debug)]
pub struct PathMap<T> {
    entries: HashMap<String, Vec<T>>,
    deepest: usize,
}

impl<T> Default for PathMap<T> {
    fn default() -> Self {
        Self { entries: HashMap::new(), deepest: 0 }
    }
}

impl<T> PathMap<T> {
    /// Adds `entry` at `path`, behind those already there.
    pub fn insert(&mut self, path: &str, entry: T) {
        self.deepest = self.deepest.max(depth(path));
        self.entries.entry(path.to_owned()).or_default().push(entry);
    }

    /// The entries at exactly `path`.
    pub fn at(&self, path: &str) -> &[T] {
        self.entries.get(path).map_or(&[], Vec::as_slice)
    }

    /// The entries at the longest path that matches and for which `accept` finds one.
    pub fn find<'m, R>(
        &'m self,
        path: CanonicalPath<'_>,
        accept: impl Fn(&'m [T]) -> Option<R>,
    ) -> Option<R> {
        let mut prefix = first_segments(path.0, self.deepest);
        loop {
            if let Some(found) = self.entries.get(prefix).and_then(|entries| accept(entries)) {
                return Some(found);
            }
            prefix = match prefix.rfind('/')? {
                0 if prefix.len() > 1 => "/",
                0 => return None,
                slash => &prefix[..slash],
            };
        }
    }
}

/// How many segments `path` has; `/` has none.
fn depth(path: &str) -> usize {
    path.split('/').filter(|segment| !segment.is_empty()).count()
}

/// `path` cut after its first `most` segments.
fn first_segments(path: &str, most: usize) -> &str {
    if most == 0 {
        return "/";
    }
    let mut slashes = path.bytes().enumerate().filter(|(_, byte)| *byte == b'/');
    match slashes.nth(most) {
        Some((end, _)) => &path[..end],
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    #[test]
    fn canonical_paths_are_accepted() {
        for path in
            ["/", "/mcp", "/mcp/", "/a%20b", "/a/b.c/~d", "/%C3%A4", "/a:@!$&'()*+,=", "/..a"]
        {
            assert!(CanonicalPath::parse(path).is_ok(), "{path}");
        }
    }

    #[test]
    fn everything_open_to_a_second_reading_is_refused() {
        for path in [
            "",
            "mcp",
            "*",
            "//",
            "//mcp",
            "/a//b",
            "/a//",
            "/.",
            "/..",
            "/a/./b",
            "/a/../b",
            "/%2e",
            "/%2E%2e/a",
            "/a/.%2e",
            "/a;b",
            "/a%3bb",
            "/a%3Bb",
            "/a\\b",
            "/a%5cb",
            "/a%2fb",
            "/a%2Fb",
            "/a\u{1}",
            "/a%00",
            "/a%1f",
            "/a%7f",
            "/a%",
            "/a%2",
            "/a%zz",
            "/%61",
            "/%7e",
            "/ä",
            "/a b",
            "/a#b",
            "/a%+1",
        ] {
            assert_eq!(CanonicalPath::parse(path), Err(NotCanonical), "{path}");
        }
    }

    #[test]
    fn the_longest_path_of_whole_segments_wins() {
        let mut map = PathMap::default();
        for path in ["/", "/mcp", "/mcp/a/b"] {
            map.insert(path, path);
        }
        for (path, expected) in [
            ("/", "/"),
            ("/mcp", "/mcp"),
            ("/mcp/", "/mcp"),
            ("/mcpx", "/"),
            ("/mcp/a", "/mcp"),
            ("/mcp/a/b", "/mcp/a/b"),
            ("/mcp/a/bc", "/mcp"),
            ("/mcp/a/b/c/d/e", "/mcp/a/b"),
        ] {
            assert_eq!(find(&map, path), Some(expected), "{path}");
        }
    }

    #[test]
    fn nothing_matches_in_an_empty_map_or_beside_its_entries() {
        let mut map = PathMap::default();
        assert_eq!(find(&map, "/"), None);
        map.insert("/mcp", "/mcp");
        assert_eq!(
            (find(&map, "/"), find(&map, "/other"), find(&map, "/mcpx")),
            (None, None, None)
        );
    }

    #[test]
    fn an_entry_that_is_not_accepted_leaves_the_shorter_one() {
        let mut map = PathMap::default();
        map.insert("/", 1);
        map.insert("/a", 2);
        let path = CanonicalPath::parse("/a/b").unwrap();
        assert_eq!(map.find(path, |entries| entries.iter().find(|e| **e == 1)), Some(&1));
    }

    proptest! {
        #[test]
        fn arbitrary_paths_never_panic(path in any::<String>()) {
            let mut map = PathMap::default();
            map.insert("/a/b", ());
            if let Ok(path) = CanonicalPath::parse(&path) {
                let _ = map.find(path, <[()]>::first);
            }
        }
    }

    fn find(map: &PathMap<&'static str>, path: &str) -> Option<&'static str> {
        map.find(CanonicalPath::parse(path).unwrap(), |entries| entries.first().copied())
    }
}
