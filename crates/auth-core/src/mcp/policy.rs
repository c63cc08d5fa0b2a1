//! Rules about calls: which ones a resource has, and which of them a call falls under.

use super::{
    call::{Call, NameMember},
    name_pattern::NamePattern,
    resource_uri::CanonicalUri,
};
use crate::needs::Needs;

/// The rules of a resource.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallPolicy {
    pub(crate) rules: Vec<CallRule>,
    /// Whether `Mcp-Method` and `Mcp-Name` are believed without a look at the body.
    pub(crate) trusts_headers: bool,
}

/// What a call needs if it is of this method and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallRule {
    pub(crate) method: NamePattern,
    /// Absent: any name, or none.
    pub(crate) name: Option<NamePattern>,
    pub(crate) needs: Needs,
}

/// A call of which the rules cannot tell whether they are about it: its name is missing, or a URI
/// that two servers could read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ambiguous;

impl CallPolicy {
    /// Whether calls have to be known.
    pub(crate) fn applies(&self) -> bool {
        !self.rules.is_empty()
    }

    /// The places of the rules that `call` falls under.
    pub(crate) fn rules_for(&self, call: &Call) -> Result<Vec<usize>, Ambiguous> {
        let mut found = Vec::new();
        let mut subject = None;
        for (nth, rule) in self.rules.iter().enumerate() {
            if !rule.method.matches(&call.method) {
                continue;
            }
            let fits = match &rule.name {
                None => true,
                Some(pattern) => {
                    let subject = match subject {
                        Some(subject) => subject,
                        None => *subject.insert(Subject::of(call)?),
                    };
                    subject.fits(pattern)
                }
            };
            if fits {
                found.push(nth);
            }
        }
        Ok(found)
    }
}

/// What a call's name is compared as.
#[derive(Clone, Copy)]
enum Subject<'c> {
    Name(&'c str),
    Uri(CanonicalUri<'c>),
}

impl<'c> Subject<'c> {
    fn of(call: &'c Call) -> Result<Self, Ambiguous> {
        let name = call.name.as_deref().ok_or(Ambiguous)?;
        match NameMember::of(&call.method) {
            Some(NameMember::Uri) => {
                CanonicalUri::parse(name).map(Self::Uri).map_err(|_| Ambiguous)
            }
            Some(NameMember::Name) | None => Ok(Self::Name(name)),
        }
    }

    fn fits(self, pattern: &NamePattern) -> bool {
        match self {
            Self::Name(name) => pattern.matches(name),
            Self::Uri(uri) => uri.fits(pattern),
        }
    }
}
