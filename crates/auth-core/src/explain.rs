//! Why a request is decided as it is, in an operator's words: every rule that was asked, what it found,
//! and how it decided. The verdict is the gate's; what is told on the way comes from the same functions
//! in the same order as in [`crate::flow`], so the two cannot part without a test noticing.

use std::{ops::ControlFlow, rc::Rc, time::Duration};

use crate::{
    claims::{Unverified, VerifiedClaims},
    config::{Issuer, IssuerIndex, KeySource, Resource, ResourceIndex, SessionMode},
    credential::{self, Credential},
    denial::Denial,
    fetch::Fetch,
    gate::{Gate, StreamId},
    jws::UntrustedJwt,
    key_ring::FetchOutcome,
    mcp::{call::Call, inquiry::Inquiry, name_pattern::NamePattern, policy::CallRule},
    metadata,
    needs::Needs,
    outcome::Outcome,
    permit::TokenAccepted,
    principal::Principal,
    request_head::RequestHead,
    scope,
    target::{self, Target},
    time::UnixTime,
};

/// Rounds of fetches, at most: keys, then a session.
const MOST_ROUNDS: usize = 4;

/// A decision with the way to it.
#[derive(Debug)]
pub struct Explanation {
    /// What was found, in the order in which it is asked.
    pub findings: Vec<Finding>,
    /// What the gate decided; nothing if what it needs did not arrive.
    pub outcome: Option<Outcome>,
}

/// What one rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which rule: `path`, `origin`, `token`, ….
    pub subject: &'static str,
    /// What it looked at, without a secret.
    pub text: String,
    /// The reason, if it refuses the request.
    pub refuses: Option<Denial>,
}

/// Lets `gate` decide a request and tells why. `fetch` makes the calls that the gate asks for.
///
/// The token must not have been decided by this gate before, or the caches answer.
pub fn explain(
    gate: &mut Gate,
    head: &RequestHead,
    body: Option<&[u8]>,
    mut fetch: impl FnMut(&Fetch) -> FetchOutcome,
    now: UnixTime,
) -> Explanation {
    let id = StreamId(1);
    make_fetches(gate, &mut fetch, now);
    let mut outcome = gate.start(id, head.clone(), body.is_some(), now);
    for _ in 0..MOST_ROUNDS {
        if outcome.is_some() {
            break;
        }
        outcome = body.and_then(|body| gate.body(id, body, true, now));
        outcome = outcome.or_else(|| make_fetches(gate, &mut fetch, now));
    }
    gate.forget(id);
    let mut teller = Teller { gate, head, body, now, findings: Vec::new() };
    // It has told all there is, wherever it stopped.
    let (ControlFlow::Break(()) | ControlFlow::Continue(())) = teller.tell();
    let mut findings = teller.findings;
    let refused = findings.iter().any(|finding| finding.refuses.is_some());
    // What only the gate knows: sessions, revocations, MCP sessions, outages.
    if let (Some(reason), false) = (outcome.as_ref().and_then(|outcome| outcome.reason), refused) {
        let denial = Denial::ALL.into_iter().find(|denial| denial.reason() == reason);
        let text = denial.map_or(reason, Denial::description).to_owned();
        findings.push(Finding { subject: "decision", text, refuses: denial });
    }
    Explanation { findings, outcome }
}

/// Makes what is due, and returns what it decided.
fn make_fetches(
    gate: &mut Gate,
    fetch: &mut impl FnMut(&Fetch) -> FetchOutcome,
    now: UnixTime,
) -> Option<Outcome> {
    let mut decided = None;
    for due in gate.due(now) {
        let outcome = fetch(&due);
        let fetched = gate.fetched(&due.id, outcome, now);
        decided = decided.or(fetched.decided.into_iter().next().map(|(_, outcome)| outcome));
    }
    decided
}

/// Goes where [`crate::flow`] goes, and stops where it stops.
struct Teller<'g> {
    gate: &'g Gate,
    head: &'g RequestHead,
    body: Option<&'g [u8]>,
    now: UnixTime,
    findings: Vec<Finding>,
}

impl<'g> Teller<'g> {
    fn tell(&mut self) -> ControlFlow<()> {
        let (path, query) = self.head.path_and_query();
        let index = self.path(path)?;
        let resource = &self.gate.config.resources[index.0];
        self.origin(resource)?;
        if metadata::is_preflight(self.head) {
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
        let values: Vec<&[u8]> = self.head.values("authorization").collect();
        match Credential::find(&values) {
            Ok(found) => {
                let token = found.token().to_owned();
                self.note("credential", format!("a Bearer token of {} bytes", token.len()));
                ControlFlow::Continue(token)
            }
            Err(denial) => self.refuse("credential", denial, denial.description()),
        }
    }

    fn token(&mut self, resource: &Resource, token: &str) -> ControlFlow<(), Rc<Principal>> {
        let jwt = match UntrustedJwt::parse(token) {
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
                let known: Vec<_> = gate.config.issuers.iter().map(|i| i.issuer.as_str()).collect();
                let text = format!("{iss:?} is, byte for byte, none of {}", known.join(", "));
                self.refuse("issuer", Denial::UnknownIssuer, text)
            }
        }
    }

    fn identity(
        &mut self,
        issuer: &Issuer,
        claims: &VerifiedClaims,
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
            true => format!("accepted for another {}", words(self.now.until(end))),
            false => format!("over for {}", words(end.until(self.now))),
        };
        let leeway = words(issuer.leeway);
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
                    Some(most) => format!("exp - iat is at most {}", words(most)),
                },
            ),
            (
                "client",
                &[Denial::ClientNotAllowed],
                format!(
                    "{client}; accepted are {} of the issuer's and {} of the resource's",
                    any_or(&issuer.clients),
                    any_or(&resource.clients)
                ),
            ),
            (
                "claims",
                &[Denial::ClaimNotAllowed],
                format!("{} of them are asked for", resource.claims.len()),
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
        self.note("scopes", format!("the token has {}", or_none(&principal.scopes.join(" "))));
        self.note("needs", format!("every request here {}", told(&resource.needs)));
        let needs = match &inquiry {
            Inquiry::Idle => resource.needs.clone(),
            Inquiry::Done(learned) => {
                if let Some(Call { method, name }) = &learned.call {
                    self.note("call", named(method, name.as_deref()));
                }
                for CallRule { method, name, needs } in learned.rules(&resource.calls) {
                    let rule = named(method.as_str(), name.as_ref().map(NamePattern::as_str));
                    self.note("rule", format!("{rule} {}", told(needs)));
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
                let text = format!("the whole request {}", told(&needs));
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

fn keys_of(issuer: &Issuer) -> String {
    match &issuer.keys {
        KeySource::Fixed(keys) => format!("the {} keys in the configuration", keys.len()),
        KeySource::Fetched(jwks) => {
            format!("the keys at {}://{}{}", jwks.scheme, jwks.authority, jwks.path)
        }
    }
}

fn named(method: &str, name: Option<&str>) -> String {
    name.map_or_else(|| method.to_owned(), |name| format!("{method} {name:?}"))
}

fn told(needs: &Needs) -> String {
    let mut parts = Vec::new();
    if !needs.scopes.is_empty() {
        parts.push(format!("needs the scopes {}", scope::join(&needs.scopes)));
    }
    if let Some(most) = needs.max_age {
        parts.push(format!("needs a login at most {} ago", words(most)));
    }
    for list in &needs.acr_values {
        parts.push(format!("needs acr to be one of {}", list.join(", ")));
    }
    match parts.is_empty() {
        true => "needs nothing more".to_owned(),
        false => parts.join(" and "),
    }
}

fn any_or(list: &[String]) -> String {
    if list.is_empty() { "any".to_owned() } else { list.join(", ") }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

/// A duration as people say it: the largest unit and the next.
fn words(duration: Duration) -> String {
    let secs = duration.as_secs();
    let parts =
        [(secs / 86_400, "d"), (secs / 3600 % 24, "h"), (secs / 60 % 60, "m"), (secs % 60, "s")];
    let told: Vec<String> = parts
        .iter()
        .skip_while(|(count, _)| *count == 0)
        .take(2)
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if told.is_empty() { "0s".to_owned() } else { told.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_by_their_two_largest_units() {
        for (secs, told) in [(0, "0s"), (59, "59s"), (60, "1m"), (3661, "1h 1m"), (86_460, "1d")] {
            assert_eq!(words(Duration::from_secs(secs)), told, "{secs}");
        }
    }
}
