//! What types of other servers are read from: the members of an object, taken by name and kind.

use serde::de::{Deserialize, Deserializer, Error as _};
use serde_json::{Map, Value};

use super::{Json, NOT_AN_OBJECT, parse_object};

/// An object whose members are taken by name and kind. A generated reader for each type would be larger
/// than all that is done with them.
#[derive(Clone, Debug)]
pub(crate) struct Object(Map<String, Value>);

/// A member that is missing or is something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its member `{name}` is missing or not {kind}")]
pub(crate) struct NotThatKind {
    name: &'static str,
    kind: &'static str,
}

/// Reads a type of another server.
///
/// # Errors
/// What is wrong with it, for an operator.
pub(crate) fn read_as<T: TryFrom<Object, Error = NotThatKind>>(bytes: &[u8]) -> Result<T, String> {
    let members = parse_object(bytes).map_err(|why| why.to_string())?;
    T::try_from(Object(members)).map_err(|why| why.to_string())
}

impl Object {
    /// Whether the member is there, and not `null`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_null())
    }

    /// A member that `read` makes something of, `kind` by name.
    pub(crate) fn get<'o, T>(
        &'o self,
        name: &'static str,
        kind: &'static str,
        read: impl FnOnce(&'o Value) -> Option<T>,
    ) -> Result<T, NotThatKind> {
        self.0.get(name).and_then(read).ok_or(NotThatKind { name, kind })
    }

    /// A string.
    pub(crate) fn text(&self, name: &'static str) -> Result<&str, NotThatKind> {
        self.get(name, "a string", Value::as_str)
    }

    /// A string that may be absent or `null`.
    pub(crate) fn optional_text(&self, name: &'static str) -> Result<Option<String>, NotThatKind> {
        self.has(name).then(|| self.text(name).map(str::to_owned)).transpose()
    }

    /// Takes out objects.
    pub(crate) fn take_objects(&mut self, name: &'static str) -> Result<Vec<Self>, NotThatKind> {
        let not_that_kind = NotThatKind { name, kind: "a list of objects" };
        let Some(Value::Array(items)) = self.0.remove(name) else { return Err(not_that_kind) };
        let object = |item| match item {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(not_that_kind),
        };
        items.into_iter().map(object).collect()
    }

    /// Strings; none if they are absent.
    pub(crate) fn texts(&self, name: &'static str) -> Result<Vec<String>, NotThatKind> {
        let text = |item: &Value| item.as_str().map(str::to_owned);
        let texts = |value: &Value| value.as_array()?.iter().map(text).collect();
        if self.0.contains_key(name) {
            self.get(name, "a list of strings", texts)
        } else {
            Ok(Vec::new())
        }
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Json::deserialize(deserializer)? {
            Json::Object(members) => Ok(Self(members.into())),
            _ => Err(D::Error::custom(NOT_AN_OBJECT)),
        }
    }
}
