//! What the filter knows of sessions: answers of the sidecar for as long as they are trusted, the
//! lookups that are missing, and the sightings that are to be reported.

use std::time::Duration;

use crate::{
    bounded::{BoundedMap, DigestKey},
    config::{Issuer, Sessions},
    denial::Denial,
    fetch::FetchId,
    json,
    key_ring::FetchOutcome,
    lookups::Lookups,
    permit::{SessionAccepted, TokenAccepted},
    principal::Principal,
    session::{KnownSession, SessionReport},
    session_id::SessionId,
    time::UnixTime,
};

/// Sessions remembered at most.
const MOST_SESSIONS: usize = 100_000;
/// Reports that wait to be sent, at most; a further sighting is reported later.
const MOST_REPORTS: usize = 1000;
/// How often the sighting of one session is reported.
const REPORT_EVERY: Duration = Duration::from_secs(60);
/// How long an unknown session counts as unknown without another look.
const UNKNOWN_FOR: Duration = Duration::from_secs(1);

/// Sessions, as far as this worker knows.
pub(crate) struct SessionBook {
    digest_key: DigestKey,
    cache: Duration,
    pub(crate) timeout: Duration,
    answers: BoundedMap<Answer>,
    pub(crate) lookups: Lookups,
    sightings: BoundedMap<UnixTime>,
    reports: Vec<(SessionId, SessionReport)>,
}

struct Answer {
    verdict: Verdict,
    until: UnixTime,
}

/// What the sidecar said of a session.
enum Verdict {
    Live { user_id: String, expires_at: UnixTime },
    Unknown,
    Revoked,
}

/// What becomes of an accepted token whose session is required.
pub(crate) enum Seating {
    /// Its session is live.
    Accepted(SessionAccepted),
    /// Its session has to be looked up first.
    LookupNeeded,
}

impl SessionBook {
    pub(crate) fn new(sessions: &Sessions, digest_key: DigestKey) -> Self {
        Self {
            digest_key,
            cache: sessions.cache,
            timeout: sessions.timeout,
            answers: BoundedMap::new(MOST_SESSIONS),
            lookups: Lookups::new(sessions.timeout),
            sightings: BoundedMap::new(MOST_SESSIONS),
            reports: Vec::new(),
        }
    }

    /// Checks a session that is required, by what the sidecar said of it a short while ago.
    pub(crate) fn require(
        &mut self,
        token: TokenAccepted,
        now: UnixTime,
    ) -> Result<Seating, Denial> {
        let id = &token.principal().session_id;
        let digest = self.digest_key.digest(id.as_str().as_bytes());
        let Some(answer) = self.answers.get(digest).filter(|answer| now < answer.until) else {
            return Ok(Seating::LookupNeeded);
        };
        match &answer.verdict {
            Verdict::Revoked => Err(Denial::SessionRevoked),
            Verdict::Unknown => Err(Denial::SessionNotFound),
            Verdict::Live { user_id, expires_at } => {
                let own = user_id == token.principal().user_id.as_str();
                match own && now < *expires_at {
                    true => Ok(Seating::Accepted(SessionAccepted::found(token))),
                    false => Err(Denial::SessionNotFound),
                }
            }
        }
    }

    /// Notes the sighting of a session, to be reported soon and then at a bounded rate.
    pub(crate) fn observe(&mut self, principal: &Principal, token_issuer: &Issuer, now: UnixTime) {
        let digest = self.digest_key.digest(principal.session_id.as_str().as_bytes());
        let reported = self.sightings.get(digest).is_some_and(|next| now < *next);
        if reported || self.reports.len() >= MOST_REPORTS {
            return;
        }
        self.sightings.insert(digest, now + REPORT_EVERY);
        self.reports.push((principal.session_id.clone(), report(principal, token_issuer)));
    }

    /// Whether a lookup or a report is to be made now.
    pub(crate) fn is_due(&self) -> bool {
        !self.reports.is_empty() || self.lookups.is_due()
    }

    /// The sightings to report now.
    pub(crate) fn take_reports(&mut self) -> Vec<(SessionId, SessionReport)> {
        std::mem::take(&mut self.reports)
    }

    /// Takes the outcome of a lookup.
    ///
    /// # Errors
    /// Why nothing was learned from it; what is known stays.
    pub(crate) fn accept(
        &mut self,
        id: &SessionId,
        outcome: FetchOutcome,
        now: UnixTime,
    ) -> Result<(), String> {
        self.lookups.end(&FetchId::Session(id.clone()));
        let verdict = verdict(id, outcome)?;
        let trusted_for = match verdict {
            Verdict::Live { .. } | Verdict::Revoked => self.cache,
            Verdict::Unknown => self.cache.min(UNKNOWN_FOR),
        };
        let digest = self.digest_key.digest(id.as_str().as_bytes());
        self.answers.insert(digest, Answer { verdict, until: now + trusted_for });
        Ok(())
    }
}

fn verdict(id: &SessionId, outcome: FetchOutcome) -> Result<Verdict, String> {
    let body = match outcome {
        FetchOutcome::Unanswered(why) => return Err(why.to_owned()),
        FetchOutcome::Answered { status: 200, body } => body,
        FetchOutcome::Answered { status: 404, .. } => return Ok(Verdict::Unknown),
        FetchOutcome::Answered { status, .. } => return Err(format!("status {status}")),
    };
    let known: KnownSession =
        json::read_as(&body).map_err(|why| format!("not a session: {why}"))?;
    match known {
        known if known.revoked_at().is_some() => Ok(Verdict::Revoked),
        KnownSession::Recorded(session) if session.session_id == *id => {
            Ok(Verdict::Live { user_id: session.user_id, expires_at: session.expires_at })
        }
        KnownSession::Recorded(_) | KnownSession::RevokedUnseen { .. } => {
            Err("another session than the one asked for".to_owned())
        }
    }
}

/// The session ends when its token is accepted no more, leeway included: a revocation is kept as long
/// as the session, and must not end before the token does.
fn report(principal: &Principal, token_issuer: &Issuer) -> SessionReport {
    SessionReport {
        session_id: None,
        user_id: principal.user_id.to_string(),
        username: Some(principal.username.to_string()),
        issuer: principal.identity_issuer.to_string(),
        token_issuer: Some(token_issuer.issuer.to_string()),
        subject: principal.subject.as_deref().map(str::to_owned),
        client_id: principal.client_id.as_deref().map(str::to_owned),
        scopes: principal.scopes.iter().map(str::to_owned).collect(),
        expires_at: principal.validity.end(token_issuer.leeway),
    }
}
