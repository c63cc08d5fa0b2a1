//! What each rule finds in a request, up to the one that refuses it.

use std::{ops::ControlFlow, rc::Rc};

use super::{
    Finding,
    words::{any_or, claim_names, keys_of, lasting, named, needed, or_none},
};
use crate::{
    claims::{Unverified, VerifiedClaims},
    config::{Issuer, IssuerIndex, Resource, ResourceIndex, SessionMode},
    credential::{self, Credential},
    denial::Denial,
    gate::Gate,
    jws::{CompactJws, UntrustedJwt},
    mcp::{call::Call, inquiry::Inquiry, name_pattern::NamePattern, policy::CallRule},
    metadata,
    permit::TokenAccepted,
    principal::Principal,
    request_head::RequestHead,
    target::{self, Target},
    time::UnixTime,
};

/// Goes where [`crate::flow`] goes, and stops where it stops.
pub(super) struct Teller<'g> {
    gate: &'g Gate,
    head: &'g RequestHead,
    body: Option<&'g [u8]>,
    now: UnixTime,
    findings: Vec<Finding>,
}

impl<'g> Teller<'g> {
    /// All there is to tell, in the order in which it is asked.
    pub(super) fn tell(
        gate: &'g Gate,
        head: &'g RequestHead,
        body: Option<&'g [u8]>,
        now: UnixTime,
    ) -> Vec<Finding> {
        let mut teller = Self { gate, head, body, now, findings: Vec::new() };
        let (ControlFlow::Break(()) | ControlFlow::Continue(())) = teller.ask();
        teller.findings
    }

    fn ask(&mut self) -> ControlFlow<()> {
        let (path, query) = self.head.path_and_query();
        let index = self.path(path)?;
        let resource = &self.gate.config.resources[index.0];
        self.origin(resource)?;
        if metadata::is_preflight(self.head, self.body.is_some()) {
            return self.note("preflight", "a CORS preflight passes without a token").stop();
        }
        let token = self.credential(query)?;
        let principal = self.token(resource, &token)?;
        let issuer = &self.gate.config.issuers[principal.issuer.0];
        self.accepted(resource, issuer, &principal)?;
        self.session(issuer, &principal);
        self.calls(resource, issuer, &principal)
    }

    fn path(&mut self, path: &str) -> ControlFlow<(), ResourceIndex> {
        let host = self.head.text(":authority").unwrap_or_default();
        match Target::of(&self.gate.config, self.head, path) {
            Ok(Target::Resource(index)) => {
                let id = self.gate.config.resources[index.0].id.as_str();
                self.note("path", format!("{path} at {host} belongs to {id}"));
                ControlFlow::Continue(index)
            }
            Ok(Target::Public) => {
                self.note("path", format!("{path} is public: no token is looked at")).stop()
            }
            Ok(Target::Document(_)) => {
                self.note("path", format!("{path} is a metadata document (RFC 9728)")).stop()
            }
            Err(denial) => self.refuse("path", denial, format!("{path} at {host}")),
        }
    }

    fn origin(&mut self, resource: &Resource) -> ControlFlow<()> {
        let Some(origin) = self.head.values("origin").next() else {
            return ControlFlow::Continue(());
        };
        let accepted = match resource.origins.as_slice() {
            [] => "any is accepted".to_owned(),
            list => format!("accepted are {}", list.join(", ")),
        };
        let text = format!("{}; {accepted}", String::from_utf8_lossy(origin));
        match target::accepts_origin(resource, self.head) {
            true => self.note("origin", text).go_on(),
            false => self.refuse("origin", Denial::OriginNotAllowed, text),
        }
    }

    fn credential(&mut self, query: &str) -> ControlFlow<(), String> {
        if credential::query_has_token(query) {
            let text = "the query has a parameter access_token";
            return self.refuse("credential", Denial::MalformedRequest, text);
        }
        match Credential::find(self.head.values("authorization")).and_then(Credential::text) {
            Ok(token) => {
                let token = token.to_owned();
                if let Err(denial) = credential::check_one(&token) {
                    return self.refuse("credential", denial, denial.description());
                }
                self.note("credential", format!("a Bearer token of {} bytes", token.len()));
                ControlFlow::Continue(token)
            }
            Err(denial) => self.refuse("credential", denial, denial.description()),
        }
    }

    fn token(&mut self, resource: &Resource, token: &str) -> ControlFlow<(), Rc<Principal>> {
        let jws = CompactJws::decode(token);
        let jwt = match UntrustedJwt::of(&jws) {
            Ok(jwt) => jwt,
            Err(denial) => return self.refuse("token", denial, denial.description()),
        };
        let (algorithm, kid) = (jwt.algorithm(), jwt.kid().map(str::to_owned));
        let kid = kid.map_or("no kid".to_owned(), |kid| format!("kid {kid:?}"));
        self.note("token", format!("a JWT that says {algorithm} and {kid}"));
        let (index, issuer) = self.issuer(resource, &jwt)?;
        let ring = &self.gate.rings[index.0];
        let fitting = ring.candidates(jwt.kid(), algorithm).count();
        match VerifiedClaims::verify(token, jwt, (index, issuer), ring, &*self.gate.verifier) {
            Ok((claims, _)) => {
                self.note("key", format!("{fitting} of {} fit", keys_of(issuer)));
                self.note("signature", "right");
                self.identity(issuer, &claims)
            }
            Err(Unverified::NoKey) if ring.is_empty() => {
                let text = format!("{} could not be had", keys_of(issuer));
                self.refuse("key", Denial::JwksUnavailable, text)
            }
            Err(Unverified::NoKey) => {
                let text = format!("none of {} fits {algorithm} and {kid}", keys_of(issuer));
                self.refuse("key", Denial::UnknownKey, text)
            }
            Err(Unverified::Denied(Denial::AlgorithmNotAllowed)) => {
                let accepted: Vec<_> = issuer.algorithms.iter().map(|alg| alg.name()).collect();
                let text = format!("{algorithm}; accepted are {}", accepted.join(", "));
                self.refuse("algorithm", Denial::AlgorithmNotAllowed, text)
            }
            Err(Unverified::Denied(denial)) => {
                self.refuse("signature", denial, denial.description())
            }
        }
    }

    fn issuer(
        &mut self,
        resource: &Resource,
        jwt: &UntrustedJwt<'_>,
    ) -> ControlFlow<(), (IssuerIndex, &'g Issuer)> {
        let gate = self.gate;
        let iss = match jwt.issuer() {
            Ok(iss) => iss,
            Err(denial) => return self.refuse("issuer", denial, "iss is absent or no string"),
        };
        match gate.issuers_by_name.get(iss).copied() {
            Some(index) if resource.audiences(index).is_some() => {
                self.note("issuer", format!("{iss} is accepted here"));
                ControlFlow::Continue((index, &gate.config.issuers[index.0]))
            }
            Some(_) => {
                let text = format!("{iss} is configured, but this resource does not accept it");
                self.refuse("issuer", Denial::UnknownIssuer, text)
            }
            None => {
                let known: Vec<_> = gate.config.issuers.iter().map(|i| &*i.issuer).collect();
                let text = format!("{iss:?} is, byte for byte, none of {}", known.join(", "));
                self.refuse("issuer", Denial::UnknownIssuer, text)
            }
        }
    }

    fn identity(
        &mut self,
        issuer: &Issuer,
        claims: &VerifiedClaims<'_>,
    ) -> ControlFlow<(), Rc<Principal>> {
        let principal = match Principal::new(claims, &self.gate.config) {
            Ok(principal) => principal,
            Err(denial) => {
                let mut names = vec!["exp".to_owned(), issuer.username_claims.join(" or ")];
                names.extend(issuer.identity_issuer_claim.clone());
                let text = format!(
                    "a claim is missing, or one that is read has the wrong type; needed are {}",
                    names.join(", ")
                );
                return self.refuse("claims", denial, text);
            }
        };
        let Principal { user_id, username, identity_issuer, .. } = &principal;
        self.note("user", format!("{user_id}, from {username:?} of {identity_issuer}"));
        ControlFlow::Continue(Rc::new(principal))
    }

    /// What [`TokenAccepted::check`] decides, with what it looked at.
    fn accepted(
        &mut self,
        resource: &Resource,
        issuer: &Issuer,
        principal: &Rc<Principal>,
    ) -> ControlFlow<()> {
        let denied = TokenAccepted::check(principal, issuer, resource, self.now).err();
        let audiences = resource.audiences(principal.issuer).unwrap_or_default();
        let end = principal.validity.end(issuer.leeway);
        let client = principal.client_id.as_deref().unwrap_or("none");
        let dates = match self.now < end {
            true => format!("accepted for another {}", lasting(self.now.until(end))),
            false => format!("over for {}", lasting(end.until(self.now))),
        };
        let leeway = lasting(issuer.leeway);
        let told = [
            (
                "dates",
                &[Denial::Expired, Denial::NotYetValid][..],
                format!("{dates}, leeway of {leeway} included"),
            ),
            (
                "audience",
                &[Denial::WrongAudience],
                format!("aud {:?}; accepted is one of {audiences:?}", principal.audiences),
            ),
            (
                "lifetime",
                &[Denial::LifetimeTooLong],
                match issuer.max_token_lifetime {
                    None => "any is accepted".to_owned(),
                    Some(most) => format!("exp - iat is at most {}", lasting(most)),
                },
            ),
            (
                "client",
                &[Denial::ClientNotAllowed],
                format!(
                    "{client}; the issuer accepts {}, the resource {}",
                    any_or(&issuer.clients),
                    any_or(&resource.clients)
                ),
            ),
            (
                "claims",
                &[Denial::ClaimNotAllowed],
                match resource.claims.as_slice() {
                    [] => "none is asked for".to_owned(),
                    asked => format!("asked for are {}", claim_names(asked)),
                },
            ),
        ];
        for (subject, denials, text) in told {
            match denied {
                Some(denial) if denials.contains(&denial) => {
                    return self.refuse(subject, denial, text);
                }
                Some(_) | None => drop(self.note(subject, text)),
            }
        }
        ControlFlow::Continue(())
    }

    /// What is asked of the sidecar; the answer is the gate's to judge.
    fn session(&mut self, issuer: &Issuer, principal: &Principal) {
        let asked = match (issuer.session, &self.gate.sidecar) {
            (SessionMode::Off, _) | (_, None) => "no session is asked for",
            (SessionMode::Observe, Some(_)) => "recorded, and refused if it is revoked",
            (SessionMode::Required, Some(_)) => "has to be known to mcp-auth and not revoked",
        };
        self.note("session", format!("{}: {asked}", principal.session_id));
    }

    fn calls(
        &mut self,
        resource: &Resource,
        issuer: &Issuer,
        principal: &Principal,
    ) -> ControlFlow<()> {
        let config = &self.gate.config;
        let has_body = self.body.is_some();
        let mut inquiry = Inquiry::begin(&resource.calls, config.body_limit, self.head, has_body);
        inquiry.feed(&resource.calls, self.body.unwrap_or_default(), true);
        self.note("scopes", format!("the token has {}", or_none(&principal.scopes.0)));
        self.note("needs", format!("every request here {}", needed(&resource.needs)));
        let needs = match &inquiry {
            Inquiry::Idle => resource.needs.clone(),
            Inquiry::Done(learned) => {
                if let Some(Call { method, name }) = &learned.call {
                    self.note("call", named(method, name.as_deref()));
                }
                for CallRule { method, name, needs } in learned.rules(&resource.calls) {
                    let rule = named(method.as_str(), name.as_ref().map(NamePattern::as_str));
                    self.note("rule", format!("{rule} {}", needed(needs)));
                }
                learned.needs(&resource.needs, &resource.calls)
            }
            Inquiry::Failed(denial) => {
                let text = "rules apply here, and what the request calls cannot be learned";
                return self.refuse("call", *denial, text);
            }
            Inquiry::Reading(_) => {
                return self.refuse("call", Denial::BodyTimeout, "the body has no end");
            }
        };
        match principal.meets(&needs, issuer.leeway, self.now) {
            Ok(()) => self.note("decision", "all that is needed is there").go_on(),
            Err(denial) => {
                let text = format!("the whole request {}", needed(&needs));
                self.refuse("decision", denial, text)
            }
        }
    }

    fn note(&mut self, subject: &'static str, text: impl Into<String>) -> Noted {
        self.findings.push(Finding { subject, text: text.into(), refuses: None });
        Noted
    }

    fn refuse<T>(
        &mut self,
        subject: &'static str,
        denial: Denial,
        text: impl Into<String>,
    ) -> ControlFlow<(), T> {
        self.findings.push(Finding { subject, text: text.into(), refuses: Some(denial) });
        ControlFlow::Break(())
    }
}

/// A finding that refuses nothing.
struct Noted;

impl Noted {
    fn go_on(self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Nothing more is asked.
    fn stop<T>(self) -> ControlFlow<(), T> {
        ControlFlow::Break(())
    }
}
