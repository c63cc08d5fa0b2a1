//! The permit: proof that a principal may use a resource now. The way to one is
//! [`TokenAccepted::check`], then [`SessionAccepted`], then [`Permit::grant`]; there is no other.

use std::rc::Rc;

use crate::{
    config::{Issuer, Resource},
    denial::Denial,
    principal::Principal,
    scope::Scope,
    time::UnixTime,
};

/// A principal whose token is good here and now.
#[derive(Debug)]
pub(crate) struct TokenAccepted(Rc<Principal>);

/// A principal whose session is good too, or needs not be.
#[derive(Debug)]
pub(crate) struct SessionAccepted(Rc<Principal>);

/// Proof that a principal may make a request.
#[derive(Debug)]
pub struct Permit(Rc<Principal>);

impl TokenAccepted {
    /// Checks the rules that depend on time and resource, in the order of the documentation. They
    /// are the same for a token seen for the first time and for a cached one.
    pub(crate) fn check(
        principal: &Rc<Principal>,
        issuer: &Issuer,
        resource: &Resource,
        now: UnixTime,
    ) -> Result<Self, Denial> {
        let audiences = resource.audiences(principal.issuer).ok_or(Denial::UnknownIssuer)?;
        principal.validity.check(issuer.leeway, now)?;
        if !principal.audiences.iter().any(|audience| audiences.contains(audience)) {
            return Err(Denial::WrongAudience);
        }
        principal.validity.check_lifetime(issuer.max_token_lifetime)?;
        if !issuer.clients.is_empty() {
            let client = principal.client_id.as_ref().ok_or(Denial::ClientNotAllowed)?;
            if !issuer.clients.contains(client) {
                return Err(Denial::ClientNotAllowed);
            }
        }
        Ok(Self(Rc::clone(principal)))
    }

    pub(crate) fn principal(&self) -> &Principal {
        &self.0
    }
}

impl SessionAccepted {
    /// The issuer's tokens need no session.
    pub(crate) fn not_required(token: TokenAccepted) -> Self {
        Self(token.0)
    }

    /// The session is known and live.
    pub(crate) fn found(token: TokenAccepted) -> Self {
        Self(token.0)
    }
}

impl Permit {
    /// Checks that all of `scopes` were granted.
    pub(crate) fn grant(session: SessionAccepted, scopes: &[Scope]) -> Result<Self, Denial> {
        let granted = |scope: &Scope| session.0.scopes.iter().any(|own| own == scope.as_str());
        match scopes.iter().all(granted) {
            true => Ok(Self(session.0)),
            false => Err(Denial::InsufficientScope),
        }
    }

    /// Who was permitted.
    pub fn principal(&self) -> &Principal {
        &self.0
    }
}
