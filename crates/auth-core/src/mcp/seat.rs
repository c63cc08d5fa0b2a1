//! From an accepted session to an accepted MCP session: nobody uses an `Mcp-Session-Id` of somebody
//! else. Who owns one is known from answers of the server, or by the sidecar.

use super::{
    protocol_version::ProtocolVersion,
    session::{Claim, McpSessionKey, Whose},
};
use crate::{
    config::{ResourceIndex, SessionMode},
    denial::Denial,
    gate::Gate,
    permit::{McpSessionAccepted, SessionAccepted},
    request_head::RequestHead,
    time::UnixTime,
};

/// What becomes of a principal in an MCP session.
pub(crate) enum McpSeating {
    /// It may be used; the claim is to be confirmed by the server's answer, if there is one.
    Accepted(McpSessionAccepted, Option<Claim>),
    /// Somebody has to look up whose it is.
    LookupNeeded(McpSessionKey),
}

/// Looks at the MCP session of a request with this head, and whether a body follows. With
/// `has_asked` the sidecar is not asked again.
pub(crate) fn seat(
    gate: &mut Gate,
    session: SessionAccepted,
    resource: ResourceIndex,
    (head, body_follows): (&RequestHead, bool),
    has_asked: bool,
    now: UnixTime,
) -> Result<McpSeating, Denial> {
    let id = head.only("mcp-session-id").map_err(|_| Denial::MalformedRequest)?;
    let id = id.filter(|id| !id.is_empty());
    if id.is_none() && !may_initialize(head, body_follows) {
        return Ok(McpSeating::Accepted(McpSessionAccepted::not_of_another(session), None));
    }
    let principal = session.principal();
    let mode = gate.config.issuers[principal.issuer.0].session;
    let claim = Claim {
        owner: principal.owner(),
        resource,
        id: id.map(<[u8]>::to_vec),
        is_shared: mode != SessionMode::Off && gate.sidecar.is_some(),
    };
    let accepted = McpSessionAccepted::not_of_another(session);
    let Some(id) = id else { return Ok(McpSeating::Accepted(accepted, Some(claim))) };
    match gate.mcp_sessions.whose(&claim, id, now) {
        Whose::Own => Ok(McpSeating::Accepted(accepted, None)),
        Whose::AnOthers => Err(Denial::SessionOfAnotherUser),
        Whose::Nobodys => Ok(McpSeating::Accepted(accepted, Some(claim))),
        Whose::Unknown => {
            let asks = claim.is_shared && !has_asked;
            let asked = asks.then(|| gate.mcp_sessions.want(&claim, id));
            match asked {
                Some(Ok(key)) => Ok(McpSeating::LookupNeeded(key)),
                Some(Err(_)) | None if claim.is_shared && mode == SessionMode::Required => {
                    Err(Denial::SessionsUnavailable)
                }
                Some(Err(_)) | None => Ok(McpSeating::Accepted(accepted, Some(claim))),
            }
        }
    }
}

/// Whether the server could answer with the id of a new session: requests that begin one carry a
/// JSON body and speak no version that has done away with sessions.
fn may_initialize(head: &RequestHead, body_follows: bool) -> bool {
    let has_sessions = || {
        head.text("mcp-protocol-version")
            .and_then(|version| ProtocolVersion::parse(version.as_bytes()))
            .is_none_or(|version| version < ProtocolVersion::MIRRORED)
    };
    body_follows && head.text(":method") == Some("POST") && has_sessions()
}
