//! A place in the document, such as `issuers[0].jwks.refresh`. It is spelt out only where it is told:
//! a configuration that is accepted needs none of these texts.

use std::fmt::{self, Display};

use super::ConfigRefused;

/// A place, as a step from the one around it.
#[derive(Clone, Copy)]
pub(super) struct Field<'p> {
    around: Option<&'p Field<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Member(&'p str),
    Item(usize),
}

impl<'p> Field<'p> {
    /// A member of the document.
    pub(super) fn top(name: &'p str) -> Self {
        Self { around: None, step: Step::Member(name) }
    }

    /// A member of the object here.
    pub(super) fn member(&'p self, name: &'p str) -> Self {
        Self { around: Some(self), step: Step::Member(name) }
    }

    /// An item of the list here.
    pub(super) fn item(&'p self, nth: usize) -> Self {
        Self { around: Some(self), step: Step::Item(nth) }
    }

    /// What is here is not accepted.
    pub(super) fn refused(&self, problem: impl Display) -> ConfigRefused {
        self.because(&problem)
    }

    #[cold]
    #[inline(never)]
    fn because(&self, problem: &dyn Display) -> ConfigRefused {
        ConfigRefused { field: self.to_string(), problem: problem.to_string() }
    }
}

impl Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(around) = self.around {
            around.fmt(f)?;
        }
        match self.step {
            Step::Member(name) if self.around.is_none() => f.write_str(name),
            Step::Member(name) => write!(f, ".{name}"),
            Step::Item(nth) => write!(f, "[{nth}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_told_from_the_document_on() {
        let issuers = Field::top("issuers");
        let issuer = issuers.item(1);
        let jwks = issuer.member("jwks");
        let refused = jwks.member("refresh").refused("too often");
        assert_eq!(refused.field, "issuers[1].jwks.refresh");
        assert_eq!(refused.problem, "too often");
    }
}
