//! The revocation feed of the sidecar: what it has named so far, when it is read next, and whether
//! it has been silent for too long.

use std::{collections::HashMap, time::Duration};

use crate::{
    config::Sessions,
    denial::Denial,
    json,
    key_ring::FetchOutcome,
    principal::Principal,
    revocation::{Revocation, RevocationPage},
    time::UnixTime,
};

/// Entries held at most. A page that would grow the set past this is not taken, and counts as one
/// that could not be read.
const MOST_ENTRIES: usize = 500_000;
/// How often entries that can hit no living token are dropped.
const SWEEP: Duration = Duration::from_secs(10);
/// How long after its timeout a read is taken for lost, if the host never calls back.
const GRACE: Duration = Duration::from_secs(1);

/// The feed and what it has named.
pub(crate) struct RevocationFeed {
    interval: Duration,
    timeout: Duration,
    loss_after: Duration,
    cursor: Option<String>,
    next: UnixTime,
    in_flight_until: Option<UnixTime>,
    /// When it was last read; at first, when it was first to be read.
    last_read: Option<UnixTime>,
    failing: bool,
    lost: bool,
    revoked: Revoked,
    next_sweep: UnixTime,
}

/// Who is revoked.
#[derive(Default)]
struct Revoked {
    sessions: HashMap<String, UnixTime>,
    users: HashMap<String, Bar>,
    clients: HashMap<String, Bar>,
}

/// Tokens issued at or before a time are refused.
struct Bar {
    issued_before: UnixTime,
    expires_at: UnixTime,
}

/// What a read of the feed brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedRead {
    /// It was read, as the last time.
    Ordinary,
    /// It was read, after a loss.
    Restored,
    /// It could not be read for the first time since it was.
    Failed(String),
    /// It could not be read, and `feed_loss_after` has passed: the feed is lost.
    Lost(String),
    /// It could still not be read.
    StillFailing,
}

impl RevocationFeed {
    pub(crate) fn new(sessions: &Sessions) -> Self {
        Self {
            interval: sessions.revocations,
            timeout: sessions.timeout.max(Duration::from_secs(1)),
            loss_after: sessions.feed_loss_after,
            cursor: None,
            next: UnixTime::default(),
            in_flight_until: None,
            last_read: None,
            failing: false,
            lost: false,
            revoked: Revoked::default(),
            next_sweep: UnixTime::default(),
        }
    }

    /// Whether the feed is to be read now.
    pub(crate) fn is_due(&self, now: UnixTime) -> bool {
        self.next <= now && self.in_flight_until.is_none_or(|until| until <= now)
    }

    /// The path of the read to be made now, if any, which then counts as under way. The next one is
    /// due a little before the interval has passed, so that a tick of the same pace never misses it.
    pub(crate) fn begin_read(&mut self, now: UnixTime) -> Option<(String, Duration)> {
        if !self.is_due(now) {
            return None;
        }
        self.last_read.get_or_insert(now);
        self.next = now + self.interval * 9 / 10;
        self.in_flight_until = Some(now + self.timeout + GRACE);
        let path = match &self.cursor {
            None => "/v1/revocations".to_owned(),
            Some(cursor) => format!("/v1/revocations?after={}", query_encoded(cursor)),
        };
        Some((path, self.timeout))
    }

    /// Takes the outcome of a read. What was named before stays whatever happened.
    pub(crate) fn accept(&mut self, outcome: FetchOutcome, now: UnixTime) -> FeedRead {
        self.in_flight_until = None;
        if self.next_sweep <= now {
            self.revoked.drop_expired(now);
            self.next_sweep = now + SWEEP;
        }
        let page = match read(outcome) {
            Ok(Some(page)) if self.len() + self.revoked.missing(&page.entries) > MOST_ENTRIES => {
                return self.failed(format!("it names more than {MOST_ENTRIES} entries"), now);
            }
            Ok(Some(page)) => page,
            Ok(None) => {
                self.cursor = None;
                self.next = now;
                return FeedRead::Ordinary;
            }
            Err(why) => return self.failed(why, now),
        };
        page.entries.into_iter().for_each(|entry| self.revoked.add(entry));
        self.cursor = Some(page.cursor);
        if page.more {
            self.next = now;
        }
        self.last_read = Some(now);
        self.failing = false;
        match std::mem::take(&mut self.lost) {
            true => FeedRead::Restored,
            false => FeedRead::Ordinary,
        }
    }

    /// Whether the feed has been unreadable for `feed_loss_after`.
    pub(crate) fn is_lost(&self, now: UnixTime) -> bool {
        self.last_read.is_some_and(|last| last + self.loss_after <= now)
    }

    /// How many entries are held.
    pub(crate) fn len(&self) -> usize {
        self.revoked.sessions.len() + self.revoked.users.len() + self.revoked.clients.len()
    }

    /// Whether the feed names the principal's session, or its user or client for tokens as old.
    pub(crate) fn check(&self, principal: &Principal) -> Result<(), Denial> {
        let issued = principal.validity.iat.map(UnixTime::from_secs);
        let barred = |bar: Option<&Bar>| {
            bar.is_some_and(|bar| issued.is_none_or(|issued| issued <= bar.issued_before))
        };
        let revoked = self.revoked.sessions.contains_key(principal.session_id.as_str())
            || barred(self.revoked.users.get(principal.user_id.as_str()))
            || principal
                .client_id
                .as_ref()
                .is_some_and(|client| barred(self.revoked.clients.get(&**client)));
        if revoked { Err(Denial::SessionRevoked) } else { Ok(()) }
    }

    fn failed(&mut self, why: String, now: UnixTime) -> FeedRead {
        let first = !std::mem::replace(&mut self.failing, true);
        if self.is_lost(now) && !std::mem::replace(&mut self.lost, true) {
            return FeedRead::Lost(why);
        }
        if first { FeedRead::Failed(why) } else { FeedRead::StillFailing }
    }
}

impl Revoked {
    /// How many of these are not named yet.
    fn missing(&self, entries: &[Revocation]) -> usize {
        let is_named = |entry: &&Revocation| match entry {
            Revocation::Session { session_id, .. } => {
                self.sessions.contains_key(session_id.as_str())
            }
            Revocation::User { user_id, .. } => self.users.contains_key(user_id),
            Revocation::Client { client_id, .. } => self.clients.contains_key(client_id),
        };
        entries.iter().filter(|entry| !is_named(entry)).count()
    }

    fn add(&mut self, entry: Revocation) {
        match entry {
            Revocation::Session { session_id, expires_at } => {
                let end = self.sessions.entry(session_id.as_str().to_owned()).or_default();
                *end = (*end).max(expires_at);
            }
            Revocation::User { user_id, issued_before, expires_at } => {
                Bar::raise(&mut self.users, user_id, issued_before, expires_at);
            }
            Revocation::Client { client_id, issued_before, expires_at } => {
                Bar::raise(&mut self.clients, client_id, issued_before, expires_at);
            }
        }
    }

    fn drop_expired(&mut self, now: UnixTime) {
        self.sessions.retain(|_, end| *end > now);
        self.users.retain(|_, bar| bar.expires_at > now);
        self.clients.retain(|_, bar| bar.expires_at > now);
    }
}

impl Bar {
    fn raise(
        bars: &mut HashMap<String, Self>,
        name: String,
        issued_before: UnixTime,
        expires_at: UnixTime,
    ) {
        let bar = bars.entry(name).or_insert(Self { issued_before, expires_at });
        bar.issued_before = bar.issued_before.max(issued_before);
        bar.expires_at = bar.expires_at.max(expires_at);
    }
}

/// The page; nothing if the cursor is not known any more and the feed is to be read from its start.
fn read(outcome: FetchOutcome) -> Result<Option<RevocationPage>, String> {
    match outcome {
        FetchOutcome::Unanswered(why) => Err(why.to_owned()),
        FetchOutcome::Answered { status: 410, .. } => Ok(None),
        FetchOutcome::Answered { status: 200, body } => {
            json::read_as(&body).map(Some).map_err(|why| format!("not a page: {why}"))
        }
        FetchOutcome::Answered { status, .. } => Err(format!("status {status}")),
    }
}

fn query_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const CONFIG: &[u8] = br#"{
        "issuers": [{
            "issuer": "https://idp.example/", "session": "required",
            "jwks": {"uri": "https://idp.example/jwks.json", "cluster": "idp"}
        }],
        "resources": [{"path": "/mcp", "resource": "https://mcp.example.com/mcp"}],
        "sessions": {"cluster": "mcp-auth"}
    }"#;
    const NOW: UnixTime = UnixTime::from_secs(1_790_000_000);
    const LATER: UnixTime = UnixTime::from_secs(1_790_000_060);

    /// As many sessions as are held, all of which end at [`LATER`].
    fn full() -> RevocationFeed {
        let config = Config::parse(CONFIG).expect("it is valid");
        let mut feed = RevocationFeed::new(config.sessions.as_ref().expect("it has a sidecar"));
        let ids = (0..MOST_ENTRIES).map(|nth| (format!("session-{nth:09}"), LATER));
        feed.revoked.sessions.extend(ids);
        feed
    }

    fn page(id: &str) -> FetchOutcome {
        let body = format!(
            r#"{{"cursor":"c","more":false,"entries":[{{"session_id":"{id}","expires_at":1800000000}}]}}"#
        );
        FetchOutcome::Answered { status: 200, body: body.into_bytes() }
    }

    #[test]
    fn a_full_feed_takes_no_more_until_entries_have_expired() {
        let mut feed = full();
        assert!(matches!(feed.accept(page("session-of-a-new-one"), NOW), FeedRead::Failed(_)));
        assert_eq!(feed.accept(page("session-of-a-new-one"), LATER), FeedRead::Ordinary);
        assert_eq!(feed.len(), 1);
    }

    #[test]
    fn a_full_feed_takes_what_it_has_already() {
        let mut feed = full();
        assert_eq!(feed.accept(page("session-000000007"), NOW), FeedRead::Ordinary);
        assert_eq!(feed.len(), MOST_ENTRIES);
    }
}
