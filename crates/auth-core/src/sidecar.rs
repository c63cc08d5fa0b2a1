//! The calls to the sidecar `mcp-auth`: session lookups, reports of sightings, the revocation feed.

use std::time::Duration;

use crate::{
    bounded::DigestKey,
    config::Sessions,
    fetch::{Fetch, FetchId, Report, USER_AGENT},
    key_ring::FetchOutcome,
    mcp::session::McpSessions,
    revocation_feed::{FeedRead, RevocationFeed},
    session_book::SessionBook,
    time::UnixTime,
};

/// What the sidecar told, and what it is to be asked.
pub(crate) struct Sidecar {
    pub(crate) feed: RevocationFeed,
    pub(crate) book: SessionBook,
    pub(crate) deny_on_feed_loss: bool,
    cluster: String,
    authorization: Option<String>,
    tick_period: Duration,
    /// Whether the last call about a session failed: an outage is said once.
    failing: bool,
}

impl Sidecar {
    pub(crate) fn new(sessions: &Sessions, digest_key: DigestKey) -> Self {
        Self {
            feed: RevocationFeed::new(sessions),
            book: SessionBook::new(sessions, digest_key),
            deny_on_feed_loss: sessions.deny_on_feed_loss,
            cluster: sessions.cluster.clone(),
            authorization: sessions.token.header(),
            tick_period: sessions.revocations,
            failing: false,
        }
    }

    pub(crate) fn is_due(&self, mcp_sessions: &McpSessions, now: UnixTime) -> bool {
        self.feed.is_due(now) || self.book.is_due() || mcp_sessions.is_due()
    }

    /// The calls to make now.
    pub(crate) fn due(&mut self, mcp_sessions: &mut McpSessions, now: UnixTime) -> Vec<Fetch> {
        let mut due = Vec::new();
        if let Some((path, timeout)) = self.feed.begin_read(now) {
            due.push(Fetch { timeout, ..self.call(FetchId::Revocations, "GET", path, None) });
        }
        for id in [self.book.lookups.begin(now), mcp_sessions.lookups.begin(now)].concat() {
            let path = match &id {
                FetchId::Session(id) => format!("/v1/sessions/{id}"),
                FetchId::McpSession(key) => format!("/v1/mcp-sessions/{key}"),
                FetchId::Keys(_)
                | FetchId::Report(_)
                | FetchId::Revocations
                | FetchId::McpSessionClaim(_) => continue,
            };
            due.push(self.call(id, "GET", path, None));
        }
        for (key, binding) in mcp_sessions.take_untold() {
            let path = format!("/v1/mcp-sessions/{key}");
            let body = serde_json::to_string(&binding).expect("a text serialises");
            due.push(self.call(FetchId::McpSessionClaim(key), "PUT", path, Some(body)));
        }
        for (id, report) in self.book.take_reports() {
            let path = format!("/v1/sessions/{id}");
            let body = serde_json::to_string(&report).expect("a report of strings serialises");
            due.push(self.call(FetchId::Report(id), "PUT", path, Some(body)));
        }
        due
    }

    /// Takes the outcome of a call.
    pub(crate) fn fetched(
        &mut self,
        id: &FetchId,
        outcome: FetchOutcome,
        mcp_sessions: &mut McpSessions,
        now: UnixTime,
    ) -> Report {
        match id {
            FetchId::Keys(_) => Report::Nothing,
            FetchId::Revocations => match self.feed.accept(outcome, now) {
                FeedRead::Ordinary => Report::Nothing,
                read => Report::Feed(read),
            },
            FetchId::Session(id) => {
                let accepted = self.book.accept(id, outcome, now);
                self.note(accepted)
            }
            FetchId::Report(_) => self.note(reported(&outcome)),
            FetchId::McpSession(key) => self.note(mcp_sessions.looked_up(key, outcome, now)),
            FetchId::McpSessionClaim(key) => self.note(mcp_sessions.told(key, &outcome, now)),
        }
    }

    fn note(&mut self, result: Result<(), String>) -> Report {
        match result {
            Ok(()) => {
                self.failing = false;
                Report::Nothing
            }
            Err(why) => {
                let first = !std::mem::replace(&mut self.failing, true);
                Report::SessionFailed { why, first }
            }
        }
    }

    /// How often the feed is read.
    pub(crate) fn tick_period(&self) -> Duration {
        self.tick_period
    }

    fn call(&self, id: FetchId, method: &str, path: String, body: Option<String>) -> Fetch {
        let mut headers = vec![
            (":method", method.to_owned()),
            (":scheme", "http".to_owned()),
            (":authority", "mcp-auth".to_owned()),
            (":path", path),
            ("accept", "application/json".to_owned()),
            ("user-agent", USER_AGENT.to_owned()),
        ];
        if let Some(authorization) = &self.authorization {
            headers.push(("authorization", authorization.clone()));
        }
        if body.is_some() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        Fetch { id, cluster: self.cluster.clone(), headers, body, timeout: self.book.timeout }
    }
}

/// A session that is revoked or somebody else's (409) is the sidecar's to know; the feed tells.
fn reported(outcome: &FetchOutcome) -> Result<(), String> {
    match outcome {
        FetchOutcome::Answered { status: 200 | 201 | 409, .. } => Ok(()),
        FetchOutcome::Answered { status, .. } => Err(format!("status {status}")),
        FetchOutcome::Unanswered(why) => Err((*why).to_owned()),
    }
}
