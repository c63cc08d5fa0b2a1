//! One request from head to decision: path, preflight, `Origin`, credential, token, session, MCP
//! session, then what it calls and what that needs, in this order. What has to be fetched or has to
//! arrive meanwhile is waited for in [`crate::gate`].

use std::{borrow::Cow, rc::Rc};

use crate::{
    bounded::Digest,
    claims::{Unverified, VerifiedClaims},
    config::{Config, IssuerIndex, ResourceIndex, SessionMode},
    credential::{self, Credential},
    decision::{Decision, HeaderEdits},
    denial::Denial,
    fetch::FetchId,
    gate::Gate,
    jws::{CompactJws, UntrustedJwt},
    key_ring::Wanted,
    mcp::{
        inquiry::Inquiry,
        seat::{self, McpSeating},
        session::Claim,
    },
    metadata,
    metric::Metric,
    needs::Needs,
    outcome::{self, About, Outcome, Refusal},
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
    /// It waits for something.
    Wait(Pending),
}

/// A request that waits. It goes on once, by [`Pending::resume`].
pub(crate) struct Pending {
    request: Protected,
    patience: Patience,
    pub(crate) waits_for: WaitsFor,
    pub(crate) deadline: UnixTime,
}

/// What a request waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WaitsFor {
    /// Something to be fetched.
    Fetch(FetchId),
    /// The rest of its body.
    Body,
}

/// A request to a protected resource that carries a credential.
struct Protected {
    head: RequestHead,
    resource: ResourceIndex,
    /// Of its token, which stays where it is in the head.
    digest: Digest,
    inquiry: Inquiry,
    /// Whether its token was not known when it came.
    token_is_new: bool,
    body_follows: bool,
}

impl Protected {
    fn about(&self) -> About<'_> {
        About { head: &self.head, resource: Some(self.resource), inquiry: &self.inquiry }
    }
}

/// What a request has waited for already, and does not wait for again; after its body, which it waits
/// for once, all else once more.
#[derive(Clone, Copy, Default)]
struct Patience {
    keys: bool,
    session: bool,
    mcp_session: bool,
    body: bool,
}

impl Patience {
    /// Whether the token was looked at before.
    fn is_past_keys(self) -> bool {
        self.keys || self.is_past_session()
    }

    /// Whether the session was looked at before.
    fn is_past_session(self) -> bool {
        self.session || self.mcp_session || self.body
    }
}

/// What comes of looking at a request.
enum Judged {
    Accepted { permit: Permit, claim: Option<Claim> },
    WaitsFor(WaitsFor),
}

/// Takes a request as far as it goes.
pub(crate) fn start(gate: &mut Gate, head: RequestHead, body_follows: bool, now: UnixTime) -> Step {
    let (path, query) = head.path_and_query();
    let target = match Target::of(&gate.config, &head, path) {
        Ok(target) => target,
        Err(denial) => {
            return Step::Done(outcome::deny(gate, About::head(&head, None), &denial.into()));
        }
    };
    let index = match target {
        Target::Document(index) => return Step::Done(document(gate, &head, index)),
        Target::Public => {
            let edits = HeaderEdits::public(&head, &gate.config);
            return Step::Done(outcome::forward(gate, About::head(&head, None), edits));
        }
        Target::Resource(index) => index,
    };
    let about = About::head(&head, Some(index));
    let resource = &gate.config.resources[index.0];
    if !target::accepts_origin(resource, &head) {
        return Step::Done(outcome::deny(gate, about, &Denial::OriginNotAllowed.into()));
    }
    if metadata::is_preflight(&head, body_follows) {
        let edits = HeaderEdits::preflight(&head, &gate.config);
        return Step::Done(outcome::forward(gate, about, edits));
    }
    let digest = match token(&head, query) {
        Ok(token) => gate.digest_key.digest(token.bytes()),
        Err(denial) => return Step::Done(outcome::deny(gate, about, &denial.into())),
    };
    let inquiry = Inquiry::begin(&resource.calls, gate.config.body_limit, &head, body_follows);
    let resource = index;
    let request = Protected { head, resource, digest, inquiry, token_is_new: false, body_follows };
    go_on(gate, request, Patience::default(), now)
}

impl Pending {
    /// Goes on after the wait, whatever came of it.
    pub(crate) fn resume(self, gate: &mut Gate, now: UnixTime) -> Step {
        let mut patience = self.patience;
        match self.waits_for {
            WaitsFor::Fetch(FetchId::Keys(_)) => patience.keys = true,
            WaitsFor::Fetch(FetchId::McpSession(_) | FetchId::McpSessionClaim(_)) => {
                patience.mcp_session = true;
            }
            WaitsFor::Fetch(FetchId::Session(_) | FetchId::Report(_) | FetchId::Revocations) => {
                patience.session = true;
            }
            // A body may take longer than what was fetched before it is believed.
            WaitsFor::Body => patience = Patience { body: true, ..Patience::default() },
        }
        go_on(gate, self.request, patience, now)
    }

    /// Gives up because too many requests wait already.
    pub(crate) fn refuse(self, gate: &mut Gate) -> Outcome {
        let denial = match &self.waits_for {
            WaitsFor::Fetch(id) if id.keys_of().is_some() => Denial::JwksUnavailable,
            WaitsFor::Fetch(_) => Denial::SessionsUnavailable,
            WaitsFor::Body => Denial::TooManyBodies,
        };
        outcome::deny(gate, self.request.about(), &denial.into())
    }

    /// Takes the next bytes of its body.
    pub(crate) fn feed(&mut self, config: &Config, chunk: &[u8], last: bool) {
        let policy = &config.resources[self.request.resource.0].calls;
        self.request.inquiry.feed(policy, chunk, last);
    }

    /// Gives up because too much is kept of bodies already.
    pub(crate) fn refuse_body(self, gate: &mut Gate) -> Outcome {
        outcome::deny(gate, self.request.about(), &Denial::TooManyBodies.into())
    }

    /// How many bytes are kept of its body, but for what is kept of each.
    pub(crate) fn kept(&self) -> usize {
        self.request.inquiry.kept()
    }

    /// Whether more of its body is needed.
    pub(crate) fn reads_body(&self) -> bool {
        self.request.inquiry.is_reading()
    }
}

fn go_on(gate: &mut Gate, mut request: Protected, patience: Patience, now: UnixTime) -> Step {
    match judge(gate, &mut request, patience, now) {
        Ok(Judged::Accepted { permit, claim }) => {
            let (about, is_new) = (request.about(), request.token_is_new);
            Step::Done(outcome::admit(gate, about, &permit, is_new, claim))
        }
        Ok(Judged::WaitsFor(waits_for)) => {
            let deadline = now + gate.patience_for(&waits_for);
            Step::Wait(Pending { request, patience, waits_for, deadline })
        }
        Err(refusal) => Step::Done(outcome::deny(gate, request.about(), &refusal)),
    }
}

fn token<'h>(head: &'h RequestHead, query: &str) -> Result<Credential<'h>, Denial> {
    if credential::query_has_token(query) {
        return Err(Denial::MalformedRequest);
    }
    Credential::find(head.values("authorization"))
}

/// From token to permit. A request that has waited comes here again from the start: what was good
/// before may have been revoked meanwhile.
fn judge(
    gate: &mut Gate,
    request: &mut Protected,
    patience: Patience,
    now: UnixTime,
) -> Result<Judged, Refusal> {
    let waits_for = |fetch| Ok(Judged::WaitsFor(WaitsFor::Fetch(fetch)));
    let digest = request.digest;
    let principal = match gate.tokens.find(digest, &gate.rings, now) {
        Some(Known::Denied(denial, principal)) => {
            return Err(Refusal { principal, ..denial.into() });
        }
        Some(Known::Verified(principal)) => {
            if !patience.is_past_keys() {
                gate.count(Metric::TokenCacheHit);
            }
            principal
        }
        None => match verify(gate, request, patience, now)? {
            Verified::Principal(principal) => {
                request.token_is_new = true;
                principal
            }
            Verified::WaitsFor(issuer) => return waits_for(FetchId::Keys(issuer)),
        },
    };
    let issuer = &gate.config.issuers[principal.issuer.0];
    let leeway = issuer.leeway;
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
        Seating::LookupNeeded => return waits_for(FetchId::Session(principal.session_id.clone())),
    };
    let unchallenged = |denial: Denial| Refusal { is_challenged: false, ..known(denial) };
    let Protected { head, resource, body_follows, .. } = &*request;
    let asked = patience.mcp_session;
    let seating = seat::seat(gate, session, *resource, (head, *body_follows), asked, now);
    let (session, claim) = match seating.map_err(unchallenged)? {
        McpSeating::Accepted(session, claim) => (session, claim),
        McpSeating::LookupNeeded(key) => return waits_for(FetchId::McpSession(key)),
    };
    let needs = match needs(gate, request, patience).map_err(unchallenged)? {
        Some(needs) => needs,
        None => return Ok(Judged::WaitsFor(WaitsFor::Body)),
    };
    let permit = Permit::grant(session, &needs, leeway, now)
        .map_err(|denial| Refusal { needs: Some(needs.into_owned()), ..known(denial) })?;
    Ok(Judged::Accepted { permit, claim })
}

/// All that the request needs, unless its body has to tell and is not there yet.
fn needs<'g>(
    gate: &'g Gate,
    request: &Protected,
    patience: Patience,
) -> Result<Option<Cow<'g, Needs>>, Denial> {
    let resource = &gate.config.resources[request.resource.0];
    match &request.inquiry {
        Inquiry::Idle => Ok(Some(Cow::Borrowed(&resource.needs))),
        Inquiry::Done(learned) => {
            Ok(Some(Cow::Owned(learned.needs(&resource.needs, &resource.calls))))
        }
        Inquiry::Failed(denial) => Err(*denial),
        Inquiry::Reading(_) if patience.body => Err(Denial::BodyTimeout),
        Inquiry::Reading(_) => Ok(None),
    }
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
        Seating::Accepted(_) if !patience.is_past_session() => gate.count(Metric::SessionHit),
        Seating::Accepted(_) => {}
        Seating::LookupNeeded if patience.session => return Err(Denial::SessionsUnavailable),
        Seating::LookupNeeded => {
            sidecar.book.lookups.want(FetchId::Session(id))?;
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
    patience: Patience,
    now: UnixTime,
) -> Result<Verified, Refusal> {
    let digest = request.digest;
    if !patience.is_past_keys() {
        gate.count(Metric::TokenCacheMiss);
    }
    // What can be taken apart is one token.
    let token = Credential::find(request.head.values("authorization"))?.text()?;
    let jws = CompactJws::decode(token);
    let jwt = UntrustedJwt::of(&jws)
        .map_err(|denial| credential::check_one(token).err().unwrap_or(denial))?;
    let index = accepted_issuer(gate, request.resource, jwt.issuer()?)?;
    let issuer = &gate.config.issuers[index.0];
    let ring = &gate.rings[index.0];
    match VerifiedClaims::verify(token, jwt, (index, issuer), ring, &*gate.verifier) {
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
        Ok(reply) => Outcome::quiet(Decision::Reply(reply)),
        Err(denial) => outcome::deny(gate, About::head(head, Some(index)), &denial.into()),
    }
}
