//! The version of MCP that a request speaks: a date, in the header `MCP-Protocol-Version`.

/// A version of MCP, such as `2025-11-25`. Later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProtocolVersion([u8; 10]);

impl ProtocolVersion {
    /// The first version whose requests mirror method and name in headers.
    pub const MIRRORED: Self = Self(*b"2026-07-28");

    /// Reads a header's value: `YYYY-MM-DD`.
    ///
    /// ```
    /// use auth_core::mcp::protocol_version::ProtocolVersion;
    /// let older = ProtocolVersion::parse(b"2025-11-25").unwrap();
    /// assert!(older < ProtocolVersion::MIRRORED);
    /// assert!(ProtocolVersion::parse(b"latest").is_none());
    /// ```
    pub fn parse(value: &[u8]) -> Option<Self> {
        let text: [u8; 10] = value.try_into().ok()?;
        let fits = text.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
        fits.then_some(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_dates() {
        let version = |text: &str| ProtocolVersion::parse(text.as_bytes()).unwrap();
        assert!(version("2025-11-25") < ProtocolVersion::MIRRORED);
        assert!(version("2026-07-28") == ProtocolVersion::MIRRORED);
        assert!(version("2030-01-01") > ProtocolVersion::MIRRORED);
    }

    #[test]
    fn anything_else_is_no_version() {
        for text in [
            "",
            "2026-07-2",
            "2026-07-288",
            "2026/07/28",
            " 2026-07-28",
            "2026-07-28,2025-11-25",
            "20260-7-28",
            "DRAFT-2026",
            "２026-07-2",
        ] {
            assert_eq!(ProtocolVersion::parse(text.as_bytes()), None, "{text}");
        }
    }
}
