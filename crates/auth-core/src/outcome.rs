//! Outcomes: a decision with everything that has to be said about it, to the client, the operator and
//! the counters.

use std::rc::Rc;

use crate::{
    audit::{self, Event, Identified, Line},
    config::ResourceIndex,
    decision::{Challenge, Decision, HeaderEdits, LocalReply},
    denial::Denial,
    gate::Gate,
    identity_header::encode_up_to,
    mcp::{
        call::Call,
        inquiry::{self, Inquiry},
        session::Claim,
    },
    metric::Metric,
    needs::Needs,
    permit::Permit,
    principal::Principal,
    request_head::RequestHead,
    user_id::UserId,
};

/// As much of a request's id as audit lines tell.
const LONGEST_REQUEST_ID: usize = 128;

/// A decided request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What to do with it.
    pub decision: Decision,
    /// Whose it is, where that is known.
    pub user_id: Option<UserId>,
    /// Why it was denied, if it was.
    pub reason: Option<&'static str>,
    /// What it calls, where a rule had to know.
    pub call: Option<Call>,
    /// The audit line to write, if any.
    pub audit: Option<String>,
    /// Whether the head of the answer has to be shown to the gate.
    pub watches_answer: bool,
    /// Whose MCP session it is, if the answer confirms it.
    pub(crate) claim: Option<Claim>,
}

impl Outcome {
    /// An outcome that leaves no trace.
    pub(crate) fn quiet(decision: Decision) -> Self {
        Self {
            decision,
            user_id: None,
            reason: None,
            call: None,
            audit: None,
            watches_answer: false,
            claim: None,
        }
    }
}

/// The request that an outcome is about, as far as it was looked at.
#[derive(Clone, Copy)]
pub(crate) struct About<'r> {
    pub(crate) head: &'r RequestHead,
    pub(crate) resource: Option<ResourceIndex>,
    pub(crate) inquiry: &'r Inquiry,
}

impl<'r> About<'r> {
    /// A request whose calls nobody asked for.
    pub(crate) const fn head(head: &'r RequestHead, resource: Option<ResourceIndex>) -> Self {
        Self { head, resource, inquiry: &Inquiry::Idle }
    }
}

/// A denial with what is known at that point.
pub(crate) struct Refusal {
    pub(crate) denial: Denial,
    pub(crate) principal: Option<Rc<Principal>>,
    pub(crate) retry_after_secs: u64,
    /// What the request needs; absent: what every request to the resource needs.
    pub(crate) needs: Option<Needs>,
    /// Whether a challenge is in place: none where nothing is wrong with the credential.
    pub(crate) is_challenged: bool,
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        Self { denial, principal: None, retry_after_secs: 1, needs: None, is_challenged: true }
    }
}

/// The outcome for a request that goes on without an identity.
pub(crate) fn forward(gate: &mut Gate, about: About<'_>, edits: HeaderEdits) -> Outcome {
    gate.count(Metric::Allowed);
    let audit = line(gate, about, Event::Allowed, None, None);
    Outcome { audit, ..Outcome::quiet(Decision::Forward(edits)) }
}

/// The outcome for a request that is permitted.
pub(crate) fn admit(
    gate: &mut Gate,
    about: About<'_>,
    permit: &Permit,
    token_is_new: bool,
    claim: Option<Claim>,
) -> Outcome {
    gate.count(Metric::Allowed);
    let event = if token_is_new { Event::Authenticated } else { Event::Allowed };
    let principal = permit.principal();
    let edits = HeaderEdits::permitted(permit, about.head, &gate.config);
    Outcome {
        user_id: Some(principal.user_id.clone()),
        call: about.inquiry.call().map(Call::encoded),
        audit: line(gate, about, event, None, Some(principal)),
        watches_answer: claim.is_some(),
        claim,
        ..Outcome::quiet(Decision::Forward(edits))
    }
}

/// The outcome for a request that is denied.
pub(crate) fn deny(gate: &mut Gate, about: About<'_>, refusal: &Refusal) -> Outcome {
    let Refusal { denial, principal, retry_after_secs, needs, is_challenged } = refusal;
    gate.count(Metric::Denied(*denial));
    let challenge = about.resource.map(|index| Challenge {
        metadata_url: &gate.metadata_urls[index.0],
        needs: needs.as_ref().unwrap_or(&gate.config.resources[index.0].needs),
    });
    let reply = match is_challenged {
        true => LocalReply::denied(*denial, challenge, *retry_after_secs),
        false => LocalReply::unchallenged(*denial, *retry_after_secs),
    };
    let principal = principal.as_deref();
    Outcome {
        user_id: principal.map(|principal| principal.user_id.clone()),
        reason: Some(denial.reason()),
        call: about.inquiry.call().map(Call::encoded),
        audit: line(gate, about, Event::Denied, Some(*denial), principal),
        ..Outcome::quiet(Decision::Reply(reply))
    }
}

fn line(
    gate: &Gate,
    about: About<'_>,
    event: Event,
    denial: Option<Denial>,
    principal: Option<&Principal>,
) -> Option<String> {
    if !audit::is_wanted(gate.config.audit, event) {
        return None;
    }
    let identified: Option<Identified<'_>> =
        principal.map(|principal| (principal, &*gate.config.issuers[principal.issuer.0].issuer));
    let announced = || principal.and_then(|_| inquiry::announced(about.head));
    let call = about.inquiry.call().cloned().or_else(announced).as_ref().map(Call::encoded);
    // A client may have chosen it.
    let request_id = about.head.text("x-request-id");
    let request_id = request_id.map(|id| encode_up_to(id, LONGEST_REQUEST_ID).0);
    Some(
        Line {
            event,
            reason: denial.map(Denial::reason),
            identified,
            resource: about.resource.map(|index| gate.config.resources[index.0].id.as_str()),
            call: call.as_ref(),
            request_id: request_id.as_deref(),
        }
        .to_json(),
    )
}
