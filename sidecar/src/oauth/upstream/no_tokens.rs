//! Why the token endpoint gave nothing, and whether asking again may help.

use openidconnect::{RequestTokenError, StandardErrorResponse, core::CoreErrorResponseType};

use super::{LoginFailure, RefreshFailure, http::NoAnswer};

/// Why the token endpoint gave nothing.
pub(super) enum NoTokens {
    /// The code or refresh token is not good (any more).
    Refused(String),
    /// The provider does not know our client by this secret.
    UnknownClient(String),
    /// Anything else: our own mistake, or a provider that is not well.
    Unavailable(String),
}

impl NoTokens {
    pub(super) fn of(
        failure: RequestTokenError<NoAnswer, StandardErrorResponse<CoreErrorResponseType>>,
    ) -> Self {
        match failure {
            RequestTokenError::ServerResponse(answer) => {
                let text = answer.to_string();
                match answer.error() {
                    error if is_final(error) => Self::Refused(text),
                    CoreErrorResponseType::InvalidClient => Self::UnknownClient(text),
                    _ => Self::Unavailable(text),
                }
            }
            RequestTokenError::Request(cause) => Self::Unavailable(cause.to_string()),
            // The body may hold tokens, so only the place of the mistake is told.
            RequestTokenError::Parse(cause, _body) => {
                Self::Unavailable(format!("its token response cannot be read: {cause}"))
            }
            RequestTokenError::Other(cause) => Self::Unavailable(cause),
        }
    }
}

impl From<NoTokens> for LoginFailure {
    fn from(why: NoTokens) -> Self {
        match why {
            NoTokens::Refused(why) => Self::Refused(why),
            NoTokens::UnknownClient(why) | NoTokens::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl From<NoTokens> for RefreshFailure {
    fn from(why: NoTokens) -> Self {
        match why {
            NoTokens::Refused(why) => Self::Refused(why),
            NoTokens::UnknownClient(why) | NoTokens::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

/// Whether asking again is of no use until the user has logged in again: RFC 6749 §5.2, and the
/// errors of OpenID Connect Core §3.1.2.6 that providers answer a refresh with.
fn is_final(error: &CoreErrorResponseType) -> bool {
    match error {
        CoreErrorResponseType::InvalidGrant => true,
        CoreErrorResponseType::Extension(code) => matches!(
            code.as_str(),
            "access_denied" | "consent_required" | "interaction_required" | "login_required"
        ),
        CoreErrorResponseType::InvalidClient
        | CoreErrorResponseType::InvalidRequest
        | CoreErrorResponseType::InvalidScope
        | CoreErrorResponseType::UnauthorizedClient
        | CoreErrorResponseType::UnsupportedGrantType => false,
    }
}
