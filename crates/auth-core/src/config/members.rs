//! The members of a JSON object, taken one by one with their types. A reader only lists names and
//! defaults: what is wrong is kept here, with its field, and told once the object is read.
//!
//! Errors name fields and kinds of values but quote no value, since any may be a secret.

use serde_json::{Map, Value, json};

use super::{ConfigRefused, described::Described};

/// An object that is being read. Whatever no reader asked for is refused as unknown.
pub(super) struct Members {
    field: String,
    left: Map<String, Value>,
    known: Vec<&'static str>,
    /// The first problem; past it readers go on with placeholders that nobody sees.
    problem: Option<ConfigRefused>,
    described: Described,
}

impl Members {
    /// Reads a whole document.
    ///
    /// # Errors
    /// [`ConfigRefused`] if a member is unknown, missing or of another type than `read` asks for.
    pub(super) fn document<T>(
        document: Value,
        read: fn(&mut Self) -> T,
    ) -> Result<T, ConfigRefused> {
        let mut members = Self::new(String::new(), document);
        let whole = read(&mut members);
        members.refusal().map_or(Ok(whole), Err)
    }

    /// What `read` asks for, as a JSON Schema.
    #[cfg(feature = "operator")]
    pub(super) fn schema<T>(read: fn(&mut Self) -> T) -> Value {
        let mut members = Self::new(String::new(), Map::new().into());
        read(&mut members);
        members.described.schema()
    }

    /// A valid document with everything that `read` adds by default.
    #[cfg(feature = "operator")]
    pub(super) fn with_defaults<T>(document: Value, read: fn(&mut Self) -> T) -> Value {
        let mut members = Self::new(String::new(), document);
        read(&mut members);
        members.described.values()
    }

    /// A string that has to be there.
    pub(super) fn text(&mut self, name: &'static str) -> String {
        let text = match self.required(name) {
            None => String::new(),
            Some(value) => self.as_text(self.at(name), value),
        };
        self.described.member(name, || json!({"type": "string"}), || Some(text.clone().into()));
        text
    }

    /// A string, or what it is by default.
    pub(super) fn text_or(&mut self, name: &'static str, default: &str) -> String {
        let text = match self.take(name) {
            None => default.to_owned(),
            Some(value) => self.as_text(self.at(name), value),
        };
        let schema = || json!({"type": "string", "default": default});
        self.described.member(name, schema, || Some(text.clone().into()));
        text
    }

    /// A string that may be absent or `null`.
    pub(super) fn optional_text(&mut self, name: &'static str) -> Option<String> {
        let text = self.optional(name).map(|value| self.as_text(self.at(name), value));
        let schema = || json!({"type": ["string", "null"]});
        self.described.member(name, schema, || text.clone().map(Value::from));
        text
    }

    /// A list of strings, or what it is by default.
    pub(super) fn texts_or(&mut self, name: &'static str, default: &[&str]) -> Vec<String> {
        let texts = match self.take(name) {
            None => default.iter().map(|&text| text.to_owned()).collect(),
            Some(value) => self.as_list(self.at(name), value, Self::as_text),
        };
        let schema = || json!({"type": "array", "items": {"type": "string"}, "default": default});
        self.described.member(name, schema, || Some(texts.clone().into()));
        texts
    }

    /// A list of strings that may be absent or `null`.
    pub(super) fn optional_texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        let value = self.optional(name);
        let texts = value.map(|value| self.as_list(self.at(name), value, Self::as_text));
        let schema = || json!({"type": ["array", "null"], "items": {"type": "string"}});
        self.described.member(name, schema, || texts.clone().map(Value::from));
        texts
    }

    /// Strings by name, or what they are by default.
    pub(super) fn texts_by_name(
        &mut self,
        name: &'static str,
        default: fn() -> Vec<(String, String)>,
    ) -> Vec<(String, String)> {
        let field = self.at(name);
        let texts = match self.take(name) {
            None => default(),
            Some(value) => {
                let entries = self.as_map(field.clone(), value);
                let entry = |(key, value): (String, Value)| {
                    let text = self.as_text(format!("{field}.{key}"), value);
                    (key, text)
                };
                entries.into_iter().map(entry).collect()
            }
        };
        let object = |texts: Vec<(String, String)>| -> Value {
            texts.into_iter().map(|(name, text)| (name, Value::from(text))).collect()
        };
        let schema = || {
            let items = json!({"type": "string"});
            json!({"type": "object", "additionalProperties": items, "default": object(default())})
        };
        self.described.member(name, schema, || Some(object(texts.clone())));
        texts
    }

    /// Lists by name; by default none.
    pub(super) fn lists_by_name<T>(
        &mut self,
        name: &'static str,
        item: fn(&mut Self, String, Value) -> T,
    ) -> Vec<(String, Vec<T>)> {
        let value = self.take(name).unwrap_or_else(|| Map::new().into());
        let schema = || {
            let list = json!({"type": "array", "items": {"type": ["string", "number", "boolean"]}});
            json!({"type": "object", "additionalProperties": list, "default": {}})
        };
        self.described.member(name, schema, || Some(value.clone()));
        let field = self.at(name);
        let entries = self.as_map(field.clone(), value);
        let entry = |(key, value): (String, Value)| {
            let list = self.as_list(format!("{field}.{key}"), value, item);
            (key, list)
        };
        entries.into_iter().map(entry).collect()
    }

    /// `true` or `false`; by default `false`.
    pub(super) fn flag(&mut self, name: &'static str) -> bool {
        let flag = match self.take(name) {
            None => false,
            Some(Value::Bool(flag)) => flag,
            Some(other) => {
                self.expected(self.at(name), "true or false", &other);
                false
            }
        };
        let schema = || json!({"type": "boolean", "default": false});
        self.described.member(name, schema, || Some(flag.into()));
        flag
    }

    /// A whole number, or what it is by default.
    pub(super) fn number_or(&mut self, name: &'static str, default: usize) -> usize {
        let value = self.take(name).unwrap_or_else(|| default.into());
        let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
        let schema = || json!({"type": "integer", "minimum": 0, "default": default});
        self.described.member(name, schema, || Some(value.clone()));
        number.unwrap_or_else(|| {
            self.expected(self.at(name), "a whole number", &value);
            default
        })
    }

    /// One of a few words, each with its meaning; by default the first.
    pub(super) fn word<T: Copy>(&mut self, name: &'static str, words: &[(&str, T)]) -> T {
        let (first, default) = words[0];
        let value = self.take(name).unwrap_or_else(|| first.into());
        // YAML 1.1 readers, those of Envoy and Kubernetes among them, turn a bare `off` into `false`.
        let word = if value == Value::Bool(false) { Some("off") } else { value.as_str() };
        let schema = || {
            let known: Vec<_> = words.iter().map(|(known, _)| *known).collect();
            json!({"enum": known, "default": first})
        };
        self.described.member(name, schema, || word.map(Value::from));
        match words.iter().find(|(known, _)| Some(*known) == word) {
            Some((_, meaning)) => *meaning,
            None => {
                let known: Vec<_> = words.iter().map(|(known, _)| *known).collect();
                self.refuse(self.at(name), format!("expected one of: {}", known.join(", ")));
                default
            }
        }
    }

    /// An object that has to be there.
    pub(super) fn object<T>(&mut self, name: &'static str, read: fn(&mut Self) -> T) -> T {
        let value = self.required(name).unwrap_or_default();
        let (whole, described) = self.as_object(self.at(name), value, read);
        self.describe_object(name, read, Some(described));
        whole
    }

    /// An object that may be absent or `null`.
    pub(super) fn optional_object<T>(
        &mut self,
        name: &'static str,
        read: fn(&mut Self) -> T,
    ) -> Option<T> {
        let value = self.optional(name);
        let (whole, described) =
            value.map(|value| self.as_object(self.at(name), value, read)).unzip();
        self.describe_object(name, read, described);
        whole
    }

    /// A list of objects; by default empty.
    pub(super) fn objects<T>(&mut self, name: &'static str, read: fn(&mut Self) -> T) -> Vec<T> {
        let value = self.take(name).unwrap_or_else(|| Vec::<Value>::new().into());
        let read_item = |members: &mut Self, field, item| members.as_object(field, item, read);
        let (whole, described) = self.as_list(self.at(name), value, read_item).into_iter().unzip();
        self.describe_objects(name, read, described);
        whole
    }

    /// A list of objects that may be absent or `null`; their members are left to the caller.
    pub(super) fn optional_maps(&mut self, name: &'static str) -> Option<Vec<Map<String, Value>>> {
        let value = self.optional(name);
        let schema = || json!({"type": ["array", "null"], "items": {"type": "object"}});
        self.described.member(name, schema, || value.clone());
        value.map(|value| self.as_list(self.at(name), value, Self::as_map))
    }

    #[cfg(feature = "operator")]
    fn describe_object<T>(
        &mut self,
        name: &'static str,
        read: fn(&mut Self) -> T,
        described: Option<Described>,
    ) {
        self.described.member(name, || Self::schema(read), || described.map(Described::values));
    }

    #[cfg(feature = "operator")]
    fn describe_objects<T>(
        &mut self,
        name: &'static str,
        read: fn(&mut Self) -> T,
        described: Vec<Described>,
    ) {
        let schema = || json!({"type": "array", "items": Self::schema(read)});
        let values = described.into_iter().map(Described::values).collect();
        self.described.member(name, schema, || Some(Value::Array(values)));
    }

    #[cfg(not(feature = "operator"))]
    fn describe_object<T>(&mut self, _: &'static str, _: fn(&mut Self) -> T, _: Option<Described>) {
    }

    #[cfg(not(feature = "operator"))]
    fn describe_objects<T>(&mut self, _: &'static str, _: fn(&mut Self) -> T, _: Vec<Described>) {}

    fn new(field: String, value: Value) -> Self {
        let described = Described::default();
        let mut members =
            Self { field, left: Map::new(), known: Vec::new(), problem: None, described };
        members.left = members.as_map(members.field.clone(), value);
        members
    }

    /// What is wrong with the object, now that it is read. A member that is unknown goes first:
    /// another one may be missing because this one is misspelt.
    fn refusal(self) -> Option<ConfigRefused> {
        match self.left.keys().next() {
            Some(name) => Some(ConfigRefused {
                field: self.at(name),
                problem: format!("unknown key; known are: {}", self.known.join(", ")),
            }),
            None => self.problem,
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.left.remove(name)
    }

    fn optional(&mut self, name: &'static str) -> Option<Value> {
        self.take(name).filter(|value| !value.is_null())
    }

    fn required(&mut self, name: &'static str) -> Option<Value> {
        let value = self.take(name);
        self.described.require(name);
        if value.is_none() {
            self.refuse(self.field.clone(), format!("`{name}` is missing"));
        }
        value
    }

    pub(super) fn as_text(&mut self, field: String, value: Value) -> String {
        match value {
            Value::String(text) => text,
            other => {
                self.expected(field, "a string", &other);
                String::new()
            }
        }
    }

    fn as_list<T>(
        &mut self,
        field: String,
        value: Value,
        mut item: impl FnMut(&mut Self, String, Value) -> T,
    ) -> Vec<T> {
        match value {
            Value::Array(items) => items
                .into_iter()
                .enumerate()
                .map(|(nth, value)| item(self, format!("{field}[{nth}]"), value))
                .collect(),
            other => {
                self.expected(field, "a list", &other);
                Vec::new()
            }
        }
    }

    fn as_map(&mut self, field: String, value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => {
                self.expected(field, "an object", &other);
                Map::new()
            }
        }
    }

    fn as_object<T>(
        &mut self,
        field: String,
        value: Value,
        read: fn(&mut Self) -> T,
    ) -> (T, Described) {
        let mut inner = Self::new(field, value);
        let whole = read(&mut inner);
        let described = std::mem::take(&mut inner.described);
        if let Some(refused) = inner.refusal() {
            self.problem.get_or_insert(refused);
        }
        (whole, described)
    }

    fn expected(&mut self, field: String, kind: &str, found: &Value) {
        let found = match found {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.refuse(field, format!("expected {kind}, found {found}"));
    }

    fn refuse(&mut self, field: String, problem: String) {
        let field = if field.is_empty() { ".".to_owned() } else { field };
        self.problem.get_or_insert(ConfigRefused { field, problem });
    }

    #[inline(never)]
    fn at(&self, name: &str) -> String {
        match self.field.as_str() {
            "" => name.to_owned(),
            field => format!("{field}.{name}"),
        }
    }
}

#[cfg(test)]
mod tests;
