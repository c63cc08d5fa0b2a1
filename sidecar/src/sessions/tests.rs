//! The rules, over an embedded store whose clock stands still until it is moved.

use std::{sync::Arc, time::Duration};

use auth_core::{
    revocation::Revocation,
    session::{KnownSession, SessionReport},
    session_id::SessionId,
    time::UnixTime,
};

use super::{NotRecorded, Sessions, Unusable};
use crate::{
    clock::Clock,
    store::{Holder, embedded::EmbeddedStore},
};

const NOW: u64 = 1_790_000_000;

#[tokio::test]
async fn a_session_keeps_its_beginning_when_it_is_refreshed() {
    let (sessions, clock, _folder) = sessions();
    let (first, is_new) = sessions.put(&id(1), report("alice", 100)).await.unwrap();
    assert!(is_new);
    clock.advance_secs(10);
    let (second, is_new) = sessions.put(&id(1), report("alice", 200)).await.unwrap();
    assert!(!is_new);
    assert_eq!(second.created_at, first.created_at);
    assert_eq!(second.last_seen_at, UnixTime::from_secs(NOW + 10));
    assert_eq!(second.expires_at, UnixTime::from_secs(NOW + 200));
}

#[tokio::test]
async fn a_session_of_somebody_else_is_not_taken_over() {
    let (sessions, _clock, _folder) = sessions();
    sessions.put(&id(1), report("alice", 100)).await.unwrap();
    let refused = sessions.put(&id(1), report("mallory", 100)).await.unwrap_err();
    assert!(matches!(refused, NotRecorded::Another("user_id")));
    let other = SessionReport { issuer: "https://other/".to_owned(), ..report("alice", 100) };
    let refused = sessions.put(&id(1), other).await.unwrap_err();
    assert!(matches!(refused, NotRecorded::Another("issuer")));
}

#[tokio::test]
async fn a_revoked_session_stays_revoked_until_it_has_expired() {
    let (sessions, clock, _folder) = sessions();
    sessions.put(&id(1), report("alice", 100)).await.unwrap();
    sessions.revoke(&id(1)).await.unwrap();
    clock.advance_secs(5);
    sessions.revoke(&id(1)).await.unwrap();
    let refused = sessions.put(&id(1), report("alice", 200)).await.unwrap_err();
    assert!(matches!(refused, NotRecorded::Revoked));
    let known = sessions.get(&id(1)).await.unwrap().unwrap();
    assert_eq!(known.revoked_at(), Some(UnixTime::from_secs(NOW)));
    assert_eq!(entries(&sessions).await.len(), 1);
    clock.advance_secs(95);
    assert_eq!(sessions.get(&id(1)).await.unwrap(), None);
    assert!(entries(&sessions).await.is_empty());
}

#[tokio::test]
async fn the_feed_names_a_session_for_as_long_as_a_later_token_of_it_may_live() {
    let (sessions, clock, _folder) = sessions();
    sessions.put(&id(1), report("alice", 10)).await.unwrap();
    sessions.revoke(&id(1)).await.unwrap();
    clock.advance_secs(59);
    assert_eq!(entries(&sessions).await.len(), 1, "a token of 30 s, issued after the report");
    clock.advance_secs(1);
    assert!(entries(&sessions).await.is_empty());
}

#[tokio::test]
async fn a_session_is_named_though_its_user_was_revoked_before() {
    let (sessions, _clock, _folder) = sessions();
    sessions.put(&id(1), report("alice", 100)).await.unwrap();
    sessions.revoke_all(&Holder::User("alice".to_owned())).await.unwrap();
    sessions.revoke(&id(1)).await.unwrap();
    let Some(Revocation::Session { session_id, .. }) = entries(&sessions).await.pop() else {
        panic!("a token that was issued after the user's revocation belongs to the session");
    };
    assert_eq!(session_id, id(1));
}

#[tokio::test]
async fn the_revocation_of_a_session_unseen_is_renewed() {
    let (sessions, clock, _folder) = sessions();
    sessions.revoke(&id(1)).await.unwrap();
    clock.advance_secs(59);
    sessions.revoke(&id(1)).await.unwrap();
    clock.advance_secs(59);
    let known = sessions.get(&id(1)).await.unwrap().unwrap();
    assert_eq!(known.revoked_at(), Some(UnixTime::from_secs(NOW)));
    assert_eq!(entries(&sessions).await.len(), 1);
    clock.advance_secs(1);
    assert_eq!(sessions.get(&id(1)).await.unwrap(), None);
    assert!(entries(&sessions).await.is_empty());
}

#[tokio::test]
async fn the_feed_names_a_login_of_ours_for_no_longer_than_its_tokens_live() {
    let (sessions, clock, _folder) = sessions();
    let ours = "https://auth.example.com".to_owned();
    let sessions = Sessions { own_issuer: Some(ours.clone()), ..sessions };
    let long = |token_issuer| SessionReport { token_issuer, ..report("alice", 30 * 24 * 3600) };
    sessions.put(&id(1), long(Some(ours))).await.unwrap();
    sessions.put(&id(2), long(None)).await.unwrap();
    sessions.revoke(&id(1)).await.unwrap();
    sessions.revoke(&id(2)).await.unwrap();
    clock.advance_secs(59);
    assert_eq!(entries(&sessions).await.len(), 2);
    clock.advance_secs(1);
    let [Revocation::Session { session_id, .. }] = &*entries(&sessions).await else {
        panic!("the other's tokens may live for as long as its session");
    };
    assert_eq!(*session_id, id(2));
    let known = sessions.get(&id(1)).await.unwrap().unwrap();
    assert_eq!(known.revoked_at(), Some(UnixTime::from_secs(NOW)), "who asks is told");
}

#[tokio::test]
async fn a_session_can_be_revoked_before_it_is_seen() {
    let (sessions, clock, _folder) = sessions();
    sessions.revoke(&id(1)).await.unwrap();
    let known = sessions.get(&id(1)).await.unwrap().unwrap();
    assert!(matches!(known, KnownSession::RevokedUnseen { .. }));
    assert!(matches!(
        sessions.put(&id(1), report("alice", 100)).await.unwrap_err(),
        NotRecorded::Revoked
    ));
    clock.advance_secs(60);
    assert_eq!(sessions.get(&id(1)).await.unwrap(), None);
}

#[tokio::test]
async fn revoking_a_user_hits_all_sessions_and_the_second_itself() {
    let (sessions, _clock, _folder) = sessions();
    for number in 1..=3 {
        sessions.put(&id(number), report("alice", 100)).await.unwrap();
    }
    sessions.put(&id(4), report("bob", 100)).await.unwrap();
    sessions.revoke(&id(1)).await.unwrap();
    let alice = Holder::User("alice".to_owned());
    assert_eq!(sessions.revoke_all(&alice).await.unwrap(), 2, "one was revoked before");
    assert_eq!(sessions.revoke_all(&alice).await.unwrap(), 0);
    assert_eq!(sessions.get(&id(4)).await.unwrap().unwrap().revoked_at(), None);
    let entry = Revocation::User {
        user_id: "alice".to_owned(),
        issued_before: UnixTime::from_secs(NOW),
        expires_at: UnixTime::from_secs(NOW + 60),
    };
    assert_eq!(entries(&sessions).await.last(), Some(&entry));
}

#[tokio::test]
async fn nothing_is_issued_in_the_second_of_a_revocation() {
    let (sessions, clock, _folder) = sessions();
    sessions.revoke_all(&Holder::User("alice".to_owned())).await.unwrap();
    let bob = sessions.time_to_issue("bob", "client").await.unwrap();
    assert_eq!(bob, UnixTime::from_secs(NOW));
    let waiting = tokio::spawn({
        let sessions = sessions.clone();
        async move { sessions.time_to_issue("alice", "client").await.unwrap() }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    clock.advance_secs(1);
    assert_eq!(waiting.await.unwrap(), UnixTime::from_secs(NOW + 1));
}

#[tokio::test]
async fn reports_that_name_nobody_or_are_over_are_refused() {
    let (sessions, _clock, _folder) = sessions();
    let unnamed = SessionReport { client_id: Some(String::new()), ..report("alice", 100) };
    let elsewhere = SessionReport { session_id: Some(id(2)), ..report("alice", 100) };
    for (report, reason) in [
        (report("", 100), Unusable::Identifier("user_id")),
        (report("a\nb", 100), Unusable::Identifier("user_id")),
        (unnamed, Unusable::Identifier("client_id")),
        (elsewhere, Unusable::AnotherId),
        (report("alice", 0), Unusable::Expired),
    ] {
        match sessions.put(&id(1), report).await.unwrap_err() {
            NotRecorded::Unusable(unusable) => assert_eq!(unusable, reason),
            other => panic!("{other}"),
        }
    }
}

async fn entries(sessions: &Sessions) -> Vec<Revocation> {
    sessions.revocations(None).await.unwrap().entries
}

fn sessions() -> (Sessions, Clock, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::standing_at(UnixTime::from_secs(NOW));
    let store = EmbeddedStore::open(folder.path(), clock.clone()).unwrap();
    (Sessions::new(Arc::new(store), Duration::from_secs(60)), clock, folder)
}

fn id(number: u64) -> SessionId {
    SessionId::parse(&format!("{number:04}-0123456789abcdef")).unwrap()
}

fn report(user: &str, secs: u64) -> SessionReport {
    SessionReport {
        session_id: None,
        user_id: user.to_owned(),
        username: None,
        issuer: "https://idp/".to_owned(),
        token_issuer: None,
        subject: None,
        client_id: Some("client".to_owned()),
        scopes: vec![],
        expires_at: UnixTime::from_secs(NOW + secs),
    }
}
