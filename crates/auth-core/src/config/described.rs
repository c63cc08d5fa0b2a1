//! What a reader of the configuration asked for, as a JSON Schema, and what it got, with defaults.
//! The reader itself tells it, so neither can say anything else than it does. Only operators' commands
//! want to know; in the filter all this is nothing.

use serde_json::Value;

/// What is known of one object.
#[derive(Default)]
pub(super) struct Described {
    #[cfg(feature = "operator")]
    properties: serde_json::Map<String, Value>,
    #[cfg(feature = "operator")]
    required: Vec<Value>,
    #[cfg(feature = "operator")]
    values: serde_json::Map<String, Value>,
}

#[cfg(feature = "operator")]
impl Described {
    /// A member: what it may be, and what it is, if it is there or has a default.
    pub(super) fn member(
        &mut self,
        name: &'static str,
        schema: impl FnOnce() -> Value,
        value: impl FnOnce() -> Option<Value>,
    ) {
        self.properties.insert(name.to_owned(), schema());
        if let Some(value) = value() {
            self.values.insert(name.to_owned(), value);
        }
    }

    /// The member has to be there.
    pub(super) fn require(&mut self, name: &'static str) {
        self.required.push(name.into());
    }

    /// The schema of the object.
    pub(super) fn schema(self) -> Value {
        let mut schema = serde_json::json!({
            "type": "object",
            "additionalProperties": false,
            "properties": self.properties,
        });
        if !self.required.is_empty() {
            schema["required"] = self.required.into();
        }
        schema
    }

    /// The object with its defaults.
    pub(super) fn values(self) -> Value {
        self.values.into()
    }
}

#[cfg(not(feature = "operator"))]
#[expect(clippy::unused_self, reason = "what it would do is left to operators' commands")]
impl Described {
    pub(super) fn member(
        &mut self,
        _: &'static str,
        _: impl FnOnce() -> Value,
        _: impl FnOnce() -> Option<Value>,
    ) {
    }

    pub(super) fn require(&mut self, _: &'static str) {}
}
