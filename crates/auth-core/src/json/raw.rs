//! Items of a list that are to be read each on its own, so that an odd one costs only itself.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Name, text};

/// The items of the list that is the member `name` of an object, as they stand; none if there is no
/// such object. They are JSON, and nothing else is known of them.
pub(crate) fn items<'t>(bytes: &'t [u8], name: &'static str) -> Option<Vec<&'t RawValue>> {
    let mut reader = serde_json::Deserializer::from_str(text(bytes).ok()?);
    let items = List::OfMember(name).deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(items)
}

/// Reads a list.
enum List {
    OfMember(&'static str),
    Itself,
}

impl List {
    // Serde's own refusals print what was found, and with it bring the printing of fractions along.
    fn refuse<T, E: Error>() -> Result<T, E> {
        Err(E::custom("no list"))
    }
}

impl<'de> DeserializeSeed<'de> for List {
    type Value = Vec<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let Self::OfMember(wanted) = self else { return Self::refuse() };
        let mut found = None;
        while let Some(name) = members.next_key_seed(Name)? {
            if name != wanted {
                members.next_value::<IgnoredAny>()?;
            } else if found.replace(members.next_value_seed(Self::Itself)?).is_some() {
                return Self::refuse();
            }
        }
        found.map_or_else(Self::refuse, Ok)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let Self::Itself = self else { return Self::refuse() };
        let mut found = Vec::new();
        while let Some(item) = items.next_element()? {
            found.push(item);
        }
        Ok(found)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Self::refuse()
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Self::refuse()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Self::refuse()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Self::refuse()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Self::refuse()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Self::refuse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<Vec<&str>> {
        Some(items(text.as_bytes(), "keys")?.into_iter().map(RawValue::get).collect())
    }

    #[test]
    fn items_are_handed_out_as_they_stand() {
        let text = r#"{"a":{"keys":[1]},"keys":[{"x":1,"x":2},"y",[]],"b":null}"#;
        assert_eq!(found(text), Some(vec![r#"{"x":1,"x":2}"#, r#""y""#, "[]"]));
        assert_eq!(found(r#"{"keys":[]}"#), Some(Vec::new()));
        // Half of a surrogate pair: found by the fuzzer.
        assert_eq!(found(r#"{"keys":["\ud800",1]}"#), Some(vec![r#""\ud800""#, "1"]));
    }

    #[test]
    fn what_has_no_such_list_has_no_items() {
        for text in [
            "",
            "[]",
            "[[1]]",
            "{}",
            r#"{"keys":1}"#,
            r#"{"keys":{}}"#,
            r#"{"keys":null}"#,
            r#"{"keys":[1],"keys":[2]}"#,
            r#"{"keys":[1]} x"#,
            r#"{"keys":[1,]}"#,
            r#"{"keys":[1]"#,
            r#""keys""#,
            "1.5",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
        assert!(items(b"{\"keys\":[\"\xff\"]}", "keys").is_none());
    }
}
