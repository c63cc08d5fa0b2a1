//! A call: what a JSON-RPC message asks an MCP server to do, as far as rules speak of it.

use crate::identity_header;

/// The most bytes of a method or name that are logged.
const LONGEST_LOGGED: usize = 256;

/// A JSON-RPC request or notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// `method`.
    pub method: String,
    /// What is called, where the method names something ([`NameMember::of`]) and it was a text of
    /// ordinary length without control characters.
    pub name: Option<String>,
}

/// The member of `params` that names what is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameMember {
    /// `params.name`
    Name,
    /// `params.uri`
    Uri,
}

/// Methods that name something.
const NAMING: [(&str, NameMember); 5] = [
    ("tools/call", NameMember::Name),
    ("prompts/get", NameMember::Name),
    ("resources/read", NameMember::Uri),
    ("resources/subscribe", NameMember::Uri),
    ("resources/unsubscribe", NameMember::Uri),
];

impl NameMember {
    /// Where `method` names what it calls, if it does.
    pub fn of(method: &str) -> Option<Self> {
        NAMING.iter().find(|(naming, _)| *naming == method).map(|(_, member)| *member)
    }

    /// The methods that name something.
    pub fn methods() -> impl Iterator<Item = &'static str> {
        NAMING.iter().map(|(method, _)| *method)
    }
}

impl Call {
    /// The call as logs may have it: bounded, and printable ASCII.
    pub(crate) fn encoded(&self) -> Self {
        let short = |text: &str| identity_header::encode_up_to(text, LONGEST_LOGGED).0.into_owned();
        Self { method: short(&self.method), name: self.name.as_deref().map(short) }
    }

    /// Whether MCP 2026-07-28 wants `Mcp-Name` with calls of `method`.
    pub(crate) fn must_mirror_name(method: &str) -> bool {
        matches!(method, "tools/call" | "prompts/get" | "resources/read")
    }
}
