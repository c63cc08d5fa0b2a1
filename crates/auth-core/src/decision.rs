//! What becomes of a request: forwarded with edited headers, or answered here.

use std::{borrow::Cow, rc::Rc, sync::Arc};

use crate::{
    config::Config, denial::Denial, needs::Needs, permit::Permit, request_head::RequestHead,
};

/// What an adapter has to do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Edit the request headers, then let the request go on.
    Forward(HeaderEdits),
    /// Answer it.
    Reply(LocalReply),
}

/// Changes to the request headers: remove first, then set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Fields to remove, all their copies.
    pub remove: Vec<Cow<'static, str>>,
    /// Fields to set, replacing all their copies.
    pub set: Rc<[(Rc<str>, Arc<str>)]>,
}

impl HeaderEdits {
    /// For a request that goes on without an identity: inbound identity headers are removed.
    pub(crate) fn public(head: &RequestHead, config: &Config) -> Self {
        Self { remove: imitations(head, config, &[]), set: Rc::new([]) }
    }

    /// For a CORS preflight that goes on to a protected resource: as public, and no token either.
    pub(crate) fn preflight(head: &RequestHead, config: &Config) -> Self {
        let mut edits = Self::public(head, config);
        edits.remove_authorization(head, config);
        edits
    }

    /// For a permitted request: inbound identity headers are removed, the principal's are set.
    pub(crate) fn permitted(permit: &Permit, head: &RequestHead, config: &Config) -> Self {
        let set = Rc::clone(&permit.principal().headers);
        let mut edits = Self { remove: imitations(head, config, &set), set };
        edits.remove_authorization(head, config);
        edits
    }

    fn remove_authorization(&mut self, head: &RequestHead, config: &Config) {
        if !config.forward_token && head.has("authorization") {
            self.remove.push(Cow::Borrowed("authorization"));
        }
    }
}

/// Names in the request that are, or could be taken for, identity headers. One that is set anyway
/// needs no removal.
fn imitations(
    head: &RequestHead,
    config: &Config,
    set: &[(Rc<str>, Arc<str>)],
) -> Vec<Cow<'static, str>> {
    let mut names: Vec<Cow<'static, str>> = Vec::new();
    for header in &config.identity_headers {
        for name in head.names_like(header.name()) {
            let is_replaced = set.iter().any(|(set, _)| **set == *name);
            if !is_replaced && !names.iter().any(|other| other == name) {
                names.push(Cow::Owned(name.to_owned()));
            }
        }
    }
    names
}

/// An answer that the filter gives itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalReply {
    /// The HTTP status.
    pub status: u16,
    /// The header fields.
    pub headers: Vec<(&'static str, String)>,
    /// The body: JSON, or nothing.
    pub body: String,
}

/// What a denial needs to know of the resource that the request was for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Challenge<'c> {
    pub(crate) metadata_url: &'c str,
    /// All that this request needs.
    pub(crate) needs: &'c Needs,
}

impl LocalReply {
    /// The answer to a denied request: JSON, never stored, with the challenge that its status asks
    /// for (RFC 6750 §3, RFC 9470 §3, RFC 9728 §5.1).
    pub(crate) fn denied(
        denial: Denial,
        challenge: Option<Challenge<'_>>,
        retry_after_secs: u64,
    ) -> Self {
        let mut reply = Self::unchallenged(denial, retry_after_secs);
        if let Some(value) = www_authenticate(denial, challenge) {
            reply.headers.push(("www-authenticate", value));
        }
        reply
    }

    /// The same without a challenge: nothing is wrong with the credential.
    pub(crate) fn unchallenged(denial: Denial, retry_after_secs: u64) -> Self {
        let mut headers = Vec::from([JSON, NO_STORE].map(owned));
        match denial.status() {
            503 => headers.push(("retry-after", retry_after_secs.max(1).to_string())),
            405 => headers.push(("allow", "GET, HEAD, OPTIONS".to_owned())),
            _ => {}
        }
        let body = serde_json::json!({
            "error": denial.error(),
            "error_description": denial.description(),
        });
        Self { status: denial.status(), headers, body: body.to_string() }
    }

    /// The answer to everything while there is no valid configuration.
    pub fn not_configured() -> Self {
        Self::denied(Denial::NotConfigured, None, 10)
    }

    /// A JSON document that anybody may read, from any origin.
    pub(crate) fn document(body: String) -> Self {
        let headers = Vec::from([JSON, NO_STORE, ANY_ORIGIN].map(owned));
        Self { status: 200, headers, body }
    }

    /// The answer to a CORS preflight for a document.
    pub(crate) fn preflight() -> Self {
        let headers = [
            ANY_ORIGIN,
            ("access-control-allow-methods", "GET, HEAD, OPTIONS"),
            ("access-control-allow-headers", "authorization, content-type, mcp-protocol-version"),
            ("access-control-max-age", "86400"),
        ]
        .map(owned);
        Self { status: 204, headers: headers.into(), body: String::new() }
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");
const NO_STORE: (&str, &str) = ("cache-control", "no-store");
const ANY_ORIGIN: (&str, &str) = ("access-control-allow-origin", "*");

fn owned((name, value): (&'static str, &str)) -> (&'static str, String) {
    (name, value.to_owned())
}

/// `Bearer` with the parameters that the status asks for; none for statuses without a challenge.
fn www_authenticate(denial: Denial, challenge: Option<Challenge<'_>>) -> Option<String> {
    let mut parameters: Vec<(&str, String)> = Vec::new();
    let names_error = denial != Denial::MissingToken;
    match denial.status() {
        400..=401 => {}
        403 if denial == Denial::InsufficientScope => {}
        _ => return None,
    }
    if names_error {
        parameters.push(("error", denial.error().to_owned()));
    }
    if let Some(challenge) = challenge.filter(|_| denial.status() != 400) {
        parameters.push(("resource_metadata", challenge.metadata_url.to_owned()));
        parameters.extend(asked_for(denial, challenge.needs));
    }
    let parameters: Vec<_> =
        parameters.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    Some(format!("Bearer {}", parameters.join(", ")))
}

/// What the client has to come back with, where that would help it.
fn asked_for(denial: Denial, needs: &Needs) -> Vec<(&'static str, String)> {
    let logs_in_anew = match denial {
        Denial::MissingToken => false,
        Denial::InsufficientScope | Denial::InsufficientUserAuthentication => true,
        _ => return Vec::new(),
    };
    let mut parameters = vec![("scope", crate::scope::join(&needs.scopes))];
    if logs_in_anew {
        let max_age = needs.max_age.map(|age| age.as_secs().to_string());
        parameters.push(("acr_values", needs.sufficient_acr_values().join(" ")));
        parameters.push(("max_age", max_age.unwrap_or_default()));
    }
    parameters.retain(|(_, value)| !value.is_empty());
    parameters
}
