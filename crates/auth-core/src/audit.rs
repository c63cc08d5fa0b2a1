//! Audit lines: one JSON object a decision, for whoever has to know who did what. Never a token, a
//! signature or a whole header.

use serde::Serialize;

use crate::{config::Audit, mcp::call::Call, principal::Principal, revocation_feed::FeedRead};

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
    /// From here on a revocation may not reach this worker.
    RevocationFeedLost,
    /// Revocations reach it again, those made meanwhile too.
    RevocationFeedRestored,
}

/// A principal and the issuer of its token.
pub(crate) type Identified<'l> = (&'l Principal, &'l str);

/// What a line tells.
pub(crate) struct Line<'l> {
    pub(crate) event: Event,
    pub(crate) reason: Option<&'static str>,
    pub(crate) identified: Option<Identified<'l>>,
    pub(crate) resource: Option<&'l str>,
    pub(crate) call: Option<&'l Call>,
    pub(crate) request_id: Option<&'l str>,
}

/// The line for a read of the revocation feed, if it tells of a loss or of its end and the
/// configuration asks for lines.
pub(crate) fn feed_line(audit: Audit, read: &FeedRead) -> Option<String> {
    #[derive(Serialize)]
    struct FeedLine {
        event: Event,
    }
    let event = match read {
        FeedRead::Lost(_) => Event::RevocationFeedLost,
        FeedRead::Restored => Event::RevocationFeedRestored,
        FeedRead::Ordinary | FeedRead::Failed(_) | FeedRead::StillFailing => return None,
    };
    is_wanted(audit, event)
        .then(|| serde_json::to_string(&FeedLine { event }).expect("a name serialises"))
}

/// Whether the configuration asks for a line.
pub(crate) fn is_wanted(audit: Audit, event: Event) -> bool {
    match (audit, event) {
        (Audit::Off, _) | (Audit::Authentications, Event::Allowed) => false,
        (Audit::EveryRequest, _)
        | (
            Audit::Authentications,
            Event::Authenticated
            | Event::Denied
            | Event::RevocationFeedLost
            | Event::RevocationFeedRestored,
        ) => true,
    }
}

impl Line<'_> {
    /// The line's text.
    pub(crate) fn to_json(&self) -> String {
        let written = Written {
            event: self.event,
            reason: self.reason,
            who: self.identified.map(who),
            resource: self.resource,
            mcp_method: self.call.map(|call| call.method.as_str()),
            mcp_name: self.call.and_then(|call| call.name.as_deref()),
            request_id: self.request_id,
        };
        serde_json::to_string(&written).expect("a line of strings serialises")
    }
}

#[derive(Serialize)]
struct Written<'l> {
    event: Event,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(flatten)]
    who: Option<Who<'l>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mcp_method: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mcp_name: Option<&'l str>,
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

fn who<'l>((principal, token_issuer): Identified<'l>) -> Who<'l> {
    Who {
        user_id: principal.user_id.as_str(),
        issuer: &principal.identity_issuer,
        token_issuer: Some(token_issuer).filter(|own| *own != &*principal.identity_issuer),
        subject: principal.subject.as_deref(),
        client_id: principal.client_id.as_deref(),
        session_id: principal.session_id.as_str(),
    }
}
