//! One request from head to decision: path, preflight, `Origin`, credential, token, session, scope,
//! in this order. What has to be fetched meanwhile is waited for in [`crate::gate`].

use std::rc::Rc;

use crate::{
    audit::{self, Event, Identified},
    bounded::Digest,
    claims::{Unverified, VerifiedClaims},
    config::{IssuerIndex, ResourceIndex, SessionMode},
    credential::{self, Credential},
    decision::{Challenge, Decision, HeaderEdits, LocalReply},
    denial::Denial,
    gate::{FetchId, Gate, Outcome},
    jws::UntrustedJwt,
    key_ring::Wanted,
    metadata,
    metric::Metric,
    permit::{Permit, SessionAccepted, TokenAccepted},
    principal::Principal,
    request_head::RequestHead,
    session_book::Seating,
    target::{self, Target},
    time::UnixTime,
    token_cache::Known,
};

/// How far a request has come.
pub(crate) enum Step {
    /// It is decided.
    Done(Outcome),
    /// It waits for something to be fetched.
    Wait(Pending),
}

/// A request that waits. It goes on once, by [`Pending::resume`].
pub(crate) struct Pending {
    request: Protected,
    patience: Patience,
    pub(crate) waits_for: FetchId,
    pub(crate) deadline: UnixTime,
}

/// A request to a protected resource that carries a credential.
struct Protected {
    head: RequestHead,
    resource: ResourceIndex,
    token: String,
}

/// What a request has waited for already, and does not wait for again.
#[derive(Clone, Copy, Default)]
struct Patience {
    keys: bool,
    session: bool,
}

/// A denial with what is known at that point.
struct Refusal {
    denial: Denial,
    principal: Option<Rc<Principal>>,
    retry_after_secs: u64,
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        Self { denial, principal: None, retry_after_secs: 1 }
    }
}

/// What comes of looking at a token.
enum Judged {
    Accepted { permit: Permit, new: bool },
    WaitsFor(FetchId),
}

/// Takes a request as far as it goes.
pub(crate) fn start(gate: &mut Gate, head: RequestHead, now: UnixTime) -> Step {
    let (path, query) = head.path_and_query();
    let target = match Target::of(&gate.config, &head, path) {
        Ok(target) => target,
        Err(denial) => return Step::Done(deny(gate, &head, None, denial.into())),
    };
    let index = match target {
        Target::Document(index) => return Step::Done(document(gate, &head, index)),
        Target::Public => {
            let edits = HeaderEdits::public(&head, &gate.config);
            return Step::Done(forward(gate, &head, None, edits));
        }
        Target::Resource(index) => index,
    };
    let resource = &gate.config.resources[index.0];
    if !target::accepts_origin(resource, &head) {
        return Step::Done(deny(gate, &head, Some(index), Denial::OriginNotAllowed.into()));
    }
    if metadata::is_preflight(&head) {
        let edits = HeaderEdits::preflight(&head, &gate.config);
        return Step::Done(forward(gate, &head, Some(index), edits));
    }
    let token = match token(&head, query) {
        Ok(token) => token,
        Err(denial) => return Step::Done(deny(gate, &head, Some(index), denial.into())),
    };
    go_on(gate, Protected { head, resource: index, token }, Patience::default(), now)
}

impl Pending {
    /// Goes on after the wait, whatever came of it.
    pub(crate) fn resume(self, gate: &mut Gate, now: UnixTime) -> Step {
        let mut patience = self.patience;
        match self.waits_for {
            FetchId::Keys(_) => patience.keys = true,
            FetchId::Session(_) | FetchId::Report(_) | FetchId::Revocations => {
                patience.session = true;
            }
        }
        go_on(gate, self.request, patience, now)
    }

    /// Gives up because too many requests wait already.
    pub(crate) fn refuse(self, gate: &mut Gate) -> Outcome {
        let Protected { head, resource, .. } = self.request;
        let denial = match self.waits_for {
            FetchId::Keys(_) => Denial::JwksUnavailable,
            FetchId::Session(_) | FetchId::Report(_) | FetchId::Revocations => {
                Denial::SessionsUnavailable
            }
        };
        deny(gate, &head, Some(resource), denial.into())
    }
}

fn go_on(gate: &mut Gate, request: Protected, patience: Patience, now: UnixTime) -> Step {
    let index = request.resource;
    match judge(gate, &request, patience, now) {
        Ok(Judged::Accepted { permit, new }) => {
            let edits = HeaderEdits::permitted(&permit, &request.head, &gate.config);
            Step::Done(admit(gate, &request, &permit, new, edits))
        }
        Ok(Judged::WaitsFor(fetch)) => {
            let deadline = now + gate.patience_for(&fetch);
            Step::Wait(Pending { request, patience, waits_for: fetch, deadline })
        }
        Err(refusal) => Step::Done(deny(gate, &request.head, Some(index), refusal)),
    }
}

fn token(head: &RequestHead, query: &str) -> Result<String, Denial> {
    if credential::query_has_token(query) {
        return Err(Denial::MalformedRequest);
    }
    let values: Vec<&[u8]> = head.values("authorization").collect();
    Credential::find(&values).map(|credential| credential.token().to_owned())
}

/// From token to permit.
fn judge(
    gate: &mut Gate,
    request: &Protected,
    patience: Patience,
    now: UnixTime,
) -> Result<Judged, Refusal> {
    let digest = gate.digest_key.digest(request.token.as_bytes());
    let (principal, new) = match gate.tokens.find(digest, &gate.rings, now) {
        Some(Known::Denied(denial, principal)) => {
            return Err(Refusal { principal, ..denial.into() });
        }
        Some(Known::Verified(principal)) => {
            gate.count(Metric::TokenCacheHit);
            (principal, false)
        }
        None => match verify(gate, request, digest, patience, now)? {
            Verified::Principal(principal) => (principal, true),
            Verified::WaitsFor(issuer) => {
                return Ok(Judged::WaitsFor(FetchId::Keys(issuer)));
            }
        },
    };
    let issuer = &gate.config.issuers[principal.issuer.0];
    let resource = &gate.config.resources[request.resource.0];
    let known = |denial: Denial| Refusal {
        principal: Some(Rc::clone(&principal)),
        ..Refusal::from(denial)
    };
    let token = TokenAccepted::check(&principal, issuer, resource, now);
    if token.as_ref().is_err_and(|denial| *denial == Denial::Expired) {
        gate.tokens.denied(digest, Denial::Expired, Some(Rc::clone(&principal)), now);
    }
    let session = match seat(gate, token.map_err(known)?, patience, now).map_err(known)? {
        Seating::Accepted(session) => session,
        Seating::LookupNeeded => {
            return Ok(Judged::WaitsFor(FetchId::Session(principal.session_id.clone())));
        }
    };
    let scopes = &gate.config.resources[request.resource.0].scopes;
    let permit = Permit::grant(session, scopes).map_err(known)?;
    Ok(Judged::Accepted { permit, new })
}

/// From an accepted token to an accepted session, as the issuer's mode asks.
fn seat(
    gate: &mut Gate,
    token: TokenAccepted,
    patience: Patience,
    now: UnixTime,
) -> Result<Seating, Denial> {
    let issuer = &gate.config.issuers[token.principal().issuer.0];
    let Some(sidecar) = gate.sidecar.as_mut().filter(|_| issuer.session != SessionMode::Off) else {
        return Ok(Seating::Accepted(SessionAccepted::not_required(token)));
    };
    sidecar.feed.check(token.principal())?;
    if sidecar.deny_on_feed_loss && sidecar.feed.is_lost(now) {
        return Err(Denial::SessionsUnavailable);
    }
    if issuer.session == SessionMode::Observe {
        sidecar.book.observe(token.principal(), issuer, now);
        return Ok(Seating::Accepted(SessionAccepted::not_required(token)));
    }
    let id = token.principal().session_id.clone();
    let seating = sidecar.book.require(token, now)?;
    match seating {
        Seating::Accepted(_) if !patience.session => gate.count(Metric::SessionHit),
        Seating::Accepted(_) => {}
        Seating::LookupNeeded if patience.session => return Err(Denial::SessionsUnavailable),
        Seating::LookupNeeded => {
            sidecar.book.want(&id)?;
            gate.count(Metric::SessionMiss);
        }
    }
    Ok(seating)
}

enum Verified {
    Principal(Rc<Principal>),
    WaitsFor(IssuerIndex),
}

/// From an unknown token to its principal.
fn verify(
    gate: &mut Gate,
    request: &Protected,
    digest: Digest,
    patience: Patience,
    now: UnixTime,
) -> Result<Verified, Refusal> {
    if !patience.keys {
        gate.count(Metric::TokenCacheMiss);
    }
    let jwt = UntrustedJwt::parse(&request.token)?;
    let index = accepted_issuer(gate, request.resource, jwt.issuer()?)?;
    let issuer = &gate.config.issuers[index.0];
    let ring = &gate.rings[index.0];
    match VerifiedClaims::verify(&request.token, jwt, (index, issuer), ring, &*gate.verifier) {
        Ok((claims, key)) => {
            let principal = Principal::new(&claims, &gate.config)
                .inspect_err(|denial| gate.tokens.denied(digest, *denial, None, now))?;
            let principal = Rc::new(principal);
            gate.tokens.verified(digest, &principal, key, ring.generation());
            Ok(Verified::Principal(principal))
        }
        Err(Unverified::Denied(denial)) => {
            gate.tokens.denied(digest, denial, None, now);
            Err(denial.into())
        }
        Err(Unverified::NoKey) => no_key(gate, index, patience, now),
    }
}

/// The configured issuer that `iss` names, if the resource accepts it.
fn accepted_issuer(gate: &Gate, resource: ResourceIndex, iss: &str) -> Result<IssuerIndex, Denial> {
    let index = *gate.issuers_by_name.get(iss).ok_or(Denial::UnknownIssuer)?;
    let accepted = gate.config.resources[resource.0].audiences(index).is_some();
    if accepted { Ok(index) } else { Err(Denial::UnknownIssuer) }
}

fn no_key(
    gate: &mut Gate,
    issuer: IssuerIndex,
    patience: Patience,
    now: UnixTime,
) -> Result<Verified, Refusal> {
    let ring = &mut gate.rings[issuer.0];
    let wanted = match patience {
        Patience { keys: false, .. } => ring.want(now),
        Patience { keys: true, .. } => Wanted::NotBefore(ring.next_fetch()),
    };
    match wanted {
        Wanted::Wait => Ok(Verified::WaitsFor(issuer)),
        Wanted::NotBefore(time) if ring.is_empty() => Err(Refusal {
            retry_after_secs: now.until(time).as_millis().div_ceil(1000) as u64,
            ..Denial::JwksUnavailable.into()
        }),
        Wanted::NotBefore(_) => Err(Denial::UnknownKey.into()),
    }
}

fn document(gate: &mut Gate, head: &RequestHead, index: ResourceIndex) -> Outcome {
    let resource = &gate.config.resources[index.0];
    match metadata::answer(&gate.config, resource, head) {
        Ok(reply) => Outcome { decision: Decision::Reply(reply), ..Outcome::quiet() },
        Err(denial) => deny(gate, head, Some(index), denial.into()),
    }
}

fn forward(
    gate: &mut Gate,
    head: &RequestHead,
    resource: Option<ResourceIndex>,
    edits: HeaderEdits,
) -> Outcome {
    gate.count(Metric::Allowed);
    Outcome {
        decision: Decision::Forward(edits),
        audit: line(gate, Event::Allowed, None, None, resource, head),
        ..Outcome::quiet()
    }
}

fn admit(
    gate: &mut Gate,
    request: &Protected,
    permit: &Permit,
    new: bool,
    edits: HeaderEdits,
) -> Outcome {
    gate.count(Metric::Allowed);
    let event = if new { Event::Authenticated } else { Event::Allowed };
    let principal = permit.principal();
    Outcome {
        decision: Decision::Forward(edits),
        user_id: Some(principal.user_id.to_string()),
        reason: None,
        audit: line(gate, event, None, Some(principal), Some(request.resource), &request.head),
    }
}

fn deny(
    gate: &mut Gate,
    head: &RequestHead,
    resource: Option<ResourceIndex>,
    refusal: Refusal,
) -> Outcome {
    let Refusal { denial, principal, retry_after_secs } = refusal;
    gate.count(Metric::Denied(denial));
    let challenge = resource.map(|index| Challenge {
        metadata_url: &gate.metadata_urls[index.0],
        scopes: &gate.config.resources[index.0].scopes,
    });
    Outcome {
        decision: Decision::Reply(LocalReply::denied(denial, challenge, retry_after_secs)),
        user_id: principal.as_ref().map(|principal| principal.user_id.to_string()),
        reason: Some(denial.reason()),
        audit: line(gate, Event::Denied, Some(denial), principal.as_deref(), resource, head),
    }
}

fn line(
    gate: &Gate,
    event: Event,
    denial: Option<Denial>,
    principal: Option<&Principal>,
    resource: Option<ResourceIndex>,
    head: &RequestHead,
) -> Option<String> {
    let identified: Option<Identified<'_>> = principal
        .map(|principal| (principal, gate.config.issuers[principal.issuer.0].issuer.as_str()));
    let resource = resource.map(|index| gate.config.resources[index.0].id.as_str());
    audit::line(gate.config.audit, event, denial, identified, resource, head)
}
