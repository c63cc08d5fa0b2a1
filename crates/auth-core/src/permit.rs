//! The permit: proof that a principal may make a request now. The way to one is
//! [`TokenAccepted::check`], then [`SessionAccepted`], then [`McpSessionAccepted`], then
//! [`Permit::grant`]; there is no other.

use std::{rc::Rc, time::Duration};

use crate::{
    config::{Issuer, Resource},
    denial::Denial,
    needs::Needs,
    principal::Principal,
    time::UnixTime,
};

/// A principal whose token is good here and now.
#[derive(Debug)]
pub(crate) struct TokenAccepted(Rc<Principal>);

/// A principal whose session is good too, or needs not be.
#[derive(Debug)]
pub(crate) struct SessionAccepted(Rc<Principal>);

/// A principal who does not use the MCP session of somebody else.
#[derive(Debug)]
pub(crate) struct McpSessionAccepted(Rc<Principal>);

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
        if !principal.audiences.iter().any(|own| audiences.iter().any(|one| **one == **own)) {
            return Err(Denial::WrongAudience);
        }
        principal.validity.check_lifetime(issuer.max_token_lifetime)?;
        let client = principal.client_id.as_deref();
        let accepts_client = |accepted: &[String]| {
            accepted.is_empty() || accepted.iter().any(|one| Some(one.as_str()) == client)
        };
        if !accepts_client(&issuer.clients) || !accepts_client(&resource.clients) {
            return Err(Denial::ClientNotAllowed);
        }
        match resource.claims.iter().all(|rule| principal.fits(rule)) {
            true => Ok(Self(Rc::clone(principal))),
            false => Err(Denial::ClaimNotAllowed),
        }
    }

    pub(crate) fn principal(&self) -> &Principal {
        &self.0
    }
}

impl SessionAccepted {
    pub(crate) fn principal(&self) -> &Principal {
        &self.0
    }

    /// The issuer's tokens need no session.
    pub(crate) fn not_required(token: TokenAccepted) -> Self {
        Self(token.0)
    }

    /// The session is known and live.
    pub(crate) fn found(token: TokenAccepted) -> Self {
        Self(token.0)
    }
}

impl McpSessionAccepted {
    /// The request belongs to no MCP session, to the principal's own, or to one that nobody is known
    /// to own.
    pub(crate) fn not_of_another(session: SessionAccepted) -> Self {
        Self(session.0)
    }
}

impl Permit {
    /// Checks what the request needs.
    pub(crate) fn grant(
        session: McpSessionAccepted,
        needs: &Needs,
        leeway: Duration,
        now: UnixTime,
    ) -> Result<Self, Denial> {
        session.0.meets(needs, leeway, now)?;
        Ok(Self(session.0))
    }

    /// Who was permitted.
    pub fn principal(&self) -> &Principal {
        &self.0
    }
}
