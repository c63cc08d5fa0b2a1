//! The filter's configuration in whatever file an operator has it: by itself, or inside an Envoy
//! bootstrap, an Istio WasmPlugin or an Envoy Gateway policy. JSON or YAML, several documents too.

use std::{fmt, io, path::Path};

use serde_json::Value;

use crate::input;

/// Longer files are not read.
const LONGEST: u64 = 8 << 20;

/// A configuration that was found.
#[derive(Debug)]
pub struct FilterConfig {
    /// In what.
    pub place: Place,
    /// The document.
    pub document: Value,
}

/// In what a configuration was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The file is nothing else.
    Alone,
    /// `spec.pluginConfig` of this Istio WasmPlugin.
    WasmPlugin(String),
    /// `spec.wasm[].config` of this Envoy Gateway EnvoyExtensionPolicy.
    EnvoyExtensionPolicy(String),
    /// The `configuration` of an HTTP filter of Envoy's, with this `root_id` or name.
    Envoy(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alone => f.write_str("a filter configuration"),
            Self::WasmPlugin(name) => write!(f, "Istio WasmPlugin {name}, spec.pluginConfig"),
            Self::EnvoyExtensionPolicy(name) => {
                write!(f, "EnvoyExtensionPolicy {name}, spec.wasm[].config")
            }
            Self::Envoy(name) => write!(f, "Envoy's HTTP filter {name}, configuration"),
        }
    }
}

/// Why no configuration was found.
#[derive(Debug, thiserror::Error)]
pub enum NotFound {
    /// The file.
    #[error("{0} cannot be read: {1}")]
    Unreadable(String, io::Error),
    /// Its form.
    #[error("{0} is neither JSON nor YAML: {1}")]
    Malformed(String, String),
    /// Its content.
    #[error(
        "{0} holds no filter configuration: expected one by itself (issuers, resources), an Envoy \
         bootstrap, a WasmPlugin or an EnvoyExtensionPolicy"
    )]
    Nothing(String),
}

/// Every configuration in a file; `-` is standard input.
///
/// # Errors
/// [`NotFound`] if there is none.
pub fn read(path: &Path) -> Result<Vec<FilterConfig>, NotFound> {
    let name = path.display().to_string();
    let unreadable = |why| NotFound::Unreadable(name.clone(), why);
    let text = input::read(path, LONGEST).map_err(unreadable)?;
    find(&text).map_err(|why| NotFound::Malformed(name.clone(), why)).and_then(|found| match found
        .is_empty()
    {
        true => Err(NotFound::Nothing(name)),
        false => Ok(found),
    })
}

/// Every configuration in a text. Keys that are there twice are refused, as the filter does.
fn find(text: &str) -> Result<Vec<FilterConfig>, String> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|why| why.to_string())?;
    let mut found = Vec::new();
    for document in &documents {
        if is_config(document) {
            found.push(FilterConfig { place: Place::Alone, document: document.clone() });
        } else {
            search(document, &mut found)?;
        }
    }
    Ok(found)
}

fn is_config(document: &Value) -> bool {
    document.get("issuers").is_some() && document.get("resources").is_some()
}

fn search(value: &Value, found: &mut Vec<FilterConfig>) -> Result<(), String> {
    let name = || value["metadata"]["name"].as_str().unwrap_or("without a name").to_owned();
    match value["kind"].as_str() {
        Some("WasmPlugin") if is_config(&value["spec"]["pluginConfig"]) => {
            let document = value["spec"]["pluginConfig"].clone();
            found.push(FilterConfig { place: Place::WasmPlugin(name()), document });
            return Ok(());
        }
        Some("EnvoyExtensionPolicy") => {
            let plugins = value["spec"]["wasm"].as_array().into_iter().flatten();
            for plugin in plugins.filter(|plugin| is_config(&plugin["config"])) {
                let document = plugin["config"].clone();
                found.push(FilterConfig { place: Place::EnvoyExtensionPolicy(name()), document });
            }
            return Ok(());
        }
        Some(_) | None => {}
    }
    if value.get("vm_config").is_some() {
        found.extend(of_envoy(value)?);
    }
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| search(item, found)),
        Value::Object(members) => members.values().try_for_each(|member| search(member, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// Envoy carries a plugin's configuration as text (`StringValue`) or as a structure (`Struct`).
fn of_envoy(plugin: &Value) -> Result<Option<FilterConfig>, String> {
    let name = plugin["root_id"].as_str().or_else(|| plugin["name"].as_str());
    let place = Place::Envoy(name.unwrap_or("without a name").to_owned());
    let document = match &plugin["configuration"]["value"] {
        Value::String(text) => {
            let parsed = auth_core::json::parse(text.as_bytes());
            parsed.map_err(|why| format!("{place}: {why}"))?
        }
        other => other.clone(),
    };
    Ok(is_config(&document).then_some(FilterConfig { place, document }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{"issuers": [{"issuer": "https://a/"}], "resources": []}"#;

    #[test]
    fn a_configuration_is_found_wherever_it_stands() {
        let envoy = format!(
            "static_resources:\n  listeners:\n  - http_filters:\n    - typed_config:\n        config:\n\
             \x20         root_id: mcp_auth\n          vm_config: {{runtime: v8}}\n          \
             configuration:\n            value: |\n              {CONFIG}\n"
        );
        let plugin = format!(
            "kind: Service\n---\nkind: WasmPlugin\nmetadata: {{name: p}}\nspec: {{pluginConfig: {CONFIG}}}\n"
        );
        let policy = format!(
            "kind: EnvoyExtensionPolicy\nmetadata: {{name: q}}\nspec: {{wasm: [{{config: {CONFIG}}}]}}\n"
        );
        for (text, place) in [
            (CONFIG.to_owned(), Place::Alone),
            (envoy, Place::Envoy("mcp_auth".to_owned())),
            (plugin, Place::WasmPlugin("p".to_owned())),
            (policy, Place::EnvoyExtensionPolicy("q".to_owned())),
        ] {
            let found = find(&text).unwrap();
            let places: Vec<_> = found.iter().map(|found| found.place.clone()).collect();
            assert_eq!(places, [place]);
            assert_eq!(found[0].document["issuers"][0]["issuer"], "https://a/");
        }
    }

    #[test]
    fn keys_that_are_there_twice_are_refused_in_yaml_and_in_json() {
        assert!(find("issuers: []\nresources: []\nissuers: []\n").is_err());
        let inner = r#"vm_config: {}
configuration: {value: '{"issuers": [], "resources": [], "issuers": []}'}"#;
        assert!(find(inner).is_err());
    }

    #[test]
    fn other_files_hold_none() {
        for text in ["", "kind: Service\n", "a: 1\n---\nb: 2\n", "[1, 2]", "\"text\""] {
            assert!(find(text).unwrap().is_empty(), "{text}");
        }
        assert!(find("{").is_err());
    }

    #[test]
    fn a_document_that_grows_by_aliases_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let before = format!("*a{}, ", level - 1).repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{before}]\n"));
        }
        assert!(find(&text).is_err());
    }
}
