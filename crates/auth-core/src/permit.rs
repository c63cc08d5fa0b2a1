//! The permit: proof that a principal may use a resource now. There is no other way to one than
//! [`Permit::grant`].

use std::rc::Rc;

use crate::{
    config::{Issuer, Resource},
    denial::Denial,
    principal::Principal,
    scope::Scope,
    time::UnixTime,
};

/// Proof that a principal may make a request.
#[derive(Debug)]
pub struct Permit(Rc<Principal>);

impl Permit {
    /// Checks the rules that depend on time, resource and request, in the order of the
    /// documentation. They are the same for a token seen for the first time and for a cached one.
    pub(crate) fn grant(
        principal: &Rc<Principal>,
        issuer: &Issuer,
        resource: &Resource,
        scopes: &[Scope],
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
        let granted = |scope: &Scope| principal.scopes.iter().any(|own| own == scope.as_str());
        if !scopes.iter().all(granted) {
            return Err(Denial::InsufficientScope);
        }
        Ok(Self(Rc::clone(principal)))
    }

    /// Who was permitted.
    pub fn principal(&self) -> &Principal {
        &self.0
    }
}
