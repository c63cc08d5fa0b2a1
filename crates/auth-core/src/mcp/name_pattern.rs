//! Patterns of rules: text in which `*` stands for any text, the empty one too. There is no other
//! wildcard and no escape.

/// A pattern that can match something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern {
    text: String,
}

/// Why a text is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternRefused {
    /// Nothing to match.
    #[error("a pattern is not empty")]
    Empty,
    /// Longer than anybody means.
    #[error("a pattern has at most {LONGEST} bytes")]
    TooLong,
    /// Characters that look like another language of patterns, or that no name may have.
    #[error("`*` is the only wildcard: ? [ ] {{ }} \\ and control characters are refused")]
    Character,
    /// `**`.
    #[error("one `*` stands for any text; do not double it")]
    Doubled,
    /// White space at an end.
    #[error("a pattern neither begins nor ends with white space")]
    Space,
}

const LONGEST: usize = 512;

impl NamePattern {
    /// Reads a pattern.
    ///
    /// ```
    /// use auth_core::mcp::name_pattern::NamePattern;
    /// let pattern = NamePattern::parse("delete_*").unwrap();
    /// assert!(pattern.matches("delete_note"));
    /// assert!(!pattern.matches("undelete_note"));
    /// assert!(NamePattern::parse("delete_?").is_err());
    /// ```
    ///
    /// # Errors
    /// [`PatternRefused`].
    pub fn parse(text: &str) -> Result<Self, PatternRefused> {
        let foreign = |c: char| c.is_control() || "?[]{}\\".contains(c);
        match text {
            "" => Err(PatternRefused::Empty),
            _ if text.len() > LONGEST => Err(PatternRefused::TooLong),
            _ if text.contains(foreign) => Err(PatternRefused::Character),
            _ if text.contains("**") => Err(PatternRefused::Doubled),
            _ if text.trim() != text => Err(PatternRefused::Space),
            _ => Ok(Self { text: text.to_owned() }),
        }
    }

    /// The pattern's text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The pattern in another spelling, which has no wildcard more.
    pub(super) fn respelled(&self, spell: impl Fn(&str) -> String) -> Self {
        Self { text: spell(&self.text) }
    }

    /// Whether the pattern has no wildcard.
    pub fn is_exact(&self) -> bool {
        !self.text.contains('*')
    }

    /// Whether all of `name` matches, byte for byte.
    pub fn matches(&self, name: &str) -> bool {
        matches(self.text.as_bytes(), name.as_bytes(), |a, b| a == b)
    }

    /// The same without regard to the case of ASCII letters.
    pub fn matches_ignoring_case(&self, name: &str) -> bool {
        matches(self.text.as_bytes(), name.as_bytes(), |a, b| a.eq_ignore_ascii_case(&b))
    }
}

/// Tries the latest `*` with ever longer text: earlier ones need no second try.
fn matches(pattern: &[u8], name: &[u8], same: impl Fn(u8, u8) -> bool) -> bool {
    let (mut at, mut of_name) = (0, 0);
    let mut latest_star = None;
    while of_name < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                latest_star = Some((at, of_name));
                at += 1;
            }
            Some(byte) if same(*byte, name[of_name]) => {
                at += 1;
                of_name += 1;
            }
            _ => match &mut latest_star {
                None => return false,
                Some((star, tried)) => {
                    *tried += 1;
                    (at, of_name) = (*star + 1, *tried);
                }
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, expected) in [
            ("add", "add", true),
            ("add", "Add", false),
            ("add", "add ", false),
            ("add", "", false),
            ("*", "", true),
            ("*", "anything at all", true),
            ("delete_*", "delete_", true),
            ("delete_*", "delete_note", true),
            ("delete_*", "_delete_note", false),
            ("*_note", "delete_note", true),
            ("*_note", "delete_notes", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "aXbXbYc", true),
            ("a*b*c", "acb", false),
            ("*aab", "aaaab", true),
            ("ä*", "äöü", true),
        ] {
            assert_eq!(NamePattern::parse(pattern).unwrap().matches(name), expected, "{pattern}");
        }
    }

    #[test]
    fn case_is_ignored_where_asked() {
        let pattern = NamePattern::parse("file:///Secret/*").unwrap();
        assert!(pattern.matches_ignoring_case("FILE:///sECRET/X"));
        assert!(!pattern.matches("FILE:///sECRET/X"));
    }

    #[test]
    fn other_languages_of_patterns_are_refused() {
        for (text, why) in [
            ("", PatternRefused::Empty),
            ("a?", PatternRefused::Character),
            ("[ab]", PatternRefused::Character),
            ("{a,b}", PatternRefused::Character),
            ("\\*", PatternRefused::Character),
            ("a\n", PatternRefused::Character),
            ("a**", PatternRefused::Doubled),
            (" a", PatternRefused::Space),
            (&"a".repeat(513), PatternRefused::TooLong),
        ] {
            assert_eq!(NamePattern::parse(text), Err(why), "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_matches_as_the_definition_says(pattern in "[ab*]{1,6}", name in "[ab]{0,8}") {
            if let Ok(parsed) = NamePattern::parse(&pattern) {
                assert_eq!(parsed.matches(&name), defined(pattern.as_bytes(), name.as_bytes()));
            }
        }
    }

    fn defined(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|from| defined(rest, &name[from..])),
            Some((byte, rest)) => name.first() == Some(byte) && defined(rest, &name[1..]),
        }
    }
}
