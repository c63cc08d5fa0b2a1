//! The filter's configuration for a deployment.

use auth_core::config::{Config, ConfigRefused};
use serde_json::{Value, json};

use super::deployment::Deployment;
use crate::{oauth::public_paths, secret::Secret};

/// The configuration by which the filter accepts the tokens of `mcp-auth` at every resource. The
/// names of clusters are those of this project's examples.
///
/// # Errors
/// [`ConfigRefused`] if the filter would refuse it, as it does with two resources at one path.
pub(super) fn configuration(
    deployment: &Deployment,
    token: Option<&Secret>,
) -> Result<Value, ConfigRefused> {
    let url = deployment.url.url();
    let authorities: Vec<_> = deployment.resources.iter().map(|it| authority(it.url())).collect();
    let several_hosts = authorities.iter().any(|it| *it != authorities[0]);
    let resource = |(resource, host): (&crate::config::values::GivenUrl, &String)| {
        let path = resource.url().path().trim_end_matches('/');
        let mut entry = json!({
            "path": if path.is_empty() { "/" } else { path },
            "resource": resource.as_str(),
        });
        if several_hosts {
            entry["hosts"] = json!([host]);
        }
        entry
    };
    let mut sessions = json!({"cluster": "mcp-auth"});
    if let Some(token) = token {
        sessions["token"] = token.expose().into();
    }
    let configuration = json!({
        "issuers": [{
            "issuer": deployment.url.as_str(),
            "jwks": {"uri": deployment.endpoint("/jwks.json"), "cluster": "mcp-auth-public"},
            "algorithms": ["ES256"],
            "identity_issuer_claim": "idp_iss",
            "session": "required",
        }],
        "resources": deployment.resources.iter().zip(&authorities).map(resource).collect::<Vec<_>>(),
        "public": public_paths(url.path().trim_end_matches('/')),
        "sessions": sessions,
    });
    Config::parse(configuration.to_string().as_bytes())?;
    Ok(configuration)
}

/// Host, and port where it is not the usual one.
fn authority(url: &url::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
