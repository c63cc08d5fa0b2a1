//! The filter's configuration for a deployment.

use auth_core::config::{Config, ConfigRefused};
use serde_json::{Value, json};

use super::deployment::Deployment;
use crate::oauth::public_paths;

/// The provider's own tokens, which the filter may accept as well.
#[derive(Debug)]
pub(super) struct ProviderTokens {
    /// Their issuer.
    pub(super) issuer: String,
    /// Their audiences.
    pub(super) audiences: Vec<String>,
    /// Where the keys are.
    pub(super) jwks_uri: String,
}

/// The configuration by which the filter accepts the tokens of `mcp-auth` at every resource. The
/// names of clusters are those of this project's examples.
///
/// # Errors
/// [`ConfigRefused`] if the filter would refuse it, as it does with two resources at one path.
pub(super) fn configuration(
    deployment: &Deployment,
    provider: Option<&ProviderTokens>,
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
    if let Some(token) = &deployment.token {
        sessions["token"] = token.expose().into();
    }
    let mut issuers = vec![json!({
        "issuer": deployment.url.as_str(),
        "jwks": {"uri": deployment.endpoint("/jwks.json"), "cluster": "mcp-auth-public"},
        "algorithms": ["ES256"],
        "identity_issuer_claim": "idp_iss",
        "session": "required",
    })];
    issuers.extend(provider.map(|provider| {
        json!({
            "issuer": provider.issuer,
            "audiences": provider.audiences,
            "jwks": {"uri": provider.jwks_uri, "cluster": "identity-provider"},
        })
    }));
    let configuration = json!({
        "issuers": issuers,
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
