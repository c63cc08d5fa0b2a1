//! The `Host` of a request and of a rule: compared without case, and without the port unless the
//! rule has one.

/// A host that a rule is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostRule {
    host: String,
    port: Option<String>,
}

/// Why a text is not a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a host is a name or an address with an optional port, without scheme, path or wildcard")]
pub struct NotAHost;

impl HostRule {
    /// Reads `mcp.example.com`, `mcp.example.com:8443` or `[::1]:8443`.
    ///
    /// # Errors
    /// [`NotAHost`].
    pub fn parse(text: &str) -> Result<Self, NotAHost> {
        let (host, port) = split(text);
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok());
        if host.is_empty() || !host.chars().all(allowed) || !port_fits {
            return Err(NotAHost);
        }
        Ok(Self { host: host.to_ascii_lowercase(), port: port.map(str::to_owned) })
    }

    /// Whether a request with this `Host` is for it.
    pub fn matches(&self, authority: &str) -> bool {
        let (host, port) = split(authority);
        host.eq_ignore_ascii_case(&self.host)
            && self.port.as_deref().is_none_or(|own| port == Some(own))
    }
}

/// The host of an authority, without its port.
pub(crate) fn host(authority: &str) -> &str {
    split(authority).0
}

/// Host and port of an authority; brackets stay with an IPv6 address.
fn split(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_port_do_not_matter_unless_the_rule_has_a_port() {
        let rule = HostRule::parse("MCP.example.com").unwrap();
        assert!(rule.matches("mcp.Example.com") && rule.matches("mcp.example.com:8443"));
        assert!(!rule.matches("mcp.example.com.evil") && !rule.matches("xmcp.example.com"));
        let rule = HostRule::parse("mcp.example.com:8443").unwrap();
        assert!(rule.matches("mcp.example.com:8443"));
        assert!(!rule.matches("mcp.example.com") && !rule.matches("mcp.example.com:443"));
    }

    #[test]
    fn ipv6_addresses_keep_their_brackets() {
        let rule = HostRule::parse("[::1]").unwrap();
        assert!(rule.matches("[::1]") && rule.matches("[::1]:80") && !rule.matches("[::2]"));
    }

    #[test]
    fn other_texts_are_no_hosts() {
        for text in ["", "*.example.com", "https://example.com", "a/b", "a:b", "a b", "a:99999"] {
            assert_eq!(HostRule::parse(text), Err(NotAHost), "{text}");
        }
    }
}
