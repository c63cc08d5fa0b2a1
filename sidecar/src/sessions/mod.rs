//! The rules of sessions and revocations: the one place that decides what may become of them.
//!
//! A rule reads, decides and swaps; if somebody was quicker it begins anew. A revocation is
//! published in the feed before the record says so: what is cut short in between refuses too
//! much rather than too little, was never acknowledged, and is made whole by asking again.

pub mod cursor;
mod report;

use std::{sync::Arc, time::Duration};

use auth_core::{
    revocation::{Revocation, RevocationPage},
    session::{KnownSession, Session, SessionReport},
    session_id::SessionId,
    time::UnixTime,
};

use self::cursor::Unreadable;
pub use self::report::{Unusable, is_identifier};
use crate::{
    config::Config,
    store::{
        FeedRead, Holder, Store, StoreFailure, Stored, Swap,
        record::{Position, Record},
    },
};

/// The most entries one page of the feed has, and the most sessions one page of a listing.
pub const PAGE: usize = 1000;
/// How often a change begins anew because somebody was quicker.
const ATTEMPTS: u32 = 50;

/// Sessions and revocations over a store.
#[derive(Clone)]
pub struct Sessions {
    store: Arc<dyn Store>,
    revocation_ttl: Duration,
    /// Of the access tokens that are issued here. The others' are not known to end within
    /// `revocation_ttl`.
    own_issuer: Option<String>,
}

/// One page of a listing.
#[derive(Debug)]
pub struct Listing {
    /// Newest first, revoked ones too.
    pub sessions: Vec<Session>,
    /// Where the next page begins, if there is one.
    pub next_cursor: Option<String>,
}

/// Why a session is not recorded.
#[derive(Debug, thiserror::Error)]
pub enum NotRecorded {
    /// The report itself.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// It belongs to somebody else.
    #[error("the session is recorded with another {0}")]
    Another(&'static str),
    /// It was revoked.
    #[error("the session is revoked")]
    Revoked,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreFailure),
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum NoPage {
    /// The cursor is not one of ours.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The cursor was good once.
    #[error("the cursor is too old or of a lost store: start again without one")]
    Gone,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreFailure),
}

impl Sessions {
    /// `revocation_ttl`: how long revocations of users, clients and unseen sessions are kept.
    pub fn new(store: Arc<dyn Store>, revocation_ttl: Duration) -> Self {
        Self { store, revocation_ttl, own_issuer: None }
    }

    /// As configured.
    pub fn of(config: &Config, store: &Arc<dyn Store>) -> Self {
        let own_issuer = config.oauth.as_ref().map(|oauth| oauth.url.as_str().to_owned());
        Self { own_issuer, ..Self::new(Arc::clone(store), config.revocation_ttl) }
    }

    /// The session, unless it is unknown or has expired.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn get(&self, id: &SessionId) -> Result<Option<KnownSession>, StoreFailure> {
        Ok(self.store.session(id).await?.map(Record::into_known))
    }

    /// Records a session or refreshes it; tells whether it is new.
    ///
    /// # Errors
    /// [`NotRecorded`]; the recorded session is then as it was.
    pub async fn put(
        &self,
        id: &SessionId,
        report: SessionReport,
    ) -> Result<(Session, bool), NotRecorded> {
        report::check(id, &report)?;
        for attempt in 0..ATTEMPTS {
            let (now, there) = self.store.session_to_swap(id).await?;
            let session = recorded(id, &report, there.as_ref().map(|it| &it.record), now)?;
            let is_new = there.is_none();
            if self.swap(there, Record::Session(session.clone())).await? {
                return Ok((session, is_new));
            }
            stand_back(attempt).await;
        }
        Err(contended().into())
    }

    /// Revokes a session, seen or not. Revoking it again names it in the feed for longer, and again
    /// where it was not named: when all of its user was revoked, or the feed was lost.
    ///
    /// # Errors
    /// If the store fails; the session may then be revoked or not.
    pub async fn revoke(&self, id: &SessionId) -> Result<(), StoreFailure> {
        for attempt in 0..ATTEMPTS {
            let (now, there) = self.store.session_to_swap(id).await?;
            let unseen = |revoked_at| Record::Unseen {
                session_id: id.clone(),
                revoked_at,
                expires_at: whole(now + self.revocation_ttl),
            };
            let record = match there.as_ref().map(|it| &it.record) {
                Some(Record::Unseen { revoked_at, .. }) => unseen(*revoked_at),
                Some(record) if record.revoked_at().is_some() => record.clone(),
                Some(record) => revoked(record, now),
                None => unseen(whole(now)),
            };
            let expires_at = self.last_token_ends(&record, now);
            let entry = Revocation::Session { session_id: id.clone(), expires_at };
            self.store.publish(&entry).await?;
            if self.swap(there, record).await? {
                return Ok(());
            }
            stand_back(attempt).await;
        }
        Err(contended())
    }

    /// A login of ours outlives its access tokens by weeks. Who looks it up is told to its end that
    /// it is revoked; the feed need not tell everybody so long. What others issue is recorded as it
    /// is seen: a later token of the same session may live for longer.
    fn last_token_ends(&self, record: &Record, now: UnixTime) -> UnixTime {
        let issuer = record.session().and_then(|session| session.token_issuer.as_ref());
        let longest = whole(now + self.revocation_ttl);
        match issuer.is_some() && issuer == self.own_issuer.as_ref() {
            true => record.expires_at().min(longest),
            false => record.expires_at().max(longest),
        }
    }

    /// Revokes every token of the holder that was issued up to this second, and all sessions.
    /// Tells how many sessions were not revoked before.
    ///
    /// # Errors
    /// If the store fails; some of it may then have happened.
    pub async fn revoke_all(&self, holder: &Holder) -> Result<usize, StoreFailure> {
        let now = self.store.now().await?;
        self.store.publish(&self.entry(holder, now)).await?;
        let (mut count, mut after): (usize, Option<Position>) = (0, None);
        loop {
            let page = self.store.list_sessions(Some(holder), after.as_ref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            after = page.last().and_then(|it| it.record.session()).map(Position::of);
            count += self.revoke_these(page, now).await?;
            if is_last {
                return Ok(count);
            }
        }
    }

    /// One page of all sessions, or of those of a holder.
    ///
    /// # Errors
    /// [`NoPage::Unreadable`] or [`NoPage::Store`].
    pub async fn list(
        &self,
        holder: Option<&Holder>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Listing, NoPage> {
        let after = cursor.map(cursor::read_position).transpose()?;
        let mut found = self.store.list_sessions(holder, after.as_ref(), limit + 1).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let sessions: Vec<Session> =
            found.iter().filter_map(|it| it.record.session()).cloned().collect();
        let last = sessions.last().filter(|_| more).map(Position::of);
        Ok(Listing { next_cursor: last.as_ref().map(cursor::write_position), sessions })
    }

    /// One page of the feed, from the start without a cursor.
    ///
    /// # Errors
    /// [`NoPage`].
    pub async fn revocations(&self, cursor: Option<&str>) -> Result<RevocationPage, NoPage> {
        let after = cursor.map(cursor::read_feed).transpose()?;
        match self.store.read_feed(after.as_ref(), PAGE).await? {
            FeedRead::Gone => Err(NoPage::Gone),
            FeedRead::Page { entries, cursor, more } => {
                Ok(RevocationPage { cursor: cursor::write_feed(&cursor), more, entries })
            }
        }
    }

    /// The second up to which everything of the user or the client is revoked.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn revoked_up_to(
        &self,
        user_id: &str,
        client_id: &str,
    ) -> Result<Option<UnixTime>, StoreFailure> {
        let user = self.store.issued_before(&Holder::User(user_id.to_owned())).await?;
        let client = self.store.issued_before(&Holder::Client(client_id.to_owned())).await?;
        Ok(user.max(client))
    }

    /// The second to stamp on a token that is issued now. After a revocation of the user or the
    /// client it waits for the next second, so that a new login is never dead on arrival.
    ///
    /// # Errors
    /// If the store fails; then nothing may be issued.
    pub async fn time_to_issue(
        &self,
        user_id: &str,
        client_id: &str,
    ) -> Result<UnixTime, StoreFailure> {
        let dead = self.revoked_up_to(user_id, client_id).await?;
        loop {
            let now = self.store.now().await?;
            match dead {
                Some(dead) if now.secs() <= dead.secs() => {
                    let next = UnixTime::from_secs(now.secs() + 1);
                    tokio::time::sleep(now.until(next)).await;
                }
                _ => return Ok(whole(now)),
            }
        }
    }

    fn entry(&self, holder: &Holder, now: UnixTime) -> Revocation {
        let (issued_before, expires_at) = (whole(now), whole(now + self.revocation_ttl));
        match holder.clone() {
            Holder::User(user_id) => Revocation::User { user_id, issued_before, expires_at },
            Holder::Client(client_id) => {
                Revocation::Client { client_id, issued_before, expires_at }
            }
        }
    }

    /// Leaves out those that began after the second of the revocation.
    async fn revoke_these(&self, page: Vec<Stored>, now: UnixTime) -> Result<usize, StoreFailure> {
        let is_hit = |record: &Record| {
            let began = record.session().map(|session| session.created_at.secs());
            record.revoked_at().is_none() && began.is_some_and(|began| began <= now.secs())
        };
        let swaps: Vec<Swap> = page
            .into_iter()
            .filter(|it| is_hit(&it.record))
            .map(|it| Swap { new: revoked(&it.record, now), expected: Some(it) })
            .collect();
        let ids: Vec<SessionId> = swaps.iter().map(|swap| swap.new.id().clone()).collect();
        let swapped = self.store.swap_sessions(swaps).await?;
        for (id, _) in ids.iter().zip(&swapped).filter(|(_, swapped)| !**swapped) {
            // Somebody refreshed or revoked it meanwhile.
            self.revoke(id).await?;
        }
        Ok(ids.len())
    }

    async fn swap(&self, expected: Option<Stored>, new: Record) -> Result<bool, StoreFailure> {
        Ok(self.store.swap_sessions(vec![Swap { expected, new }]).await? == [true])
    }
}

/// What a report makes of what is there.
fn recorded(
    id: &SessionId,
    report: &SessionReport,
    there: Option<&Record>,
    now: UnixTime,
) -> Result<Session, NotRecorded> {
    if report.expires_at.secs() <= now.secs() {
        return Err(Unusable::Expired.into());
    }
    if there.is_some_and(|record| record.revoked_at().is_some()) {
        return Err(NotRecorded::Revoked);
    }
    let before = there.and_then(Record::session);
    if before.is_some_and(|before| before.user_id != report.user_id) {
        return Err(NotRecorded::Another("user_id"));
    }
    if before.is_some_and(|before| before.issuer != report.issuer) {
        return Err(NotRecorded::Another("issuer"));
    }
    let report = report.clone();
    Ok(Session {
        session_id: id.clone(),
        user_id: report.user_id,
        username: report.username,
        issuer: report.issuer,
        token_issuer: report.token_issuer,
        subject: report.subject,
        client_id: report.client_id,
        scopes: report.scopes,
        created_at: before.map_or(whole(now), |before| before.created_at),
        last_seen_at: whole(now),
        expires_at: report.expires_at,
        revoked_at: None,
    })
}

fn revoked(record: &Record, now: UnixTime) -> Record {
    let mut record = record.clone();
    if let Record::Session(session) = &mut record {
        session.revoked_at = Some(whole(now));
    }
    record
}

/// Sessions are kept in whole seconds, as they are told.
fn whole(time: UnixTime) -> UnixTime {
    UnixTime::from_secs(time.secs())
}

async fn stand_back(attempt: u32) {
    let millis = rand::random::<u64>() % u64::from(1 + attempt.min(20));
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

fn contended() -> StoreFailure {
    StoreFailure::Broken("too many change this session at once".to_owned())
}

#[cfg(test)]
mod tests;
