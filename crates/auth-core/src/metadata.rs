//! Protected resource metadata (RFC 9728 §2): which document a path holds, and what it says.

use serde::Serialize;

use crate::{
    authority::host,
    config::{Config, Resource, ResourceIndex},
    decision::LocalReply,
    denial::Denial,
    request_head::RequestHead,
    resource_id::WELL_KNOWN,
    scope::Scope,
};

/// RFC 9728 §2.
#[derive(Serialize)]
struct Document<'r> {
    resource: &'r str,
    authorization_servers: Vec<&'r str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<&'r str>,
    bearer_methods_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<&'r str>,
}

/// The resource whose document lies at exactly `path`. Where identifiers share a path, the request's
/// host decides, else the first is taken.
pub(crate) fn resource_at(config: &Config, path: &str, authority: &str) -> Option<ResourceIndex> {
    if !path.starts_with(WELL_KNOWN) {
        return None;
    }
    let candidates = config.metadata.get(path)?;
    let own = |index: &ResourceIndex| config.resources[index.0].id.authority();
    let same = |index: &&ResourceIndex| own(index).eq_ignore_ascii_case(authority);
    let same_host = |index: &&ResourceIndex| host(own(index)).eq_ignore_ascii_case(host(authority));
    let mut found = candidates.iter();
    found.clone().find(same).or_else(|| found.clone().find(same_host)).or(found.next()).copied()
}

/// The answer to a request for a resource's document.
///
/// # Errors
/// [`Denial::MethodNotAllowed`] for anything but GET, HEAD and CORS preflights.
pub(crate) fn answer(
    config: &Config,
    resource: &Resource,
    head: &RequestHead,
) -> Result<LocalReply, Denial> {
    match head.text(":method") {
        Some("GET" | "HEAD") => Ok(LocalReply::document(document(config, resource))),
        // Answered here, so that nobody reads a body.
        Some("OPTIONS") if is_preflight(head, false) => Ok(LocalReply::preflight()),
        _ => Err(Denial::MethodNotAllowed),
    }
}

/// Whether a request is a CORS preflight (Fetch standard, §4.9). With a body it is none: a server
/// that does not look at the method would take it for a call.
pub(crate) fn is_preflight(head: &RequestHead, body_follows: bool) -> bool {
    !body_follows
        && head.text(":method") == Some("OPTIONS")
        && head.has("origin")
        && head.has("access-control-request-method")
}

/// Every scope that some request could need, each once.
fn scopes_supported(resource: &Resource) -> Vec<&str> {
    let mut scopes: Vec<&str> = Vec::new();
    for scope in resource.all_needs().flat_map(|needs| &needs.scopes).map(Scope::as_str) {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    scopes
}

fn document(config: &Config, resource: &Resource) -> String {
    let document = Document {
        resource: resource.id.as_str(),
        authorization_servers: resource
            .issuers
            .iter()
            .map(|(index, _)| &*config.issuers[index.0].issuer)
            .collect(),
        scopes_supported: scopes_supported(resource),
        bearer_methods_supported: ["header"],
        resource_name: resource.name.as_deref(),
    };
    serde_json::to_string(&document).expect("a document of strings serialises")
}
