//! Why a request is not forwarded: the one list of reasons, with the status and error code of each
//! (RFC 6750 §3.1). The reason name is the same in log, metric, document and test.

/// Why a request is answered by the filter instead of an MCP server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Denial {
    /// No credential of the Bearer scheme.
    MissingToken,
    /// A request that could mean two things, or nothing.
    MalformedRequest,
    /// Not a JWT that a careful reader accepts.
    MalformedToken,
    /// `alg` is not one the issuer may use.
    AlgorithmNotAllowed,
    /// `typ` says that this is no access token.
    WrongType,
    /// `iss` is not configured for this resource.
    UnknownIssuer,
    /// The issuer has no usable key for `kid` and algorithm.
    UnknownKey,
    /// The signature is not the key's.
    BadSignature,
    /// `exp` has passed.
    Expired,
    /// `nbf` or `iat` lies ahead.
    NotYetValid,
    /// `aud` names none of the accepted audiences.
    WrongAudience,
    /// It lives longer than the issuer's tokens may.
    LifetimeTooLong,
    /// Its client is not one of the accepted ones.
    ClientNotAllowed,
    /// A scope that this request needs is missing.
    InsufficientScope,
    /// A session is required and this one is unknown.
    SessionNotFound,
    /// The session, its user or its client was revoked.
    SessionRevoked,
    /// The login is too old or too weak for this request (RFC 9470).
    InsufficientUserAuthentication,
    /// A claim has none of the values that the resource asks for.
    ClaimNotAllowed,
    /// The MCP session belongs to somebody else.
    SessionOfAnotherUser,
    /// The `Origin` is not an accepted one.
    OriginNotAllowed,
    /// The body is over the limit that a policy can read.
    BodyTooLarge,
    /// The body that a policy depends on did not arrive in time.
    BodyTimeout,
    /// Too many bodies are being read.
    TooManyBodies,
    /// The path is under no resource and not public.
    UnmatchedPath,
    /// A method that a metadata document does not answer.
    MethodNotAllowed,
    /// There is no key set and none can be fetched now.
    JwksUnavailable,
    /// The sidecar is needed and does not answer.
    SessionsUnavailable,
    /// The configuration was refused, so nothing can be decided.
    NotConfigured,
}

impl Denial {
    /// Every denial, in the order of the documentation.
    pub const ALL: [Self; 28] = [
        Self::MissingToken,
        Self::MalformedRequest,
        Self::MalformedToken,
        Self::AlgorithmNotAllowed,
        Self::WrongType,
        Self::UnknownIssuer,
        Self::UnknownKey,
        Self::BadSignature,
        Self::Expired,
        Self::NotYetValid,
        Self::WrongAudience,
        Self::LifetimeTooLong,
        Self::ClientNotAllowed,
        Self::InsufficientScope,
        Self::SessionNotFound,
        Self::SessionRevoked,
        Self::InsufficientUserAuthentication,
        Self::ClaimNotAllowed,
        Self::SessionOfAnotherUser,
        Self::OriginNotAllowed,
        Self::BodyTooLarge,
        Self::BodyTimeout,
        Self::TooManyBodies,
        Self::UnmatchedPath,
        Self::MethodNotAllowed,
        Self::JwksUnavailable,
        Self::SessionsUnavailable,
        Self::NotConfigured,
    ];

    /// The stable name in logs, metrics, documents and tests.
    pub const fn reason(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        self.row().1
    }

    /// The error code in the body and, where there is one, in the challenge.
    pub const fn error(self) -> &'static str {
        self.row().2
    }

    /// What the client may be told: no key, claim value or token.
    pub const fn description(self) -> &'static str {
        self.row().3
    }

    const fn row(self) -> (&'static str, u16, &'static str, &'static str) {
        match self {
            Self::MissingToken => {
                ("missing_token", 401, "missing_token", "A bearer token is required.")
            }
            Self::MalformedRequest => {
                ("malformed_request", 400, "invalid_request", "The request is malformed.")
            }
            Self::MalformedToken => {
                ("malformed_token", 401, "invalid_token", "The token is malformed.")
            }
            Self::AlgorithmNotAllowed => (
                "algorithm_not_allowed",
                401,
                "invalid_token",
                "The token's signature algorithm is not accepted.",
            ),
            Self::WrongType => {
                ("wrong_type", 401, "invalid_token", "The token is not an access token.")
            }
            Self::UnknownIssuer => {
                ("unknown_issuer", 401, "invalid_token", "The token's issuer is not accepted here.")
            }
            Self::UnknownKey => {
                ("unknown_key", 401, "invalid_token", "The token's signing key is not known.")
            }
            Self::BadSignature => {
                ("bad_signature", 401, "invalid_token", "The token's signature is wrong.")
            }
            Self::Expired => ("expired", 401, "invalid_token", "The token has expired."),
            Self::NotYetValid => {
                ("not_yet_valid", 401, "invalid_token", "The token is not valid yet.")
            }
            Self::WrongAudience => {
                ("wrong_audience", 401, "invalid_token", "The token is for another audience.")
            }
            Self::LifetimeTooLong => {
                ("lifetime_too_long", 401, "invalid_token", "The token's lifetime is too long.")
            }
            Self::ClientNotAllowed => {
                ("client_not_allowed", 401, "invalid_token", "The token's client is not accepted.")
            }
            Self::InsufficientScope => (
                "insufficient_scope",
                403,
                "insufficient_scope",
                "The token lacks a scope that this request needs.",
            ),
            Self::SessionNotFound => {
                ("session_not_found", 401, "invalid_token", "The token's session is not known.")
            }
            Self::SessionRevoked => {
                ("session_revoked", 401, "invalid_token", "The token's session was revoked.")
            }
            Self::InsufficientUserAuthentication => (
                "insufficient_user_authentication",
                401,
                "insufficient_user_authentication",
                "This request needs a more recent or a stronger login.",
            ),
            Self::ClaimNotAllowed => (
                "claim_not_allowed",
                403,
                "access_denied",
                "The token's claims do not give access to this resource.",
            ),
            Self::SessionOfAnotherUser => {
                ("session_of_another_user", 404, "not_found", "There is no such MCP session.")
            }
            Self::OriginNotAllowed => {
                ("origin_not_allowed", 403, "origin_not_allowed", "The Origin is not accepted.")
            }
            Self::BodyTooLarge => {
                ("body_too_large", 413, "request_too_large", "The request body is too large.")
            }
            Self::BodyTimeout => {
                ("body_timeout", 408, "request_timeout", "The request body took too long.")
            }
            Self::TooManyBodies => (
                "too_many_bodies",
                503,
                "temporarily_unavailable",
                "Too many request bodies are being read at the moment.",
            ),
            Self::UnmatchedPath => {
                ("unmatched_path", 404, "not_found", "There is nothing at this path.")
            }
            Self::MethodNotAllowed => (
                "method_not_allowed",
                405,
                "method_not_allowed",
                "Only GET, HEAD and CORS preflights are answered here.",
            ),
            Self::JwksUnavailable => (
                "jwks_unavailable",
                503,
                "temporarily_unavailable",
                "The issuer's keys cannot be fetched at the moment.",
            ),
            Self::SessionsUnavailable => (
                "sessions_unavailable",
                503,
                "temporarily_unavailable",
                "Sessions cannot be looked up at the moment.",
            ),
            Self::NotConfigured => (
                "not_configured",
                503,
                "temporarily_unavailable",
                "The gateway's authentication is not configured.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_distinct() {
        let mut reasons: Vec<_> = Denial::ALL.iter().map(|denial| denial.reason()).collect();
        reasons.sort_unstable();
        reasons.dedup();
        assert_eq!(reasons.len(), Denial::ALL.len());
    }
}
