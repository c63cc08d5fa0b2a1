//! Audit lines: one JSON object a decision, for whoever has to know who did what. Never a token, a
//! signature or a whole header.

use serde::Serialize;

use crate::{config::Audit, denial::Denial, principal::Principal, request_head::RequestHead};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Event {
    /// A token was accepted for the first time.
    Authenticated,
    /// A request was denied.
    Denied,
    /// A request was let through.
    Allowed,
}

#[derive(Serialize)]
struct Line<'l> {
    event: Event,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(flatten)]
    who: Option<Who<'l>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'l str>,
}

#[derive(Serialize)]
struct Who<'l> {
    user_id: &'l str,
    issuer: &'l str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_issuer: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'l str>,
    session_id: &'l str,
}

/// A principal and the issuer of its token.
pub(crate) type Identified<'l> = (&'l Principal, &'l str);

/// The line for a decision, if the configuration asks for one.
pub(crate) fn line(
    audit: Audit,
    event: Event,
    denial: Option<Denial>,
    identified: Option<Identified<'_>>,
    resource: Option<&str>,
    head: &RequestHead,
) -> Option<String> {
    let wanted = match (audit, event) {
        (Audit::Off, _) | (Audit::Authentications, Event::Allowed) => false,
        (Audit::EveryRequest, _) | (_, Event::Authenticated | Event::Denied) => true,
    };
    wanted.then(|| {
        let line = Line {
            event,
            reason: denial.map(Denial::reason),
            who: identified.map(who),
            resource,
            request_id: head.text("x-request-id"),
        };
        serde_json::to_string(&line).expect("a line of strings serialises")
    })
}

fn who<'l>((principal, token_issuer): Identified<'l>) -> Who<'l> {
    Who {
        user_id: principal.user_id.as_str(),
        issuer: &principal.identity_issuer,
        token_issuer: Some(token_issuer).filter(|own| *own != principal.identity_issuer),
        subject: principal.subject.as_deref(),
        client_id: principal.client_id.as_deref(),
        session_id: principal.session_id.as_str(),
    }
}
