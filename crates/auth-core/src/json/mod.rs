//! JSON as security needs it: an object that names a member twice is refused, at any depth
//! (RFC 7515 §4, RFC 7519 §4 leave the choice; two readers that choose differently are an attack).

use std::{borrow::Cow, fmt};

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Number, Value};

use crate::name_digest::NameDigest;

mod object;
pub(crate) mod raw;

pub(crate) use object::{NotThatKind, Object, read_as};

/// A JSON value whose texts stay where they were read from, but for those with escapes.
#[derive(Clone, Debug, PartialEq)]
pub enum Json<'t> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    Text(Cow<'t, str>),
    /// An array.
    List(Vec<Json<'t>>),
    /// An object.
    Object(Members<'t>),
}

/// The members of an object, no name twice.
#[derive(Clone, Debug, PartialEq)]
pub struct Members<'t>(Vec<(Cow<'t, str>, Json<'t>)>);

/// Reads one JSON value without duplicate members, and nothing after it.
///
/// ```
/// use auth_core::json::read;
/// assert!(read(br#"{"a": 1}"#).is_ok());
/// assert!(read(br#"{"a": 1, "a": 2}"#).is_err());
/// ```
///
/// # Errors
/// The reader's own words; they may quote the input, so they are for an operator, not for a client.
pub fn read(bytes: &[u8]) -> Result<Json<'_>, serde_json::Error> {
    serde_json::from_str(text(bytes)?)
}

/// UTF-8 is checked as a whole, which is faster than string by string.
fn text(bytes: &[u8]) -> Result<&str, serde_json::Error> {
    std::str::from_utf8(bytes).map_err(serde_json::Error::custom)
}

/// Like [`read`], for input that must be an object.
///
/// # Errors
/// As [`read`]; anything but an object is an error too.
pub fn read_object(bytes: &[u8]) -> Result<Members<'_>, serde_json::Error> {
    match read(bytes)? {
        Json::Object(members) => Ok(members),
        _ => Err(serde_json::Error::custom(NOT_AN_OBJECT)),
    }
}

/// Like [`read`], for what outlives its text.
///
/// # Errors
/// As [`read`].
pub fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    read(bytes).map(Value::from)
}

/// Like [`read_object`], for what outlives its text.
///
/// # Errors
/// As [`read_object`].
pub fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, serde_json::Error> {
    read_object(bytes).map(Map::from)
}

const NOT_AN_OBJECT: &str = "not a JSON object";

impl<'t> Json<'t> {
    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::List(_) | Self::Object(_) => None,
        }
    }
}

impl<'t> Members<'t> {
    /// The value of the member `name`.
    pub fn get(&self, name: &str) -> Option<&Json<'t>> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }
}

impl From<Json<'_>> for Value {
    fn from(json: Json<'_>) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(flag) => Self::Bool(flag),
            Json::Number(number) => Self::Number(number),
            Json::Text(text) => Self::String(text.into_owned()),
            Json::List(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            Json::Object(members) => Self::Object(members.into()),
        }
    }
}

impl From<Members<'_>> for Map<String, Value> {
    fn from(members: Members<'_>) -> Self {
        let mut map = Self::new();
        for (name, value) in members.0 {
            map.insert(name.into_owned(), value.into());
        }
        map
    }
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Strict)
    }
}

struct Strict;

impl<'de> Visitor<'de> for Strict {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Json<'de>, E> {
        Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json<'de>, A::Error> {
        let mut members: Vec<(Cow<'de, str>, Json<'de>)> = Vec::new();
        while let Some(name) = access.next_key_seed(Name)? {
            members.push((name, access.next_value()?));
        }
        let mut digests: Vec<_> = members.iter().map(|(name, _)| NameDigest::of(name)).collect();
        let Some(twin) = NameDigest::find_twin(&mut digests) else {
            return Ok(Json::Object(Members(members)));
        };
        let name = members.iter().find(|(name, _)| NameDigest::of(name) == twin);
        let name = name.map(|(name, _)| name.as_ref()).unwrap_or_default();
        Err(A::Error::custom(format_args!("duplicate key `{name}`")))
    }
}

/// Reads the name of a member.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
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
    fn texts_stay_where_they_are() {
        let members = read_object(br#"{"a":"x","b":"\u0078"}"#).unwrap();
        assert!(matches!(members.get("a"), Some(Json::Text(Cow::Borrowed("x")))));
        assert!(matches!(members.get("b"), Some(Json::Text(Cow::Owned(text))) if text == "x"));
        assert_eq!(members.get("c"), None);
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
