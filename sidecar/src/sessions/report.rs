//! What a reported session must look like before it is recorded.

use auth_core::{session::SessionReport, session_id::SessionId};

/// The longest identifier of a user or client, in bytes. A client id may be a URL.
const MAX_IDENTIFIER: usize = 2048;

/// Why a report cannot be recorded, whatever is recorded already.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The session has ended.
    #[error("expires_at is in the past")]
    Expired,
    /// It names a session other than the address does.
    #[error("session_id is not the one of the address")]
    AnotherId,
    /// A member that names somebody does not.
    #[error("{0} must have 1 to 2048 bytes and no control characters")]
    Identifier(&'static str),
}

pub(super) fn check(id: &SessionId, report: &SessionReport) -> Result<(), Unusable> {
    if report.session_id.as_ref().is_some_and(|named| named != id) {
        return Err(Unusable::AnotherId);
    }
    let named = [
        ("user_id", Some(&report.user_id)),
        ("issuer", Some(&report.issuer)),
        ("client_id", report.client_id.as_ref()),
    ];
    for (member, value) in named {
        if value.is_some_and(|value| !is_identifier(value)) {
            return Err(Unusable::Identifier(member));
        }
    }
    Ok(())
}

/// Whether the text can name a user, a client or an issuer.
pub fn is_identifier(text: &str) -> bool {
    (1..=MAX_IDENTIFIER).contains(&text.len()) && !text.chars().any(char::is_control)
}
