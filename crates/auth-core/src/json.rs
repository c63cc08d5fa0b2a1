//! JSON as security needs it: an object that names a member twice is refused, at any depth
//! (RFC 7515 §4, RFC 7519 §4 leave the choice; two readers that choose differently are an attack).

use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Number, Value, map::Entry};

/// Reads one JSON value without duplicate members, and nothing after it.
///
/// ```
/// use auth_core::json::parse;
/// assert!(parse(br#"{"a": 1}"#).is_ok());
/// assert!(parse(br#"{"a": 1, "a": 2}"#).is_err());
/// ```
///
/// # Errors
/// The reader's own words; they may quote the input, so they are for an operator, not for a client.
pub fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice::<Strict>(bytes).map(|strict| strict.0)
}

/// Like [`parse`], for input that must be an object.
///
/// # Errors
/// As [`parse`]; anything but an object is an error too.
pub fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, serde_json::Error> {
    serde_json::from_slice::<Object>(bytes).map(|object| object.0)
}

/// An object as [`parse_object`] reads it, whose members are taken by name and kind. It is what types
/// of other servers are read from: a generated reader for each of them would be larger than all that
/// is done with them.
#[derive(Clone, Debug)]
pub(crate) struct Object(Map<String, Value>);

/// A member that is missing or is something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its member `{name}` is missing or not {kind}")]
pub(crate) struct NotThatKind {
    name: &'static str,
    kind: &'static str,
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
        match Strict::deserialize(deserializer)?.0 {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(D::Error::custom("not a JSON object")),
        }
    }
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        StrictSeed.deserialize(deserializer).map(Self)
    }
}

struct StrictSeed;

impl<'de> DeserializeSeed<'de> for StrictSeed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictSeed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(StrictSeed)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            let value = access.next_value_seed(StrictSeed)?;
            match map.entry(name) {
                Entry::Vacant(member) => drop(member.insert(value)),
                Entry::Occupied(member) => {
                    let name = member.key();
                    return Err(A::Error::custom(format_args!("duplicate key `{name}`")));
                }
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn duplicate_members_are_refused_at_any_depth() {
        assert!(parse(br#"{"a":{"b":[{"c":1,"c":1}]}}"#).is_err());
        assert!(parse(br#"{"a":1,"\u0061":2}"#).is_err(), "escapes name the same member");
    }

    #[test]
    fn ordinary_json_reads_as_serde_json_reads_it() {
        let text = br#"{"a":[1,-2,3.5,null,true,"x"],"b":{}}"#;
        assert_eq!(parse(text).unwrap(), json!({"a": [1, -2, 3.5, null, true, "x"], "b": {}}));
    }

    #[test]
    fn trailing_bytes_and_other_types_are_refused() {
        assert!(parse_object(b"{} {}").is_err());
        assert!(parse_object(b"[]").is_err());
        assert!(parse_object(b"\xff").is_err());
    }

    #[test]
    fn deep_nesting_is_refused_not_overflowed() {
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }
}
