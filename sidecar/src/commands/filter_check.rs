//! `mcp-auth config check --filter`: what the filter would make of its configuration.

use std::path::Path;

use auth_core::{
    config::{Config, ConfigRefused},
    user_id::HashDigits,
};
use serde_json::Value;

use crate::filter_file::{self, NotFound};

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// The configuration with its defaults, as YAML, without secrets.
    pub report: String,
    /// Where it was found, and what is risky in it.
    pub remarks: Vec<String>,
}

/// Why a configuration would not be accepted.
#[derive(Debug, thiserror::Error)]
pub enum NotAccepted {
    /// There is none.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// The filter refuses it.
    #[error("{0}: {1}")]
    Refused(String, ConfigRefused),
    /// It cannot be written as YAML.
    #[error("the configuration cannot be written as YAML: {0}")]
    Unwritable(String),
}

/// Checks every configuration in a file as the filter does.
///
/// # Errors
/// [`NotAccepted`] with the first that the filter would refuse.
pub fn check(path: &Path) -> Result<Checked, NotAccepted> {
    let mut checked = Checked::default();
    let found = filter_file::read(path)?;
    let several = found.len() > 1;
    for config in found {
        let place = config.place.to_string();
        let text = config.document.to_string();
        let refused = |why| NotAccepted::Refused(place.clone(), why);
        let mut document = Config::with_defaults(text.as_bytes()).map_err(refused)?;
        let searched = Config::parse(text.as_bytes()).map_err(refused)?.user_ids_can_be_searched();
        let risks = risks(&document, searched);
        if several {
            checked.report.push_str("---\n");
        }
        redact(&mut document);
        let yaml = serde_saphyr::to_string(&document);
        checked.report.push_str(&yaml.map_err(|why| NotAccepted::Unwritable(why.to_string()))?);
        checked.remarks.push(format!("{place}: accepted"));
        checked.remarks.extend(risks);
    }
    Ok(checked)
}

fn redact(document: &mut Value) {
    if let Some(token) = document.pointer_mut("/sessions/token").filter(|token| **token != "") {
        *token = "[redacted]".into();
    }
}

/// What is accepted and yet worth a second thought. `config` has its defaults.
fn risks(config: &Value, user_ids_can_be_searched: bool) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut risks = Vec::new();
    let mut risk = |field: String, why: &str| risks.push(format!("risk: {field}: {why}"));
    if user_ids_can_be_searched {
        risk("user_id_hash_digits".to_owned(), HashDigits::SEARCHED);
    }
    if config["forward_token"] == true {
        risk("forward_token".to_owned(), "MCP servers see tokens that are good elsewhere");
    }
    for (nth, issuer) in list(&config["issuers"]).iter().enumerate() {
        let at = |name: &str| format!("issuers[{nth}].{name}");
        if issuer["jwks"]["uri"].as_str().is_some_and(|uri| uri.starts_with("http:")) {
            risk(
                at("jwks.uri"),
                "whoever can answer for the key set can sign tokens; reach it over TLS and verify \
                 its certificate, unless it is on this machine",
            );
        }
        if !list(&issuer["audiences"]).is_empty() {
            risk(
                at("audiences"),
                "tokens for these audiences pass at every resource that accepts the issuer",
            );
        }
        if issuer["session"] == "required" && config["sessions"]["on_feed_loss"] == "allow" {
            risk(
                "sessions.on_feed_loss".to_owned(),
                "with allow, revocations do not reach a worker that is cut off from mcp-auth",
            );
        }
    }
    for (nth, resource) in list(&config["resources"]).iter().enumerate() {
        if resource["trust_mcp_headers"] == true {
            risk(
                format!("resources[{nth}].trust_mcp_headers"),
                "right only for servers that refuse headers and bodies that differ",
            );
        }
    }
    risks.dedup();
    risks
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_are_added_and_the_secret_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("filter.yaml");
        std::fs::write(&path, CONFIG).unwrap();
        let Checked { report, remarks } = check(&path).unwrap();
        for line in ["leeway: 60s", "token: \"[redacted]\"", "body_limit: 1MiB", "session: \"off\""]
        {
            assert!(report.contains(line), "{report}");
        }
        assert!(!report.contains("hush"), "{report}");
        assert_eq!(remarks[0], "a filter configuration: accepted");
        // What is printed is accepted again, but for the secret.
        std::fs::write(&path, &report).unwrap();
        assert_eq!(check(&path).unwrap().report, report);
    }

    #[test]
    fn a_field_that_is_wrong_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("filter.yaml");
        std::fs::write(&path, CONFIG.replace("leeway: 60s", "leeway: sixty")).unwrap();
        let why = check(&path).unwrap_err().to_string();
        assert!(why.contains("issuers[0].leeway"), "{why}");
    }

    #[test]
    fn risks_are_told_by_their_field() {
        let with = |change: Value| {
            let mut config =
                json!({"user_id_hash_digits": 16, "sessions": {"on_feed_loss": "allow"}});
            let members = change.as_object().unwrap().clone();
            config.as_object_mut().unwrap().extend(members);
            risks(&config, config["user_id_hash_digits"] == 8).join("\n")
        };
        assert_eq!(with(json!({})), "");
        for (change, field) in [
            (json!({"user_id_hash_digits": 8}), "user_id_hash_digits"),
            (json!({"forward_token": true}), "forward_token"),
            (json!({"issuers": [{"jwks": {"uri": "http://a/"}}]}), "issuers[0].jwks.uri"),
            (json!({"issuers": [{"audiences": ["x"]}]}), "issuers[0].audiences"),
            (json!({"issuers": [{"session": "required"}]}), "sessions.on_feed_loss"),
            (json!({"resources": [{"trust_mcp_headers": true}]}), "resources[0].trust_mcp_headers"),
        ] {
            let told = with(change);
            assert!(told.starts_with(&format!("risk: {field}: ")), "{field}: {told}");
            assert_eq!(told.lines().count(), 1, "{told}");
        }
    }

    const CONFIG: &str = "
issuers:
  - issuer: https://tenant.auth0.com/
    jwks: {uri: https://tenant.auth0.com/.well-known/jwks.json, cluster: auth0}
    leeway: 60s
    session: off
sessions: {cluster: mcp-auth, token: hush}
resources:
  - {path: /mcp, resource: https://mcp.example.com/mcp}
";
}
