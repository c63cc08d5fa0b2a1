//! The filter's configurations in `/config_dump`. They hold the sidecar's token, so nothing of them
//! but names goes on.

use serde_json::Value;

/// One use of the filter.
pub(super) struct Plugin {
    /// What it is called.
    pub(super) name: String,
    /// Its configuration, as the filter gets it.
    pub(super) configuration: String,
    /// What becomes of requests if it does not run.
    pub(super) on_failure: OnFailure,
}

/// What becomes of requests if a filter does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnFailure {
    /// They are refused.
    Closed,
    /// They pass.
    Open,
}

impl Plugin {
    /// The clusters that it calls, and what for.
    pub(super) fn clusters(&self) -> Vec<(String, &'static str)> {
        let document: Value = serde_json::from_str(&self.configuration).unwrap_or_default();
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let issuers = document.get("issuers").and_then(Value::as_array);
        let keys = issuers.into_iter().flatten().map(|it| text(it.pointer("/jwks/cluster")));
        let mut found: Vec<_> = keys.flatten().map(|name| (name, "keys")).collect();
        found.extend(text(document.pointer("/sessions/cluster")).map(|name| (name, "sidecar")));
        found
    }
}

/// All uses of the filter that the dump shows, wherever in it they are.
pub(super) fn plugins(dump: &Value) -> Vec<Plugin> {
    let mut found = Vec::new();
    collect(dump, &mut found);
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found.dedup_by(|one, other| one.name == other.name && one.configuration == other.configuration);
    found
}

fn collect(value: &Value, found: &mut Vec<Plugin>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(members) => {
            let kind = members.get("@type").and_then(Value::as_str).unwrap_or_default();
            if kind.ends_with("envoy.extensions.filters.http.wasm.v3.Wasm")
                && let Some(plugin) = members.get("config").and_then(plugin)
            {
                found.push(plugin);
            }
            members.values().for_each(|member| collect(member, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Ours is known by its configuration, or by its name where that cannot be read.
fn plugin(config: &Value) -> Option<Plugin> {
    let text = |pointer: &str| config.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let names = ["/name", "/root_id", "/vm_config/vm_id"].map(text);
    // A StringValue has the document as text, a Struct as an object.
    let configuration = match config.pointer("/configuration/value") {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let document: Value = serde_json::from_str(&configuration).unwrap_or_default();
    let is_ours = document.get("issuers").is_some() && document.get("resources").is_some();
    let is_named = names.iter().any(|name| name.contains("mcp_auth") || name.contains("mcp-auth"));
    if !is_ours && !is_named {
        return None;
    }
    let is_open = config.get("fail_open") == Some(&Value::Bool(true))
        || config.get("failure_policy").is_some_and(|it| it == "FAIL_OPEN");
    let on_failure = if is_open { OnFailure::Open } else { OnFailure::Closed };
    let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or("the filter").to_owned();
    Some(Plugin { name, configuration, on_failure })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_filter_is_found_wherever_it_is_and_others_are_not() {
        let wasm = |config: Value| {
            json!({
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": config,
            })
        };
        let settings = json!({
            "issuers": [{"issuer": "https://a/", "jwks": {"uri": "https://a/k", "cluster": "idp"}}],
            "resources": [{}],
            "sessions": {"cluster": "mcp-auth"},
        });
        let dump = json!({"configs": [
            {"static_listeners": [{"deep": [wasm(json!({
                "name": "ours",
                "configuration": {"@type": "…StringValue", "value": settings.to_string()},
            }))]}]},
            {"ecds_filters": [wasm(json!({
                "root_id": "as-struct",
                "failure_policy": "FAIL_OPEN",
                "configuration": {"@type": "…Struct", "value": settings},
            }))]},
            wasm(json!({"name": "other", "configuration": {"value": "{}"}})),
            wasm(json!({"vm_config": {"vm_id": "mcp_auth"}, "configuration": {"value": "{broken"}})),
        ]});
        let found = plugins(&dump);
        let names: Vec<_> = found.iter().map(|it| (it.name.as_str(), it.on_failure)).collect();
        assert_eq!(
            names,
            [
                ("as-struct", OnFailure::Open),
                ("mcp_auth", OnFailure::Closed),
                ("ours", OnFailure::Closed)
            ]
        );
        let clusters = [("idp".to_owned(), "keys"), ("mcp-auth".to_owned(), "sidecar")];
        assert_eq!(found[2].clusters(), clusters);
        assert_eq!(found[1].clusters(), []);
    }
}
