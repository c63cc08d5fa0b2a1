//! What fields of an object should say, what has to change for it, and the `PATCH` that does so.
//! Fields that nobody wants anything of are not touched.

use serde_json::{Map, Value};

/// What a field, or a member of one, should say.
#[derive(Clone, Debug)]
pub struct Wanted {
    field: &'static str,
    member: Option<&'static str>,
    value: Value,
    others_stay: bool,
}

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The field, as `field` or `field.member`.
    pub field: String,
    /// What it says; null where it says nothing.
    pub from: Value,
    /// What it should say.
    pub to: Value,
}

/// How a `PATCH` treats a field that is an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objects {
    /// It is replaced, so all members that are there have to be sent again.
    AreReplaced,
    /// Members that are not sent stay.
    AreMerged,
}

impl Wanted {
    /// The field says exactly this; of a list the order does not matter.
    pub fn exactly(field: &'static str, value: impl Into<Value>) -> Self {
        Self { field, member: None, value: value.into(), others_stay: false }
    }

    /// A member of the field says exactly this.
    pub fn member(field: &'static str, member: &'static str, value: impl Into<Value>) -> Self {
        Self { field, member: Some(member), value: value.into(), others_stay: false }
    }

    /// The list holds these entries; others stay.
    pub fn containing(field: &'static str, entries: Vec<Value>) -> Self {
        Self { field, member: None, value: Value::Array(entries), others_stay: true }
    }

    /// What is there now.
    fn actual<'a>(&self, object: &'a Map<String, Value>) -> &'a Value {
        let field = object.get(self.field).unwrap_or(&Value::Null);
        match self.member {
            None => field,
            Some(member) => field.get(member).unwrap_or(&Value::Null),
        }
    }

    /// What has to be there, given what is.
    fn target(&self, actual: &Value) -> Value {
        let (Value::Array(wanted), Value::Array(there)) = (&self.value, actual) else {
            return self.value.clone();
        };
        if !self.others_stay {
            return self.value.clone();
        }
        let missing = wanted.iter().filter(|it| !there.iter().any(|have| is_same_entry(have, it)));
        Value::Array(there.iter().chain(missing).cloned().collect())
    }

    fn name(&self) -> String {
        match self.member {
            None => self.field.to_owned(),
            Some(member) => format!("{}.{member}", self.field),
        }
    }
}

/// What has to change in `object`.
pub fn changes(wanted: &[Wanted], object: &Map<String, Value>) -> Vec<Change> {
    let change = |want: &Wanted| {
        let actual = want.actual(object);
        let to = want.target(actual);
        let change = Change { field: want.name(), from: actual.clone(), to };
        (!says_the_same(actual, &change.to)).then_some(change)
    };
    wanted.iter().filter_map(change).collect()
}

/// The body of the `PATCH` that makes these changes; whole fields, and only those that change.
pub fn patch(wanted: &[Wanted], object: &Map<String, Value>, objects: Objects) -> Value {
    let mut body = Map::new();
    for want in wanted {
        let actual = want.actual(object);
        let target = want.target(actual);
        if says_the_same(actual, &target) {
            continue;
        }
        let Some(member) = want.member else {
            body.insert(want.field.to_owned(), target);
            continue;
        };
        let there = match (objects, object.get(want.field)) {
            (Objects::AreReplaced, Some(Value::Object(there))) => there.clone(),
            (Objects::AreReplaced | Objects::AreMerged, _) => Map::new(),
        };
        let field = body.entry(want.field).or_insert_with(|| Value::Object(there));
        if let Value::Object(field) = field {
            field.insert(member.to_owned(), target);
        }
    }
    Value::Object(body)
}

/// Everything that is wanted, as the body of a `POST`.
pub fn whole(wanted: &[Wanted]) -> Map<String, Value> {
    match patch(wanted, &Map::new(), Objects::AreMerged) {
        Value::Object(body) => body,
        other => unreachable!("a patch is an object, not {other}"),
    }
}

fn says_the_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one.iter().all(|entry| other.iter().any(|it| is_same_entry(it, entry)))
        }
        (one, other) => one == other,
    }
}

/// Scopes are objects that are known by their `value`; how they are described is nobody's business.
fn is_same_entry(one: &Value, other: &Value) -> bool {
    match (one.get("value"), other.get("value")) {
        (Some(one), Some(other)) => one == other,
        (None, _) | (_, None) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted() -> Vec<Wanted> {
        vec![
            Wanted::exactly("signing_alg", "RS256"),
            Wanted::exactly("grant_types", json!(["authorization_code", "refresh_token"])),
            Wanted::containing("scopes", vec![json!({"value": "mcp:read", "description": "ours"})]),
            Wanted::member("refresh_token", "leeway", 60),
        ]
    }

    #[test]
    fn nothing_changes_where_all_is_as_wanted() {
        let there = json!({
            "signing_alg": "RS256",
            "grant_types": ["refresh_token", "authorization_code"],
            "scopes": [{"value": "other"}, {"value": "mcp:read", "description": "theirs"}],
            "refresh_token": {"leeway": 60, "rotation_type": "rotating"},
        });
        let there = there.as_object().unwrap();
        assert_eq!(changes(&wanted(), there), []);
        assert_eq!(patch(&wanted(), there, Objects::AreReplaced), json!({}));
    }

    #[test]
    fn a_patch_has_whole_fields_and_keeps_what_is_not_ours() {
        let there = json!({
            "name": "theirs",
            "signing_alg": "HS256",
            "grant_types": ["authorization_code", "refresh_token", "implicit"],
            "scopes": [{"value": "other", "description": "kept"}],
            "refresh_token": {"leeway": 0, "rotation_type": "rotating"},
        });
        let there = there.as_object().unwrap();
        let body = patch(&wanted(), there, Objects::AreReplaced);
        assert_eq!(
            body,
            json!({
                "signing_alg": "RS256",
                "grant_types": ["authorization_code", "refresh_token"],
                "scopes": [{"value": "other", "description": "kept"},
                           {"value": "mcp:read", "description": "ours"}],
                "refresh_token": {"leeway": 60, "rotation_type": "rotating"},
            })
        );
        let fields: Vec<_> = changes(&wanted(), there).into_iter().map(|it| it.field).collect();
        assert_eq!(fields, ["signing_alg", "grant_types", "scopes", "refresh_token.leeway"]);
        let merged = patch(&wanted(), there, Objects::AreMerged);
        assert_eq!(merged["refresh_token"], json!({"leeway": 60}));
    }
}
