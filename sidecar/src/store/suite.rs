//! What every store must do, run on each of them by [`for_store`].

pub(crate) mod followers;
mod values;

use std::{sync::Arc, time::Duration};

use auth_core::{revocation::Revocation, session::Session, session_id::SessionId, time::UnixTime};

use super::{
    Change, FeedCursor, FeedRead, Holder, Store, Stored, Swap, Update,
    record::{Position, Record},
};

pub(crate) use self::values::{
    a_value_expires, a_value_is_put_only_if_all_conditions_hold, a_value_is_taken_once,
    a_value_that_is_replaced_lives_no_longer, every_value_is_found_by_going_through_them,
    of_many_who_swap_one_value_one_wins,
};

/// Makes a test of every function below, each with a store of its own. The expression gives the
/// store and whatever must live as long.
macro_rules! for_store {
    ($new:expr) => {
        $crate::store::suite::for_store!($new;
            a_session_is_written_only_over_what_was_read,
            a_session_is_listed_by_age_user_and_client,
            a_listing_goes_on_where_it_ended,
            a_session_that_changes_its_client_changes_lists,
            an_expired_session_is_gone_at_once,
            a_session_recorded_anew_is_listed_once,
            many_swaps_answer_in_order,
            a_revocation_unseen_is_found_but_not_listed,
            the_feed_is_read_in_order_and_in_pages,
            a_subject_published_again_moves_to_the_end,
            an_entry_never_expires_sooner_than_published,
            an_entry_never_reaches_less_far_than_published,
            a_cursor_is_too_old_once_an_unread_entry_was_dropped,
            a_drop_in_the_middle_of_the_pages_sends_nobody_back,
            a_cursor_of_another_store_is_refused,
            the_second_of_a_revocation_can_be_looked_up,
            no_reader_misses_what_many_writers_publish,
            a_value_is_put_only_if_all_conditions_hold,
            a_value_is_taken_once,
            of_many_who_swap_one_value_one_wins,
            a_value_expires,
            a_value_that_is_replaced_lives_no_longer,
            every_value_is_found_by_going_through_them,
        );
        $crate::store::suite::for_store!($new => properties:
            no_follower_misses_a_live_entry,
            no_follower_misses_what_many_write,
        );
    };
    ($new:expr => properties: $($test:ident,)*) => {
        $(
            #[test]
            fn $test() {
                $crate::store::suite::followers::$test(async || {
                    let (store, guard) = $new;
                    $crate::store::suite::followers::kept(store, guard)
                });
            }
        )*
    };
    ($new:expr; $($test:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let (store, _guard) = $new;
                $crate::store::suite::$test(std::sync::Arc::new(store)).await;
            }
        )*
    };
}
pub(crate) use for_store;

/// Any store.
pub(crate) type AnyStore = Arc<dyn Store>;

pub(crate) async fn a_session_is_written_only_over_what_was_read(store: AnyStore) {
    let (now, nothing) = store.session_to_swap(&id(1)).await.unwrap();
    assert!(nothing.is_none());
    let first = session(1, "alice", now);
    assert!(put(&*store, None, &first).await);
    assert!(!put(&*store, None, &first).await, "there is one by now");
    let (_, read) = store.session_to_swap(&id(1)).await.unwrap();
    let second = Session { username: Some("Alice".to_owned()), ..first.clone() };
    assert!(put(&*store, read.clone(), &second).await);
    assert!(!put(&*store, read, &first).await, "it was read before the second");
    assert_eq!(store.session(&id(1)).await.unwrap(), Some(Record::Session(second)));
}

pub(crate) async fn a_session_is_listed_by_age_user_and_client(store: AnyStore) {
    let now = store.now().await.unwrap();
    for (number, user) in [(1, "alice"), (2, "bob"), (3, "alice")] {
        let created_at = UnixTime::from_secs(now.secs() + number);
        let session = Session { created_at, ..session(number, user, now) };
        assert!(put(&*store, None, &session).await);
    }
    assert_eq!(listed(&*store, None).await, [3, 2, 1]);
    assert_eq!(listed(&*store, Some(Holder::User("alice".to_owned()))).await, [3, 1]);
    assert!(listed(&*store, Some(Holder::User("alic".to_owned()))).await.is_empty());
    assert_eq!(listed(&*store, Some(Holder::Client("client".to_owned()))).await, [3, 2, 1]);
    assert!(listed(&*store, Some(Holder::Client("alice".to_owned()))).await.is_empty());
}

pub(crate) async fn a_listing_goes_on_where_it_ended(store: AnyStore) {
    let now = store.now().await.unwrap();
    for number in 1..=50 {
        assert!(put(&*store, None, &session(number, "alice", now)).await);
    }
    let (mut seen, mut after): (Vec<Position>, _) = (Vec::new(), None);
    loop {
        let page = store.list_sessions(None, after.as_ref(), 7).await.unwrap();
        seen.extend(page.iter().filter_map(|it| it.record.session()).map(Position::of));
        if page.len() < 7 {
            break;
        }
        after = seen.last().cloned();
    }
    assert_eq!(seen.len(), 50);
    assert!(seen.is_sorted_by(|one, other| one > other), "newest first, none twice");
}

pub(crate) async fn a_session_that_changes_its_client_changes_lists(store: AnyStore) {
    let now = store.now().await.unwrap();
    let before = session(1, "alice", now);
    assert!(put(&*store, None, &before).await);
    let (_, read) = store.session_to_swap(&id(1)).await.unwrap();
    let after = Session { client_id: Some("other".to_owned()), ..before };
    assert!(put(&*store, read, &after).await);
    assert!(listed(&*store, Some(Holder::Client("client".to_owned()))).await.is_empty());
    assert_eq!(listed(&*store, Some(Holder::Client("other".to_owned()))).await, [1]);
    assert_eq!(listed(&*store, None).await, [1]);
}

pub(crate) async fn an_expired_session_is_gone_at_once(store: AnyStore) {
    let now = store.now().await.unwrap();
    let short = Session { expires_at: in_secs(now, 1), ..session(1, "alice", now) };
    assert!(put(&*store, None, &short).await);
    assert!(put(&*store, None, &session(2, "alice", now)).await);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(store.session(&id(1)).await.unwrap(), None);
    assert_eq!(listed(&*store, None).await, [2]);
    assert_eq!(listed(&*store, Some(Holder::User("alice".to_owned()))).await, [2]);
    assert_eq!(store.sweep().await.unwrap(), 1);
    assert_eq!(store.sweep().await.unwrap(), 0);
    assert_eq!(listed(&*store, None).await, [2]);
    assert!(put(&*store, None, &session(1, "bob", now)).await, "the id is free again");
    assert_eq!(listed(&*store, Some(Holder::User("bob".to_owned()))).await, [1]);
}

pub(crate) async fn a_session_recorded_anew_is_listed_once(store: AnyStore) {
    let now = store.now().await.unwrap();
    let short = Session { expires_at: in_secs(now, 1), ..session(1, "alice", now) };
    assert!(put(&*store, None, &short).await);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(put(&*store, None, &session(1, "bob", in_secs(now, 1))).await);
    let of = |user: &str| Some(Holder::User(user.to_owned()));
    assert_eq!(listed(&*store, None).await, [1]);
    assert_eq!(listed(&*store, of("bob")).await, [1]);
    assert!(listed(&*store, of("alice")).await.is_empty(), "it is another's now");
}

pub(crate) async fn many_swaps_answer_in_order(store: AnyStore) {
    let now = store.now().await.unwrap();
    assert!(put(&*store, None, &session(2, "alice", now)).await);
    let swap = |number| Swap { expected: None, new: Record::Session(session(number, "bob", now)) };
    let swapped = store.swap_sessions(vec![swap(1), swap(2), swap(3)]).await.unwrap();
    assert_eq!(swapped, [true, false, true]);
}

pub(crate) async fn a_revocation_unseen_is_found_but_not_listed(store: AnyStore) {
    let now = store.now().await.unwrap();
    let unseen = Record::Unseen {
        session_id: id(1),
        revoked_at: UnixTime::from_secs(now.secs()),
        expires_at: in_secs(now, 100),
    };
    let swap = Swap { expected: None, new: unseen.clone() };
    assert_eq!(store.swap_sessions(vec![swap]).await.unwrap(), [true]);
    assert_eq!(store.session(&id(1)).await.unwrap(), Some(unseen));
    assert!(listed(&*store, None).await.is_empty());
}

pub(crate) async fn the_feed_is_read_in_order_and_in_pages(store: AnyStore) {
    let now = store.now().await.unwrap().secs();
    let (nothing, start, more) = page(&*store, None, 2).await;
    assert!(nothing.is_empty() && !more);
    let entries: Vec<_> =
        ["a", "b", "c"].map(|user| user_entry(user, now, now + 100)).into_iter().collect();
    for entry in &entries {
        store.publish(entry).await.unwrap();
    }
    for from in [None, Some(&start)] {
        let (first, middle, more) = page(&*store, from, 2).await;
        assert_eq!((first.as_slice(), more), (&entries[..2], true));
        let (second, end, more) = page(&*store, Some(&middle), 2).await;
        assert_eq!((second.as_slice(), more), (&entries[2..], false));
        assert_eq!(page(&*store, Some(&end), 2).await, (vec![], end, false));
    }
}

pub(crate) async fn a_subject_published_again_moves_to_the_end(store: AnyStore) {
    let now = store.now().await.unwrap().secs();
    for user in ["a", "b"] {
        store.publish(&user_entry(user, now, now + 100)).await.unwrap();
    }
    let (_, cursor, _) = page(&*store, None, 10).await;
    let again = user_entry("a", now + 1, now + 101);
    store.publish(&again).await.unwrap();
    let all = page(&*store, None, 10).await.0;
    assert_eq!(all, [user_entry("b", now, now + 100), again.clone()]);
    assert_eq!(page(&*store, Some(&cursor), 10).await.0, [again]);
}

pub(crate) async fn an_entry_never_expires_sooner_than_published(store: AnyStore) {
    let now = store.now().await.unwrap();
    let entry = |secs| Revocation::Session { session_id: id(1), expires_at: in_secs(now, secs) };
    store.publish(&entry(100)).await.unwrap();
    store.publish(&entry(50)).await.unwrap();
    assert_eq!(page(&*store, None, 10).await.0, [entry(100)]);
}

pub(crate) async fn an_entry_never_reaches_less_far_than_published(store: AnyStore) {
    let now = store.now().await.unwrap().secs();
    let client = |issued_before| Revocation::Client {
        client_id: "a".to_owned(),
        issued_before: UnixTime::from_secs(issued_before),
        expires_at: UnixTime::from_secs(now + 100),
    };
    for issued_before in [now, now - 1] {
        store.publish(&user_entry("a", issued_before, now + 100)).await.unwrap();
        store.publish(&client(issued_before)).await.unwrap();
    }
    assert_eq!(page(&*store, None, 10).await.0, [user_entry("a", now, now + 100), client(now)]);
    let found = store.issued_before(&Holder::User("a".to_owned())).await.unwrap();
    assert_eq!(found, Some(UnixTime::from_secs(now)));
}

pub(crate) async fn a_cursor_is_too_old_once_an_unread_entry_was_dropped(store: AnyStore) {
    let now = store.now().await.unwrap().secs();
    let (_, before, _) = page(&*store, None, 10).await;
    store.publish(&user_entry("short", now, now + 1)).await.unwrap();
    let (_, between, _) = page(&*store, None, 10).await;
    let long = user_entry("long", now, now + 100);
    store.publish(&long).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(page(&*store, None, 10).await.0, std::slice::from_ref(&long));
    assert_eq!(store.read_feed(Some(&before), 10).await.unwrap(), FeedRead::Gone);
    assert_eq!(page(&*store, Some(&between), 10).await.0, [long], "it had read the dropped one");
}

pub(crate) async fn a_drop_in_the_middle_of_the_pages_sends_nobody_back(store: AnyStore) {
    let now = store.now().await.unwrap().secs();
    let entries = [("a", 100), ("b", 100), ("short", 1), ("c", 100)]
        .map(|(user, secs)| user_entry(user, now, now + secs));
    for entry in &entries {
        store.publish(entry).await.unwrap();
    }
    let (_, middle, more) = page(&*store, None, 2).await;
    assert!(more);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(page(&*store, Some(&middle), 2).await.0, entries[3..]);
}

pub(crate) async fn a_cursor_of_another_store_is_refused(store: AnyStore) {
    let (_, cursor, _) = page(&*store, None, 10).await;
    let foreign = FeedCursor { generation: "another".to_owned(), ..cursor.clone() };
    let ahead = FeedCursor { sequence: cursor.sequence + 1, ..cursor };
    for cursor in [foreign, ahead] {
        assert_eq!(store.read_feed(Some(&cursor), 10).await.unwrap(), FeedRead::Gone);
    }
}

pub(crate) async fn the_second_of_a_revocation_can_be_looked_up(store: AnyStore) {
    let now = store.now().await.unwrap().secs();
    store.publish(&user_entry("alice", now, now + 100)).await.unwrap();
    let issued_before = async |holder| store.issued_before(&holder).await.unwrap();
    let second = Some(UnixTime::from_secs(now));
    assert_eq!(issued_before(Holder::User("alice".to_owned())).await, second);
    assert_eq!(issued_before(Holder::User("bob".to_owned())).await, None);
    assert_eq!(issued_before(Holder::Client("alice".to_owned())).await, None);
}

pub(crate) async fn no_reader_misses_what_many_writers_publish(store: AnyStore) {
    const WRITERS: u64 = 8;
    const EACH: u64 = 40;
    let now = store.now().await.unwrap().secs();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            for number in 0..EACH {
                let entry = user_entry(&format!("{writer}-{number}"), now, now + 1000);
                store.publish(&entry).await.unwrap();
            }
        });
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let finished = writers.is_empty();
        let (entries, cursor, more) = page(&*store, after.as_ref(), 7).await;
        seen.extend(entries.iter().map(|entry| format!("{entry:?}")));
        after = Some(cursor);
        if finished && !more {
            break;
        }
        while writers.try_join_next().is_some() {}
    }
    let all = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!((all, seen.len()), (320, 320), "each entry once");
}

/// Puts something of everything into a store.
pub(crate) async fn fill(store: &dyn Store) {
    let now = store.now().await.unwrap();
    assert!(put(store, None, &session(1, "alice", now)).await);
    store.publish(&user_entry("alice", now.secs(), now.secs() + 100)).await.unwrap();
    let changes = vec![Change::Put("a".to_owned(), b"1".to_vec(), Duration::from_secs(100))];
    let update = Update { group: "group".to_owned(), conditions: vec![], changes };
    assert!(store.update(update).await.unwrap());
}

pub(crate) fn user_entry(user: &str, issued_before: u64, expires_at: u64) -> Revocation {
    Revocation::User {
        user_id: user.to_owned(),
        issued_before: UnixTime::from_secs(issued_before),
        expires_at: UnixTime::from_secs(expires_at),
    }
}

async fn put(store: &dyn Store, expected: Option<Stored>, session: &Session) -> bool {
    let swap = Swap { expected, new: Record::Session(session.clone()) };
    store.swap_sessions(vec![swap]).await.unwrap() == [true]
}

async fn listed(store: &dyn Store, holder: Option<Holder>) -> Vec<u64> {
    let sessions = store.list_sessions(holder.as_ref(), None, 100).await.unwrap();
    let number = |stored: Stored| stored.record.id().as_str()[..4].trim_start_matches('0').parse();
    sessions.into_iter().map(number).collect::<Result<_, _>>().unwrap()
}

async fn page(
    store: &dyn Store,
    after: Option<&FeedCursor>,
    limit: usize,
) -> (Vec<Revocation>, FeedCursor, bool) {
    match store.read_feed(after, limit).await.unwrap() {
        FeedRead::Page { entries, cursor, more } => (entries, cursor, more),
        FeedRead::Gone => panic!("the cursor is good"),
    }
}

fn id(number: u64) -> SessionId {
    SessionId::parse(&format!("{number:04}-0123456789abcdef")).unwrap()
}

fn in_secs(now: UnixTime, secs: u64) -> UnixTime {
    UnixTime::from_secs(now.secs() + secs)
}

fn session(number: u64, user: &str, now: UnixTime) -> Session {
    Session {
        session_id: id(number),
        user_id: user.to_owned(),
        username: None,
        issuer: "https://idp.example/".to_owned(),
        token_issuer: None,
        subject: None,
        client_id: Some("client".to_owned()),
        scopes: vec![],
        created_at: in_secs(now, 0),
        last_seen_at: in_secs(now, 0),
        expires_at: in_secs(now, 100),
        revoked_at: None,
    }
}
