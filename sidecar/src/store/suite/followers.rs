//! The feed's promise as a property: whatever writers, expiries and losses of the store do, nobody
//! who follows its cursors misses an entry that was acknowledged before the read began and is still
//! alive when it ends. Once with the calls in an order that can be shrunk, once all at the same time.

use std::{
    any::Any,
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use auth_core::{revocation::Revocation, session_id::SessionId, time::UnixTime};
use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any, prop_oneof},
    test_runner::{Config, TestRunner},
};
use tokio::{runtime::Runtime, sync::RwLock, task::JoinSet};

use super::AnyStore;
use crate::store::{FeedCursor, FeedRead, Store};

/// A store, and whatever must live as long.
pub(crate) type Kept = (AnyStore, Box<dyn Any + Send + Sync>);

const CASES: u32 = 48;
const READERS: usize = 3;

pub(crate) fn kept(store: impl Store, guard: impl Any + Send + Sync) -> Kept {
    (Arc::new(store), Box::new(guard))
}

/// What a writer does.
#[derive(Clone, Debug)]
enum Write {
    Publish {
        whose: Whose,
        issued_before: u64,
        /// Seconds; an entry of none is over before anybody can read it.
        lives: u64,
    },
    /// The store is gone, and an empty one takes its place.
    LoseTheStore,
}

/// Few, so that they are often revoked again.
#[derive(Clone, Copy, Debug)]
enum Whose {
    Session(u8),
    User(u8),
    Client(u8),
}

#[derive(Clone, Debug)]
enum Step {
    Write(Write),
    ReadPage { reader: usize, limit: usize },
}

/// Calls one after the other, in any order.
pub(crate) fn no_follower_misses_a_live_entry(make: impl AsyncFn() -> Kept) {
    let read =
        (0..READERS, 1..4_usize).prop_map(|(reader, limit)| Step::ReadPage { reader, limit });
    let steps = vec(prop_oneof![3 => writes(20).prop_map(Step::Write), 4 => read], 1..60);
    check(&steps, async |steps: Vec<Step>| {
        let feed = Feed::over(make().await);
        let mut readers: [Reader; READERS] = Default::default();
        for step in steps {
            match step {
                Step::Write(Write::LoseTheStore) => feed.replace(make().await).await,
                Step::Write(write) => feed.write(write).await,
                Step::ReadPage { reader, limit } => {
                    readers[reader].read_page(&feed, limit).await;
                }
            }
        }
        for mut reader in readers {
            reader.read_to_the_end(&feed, 2).await;
            reader.read_to_the_end(&feed, 2).await;
        }
    });
}

/// Writers and readers at the same time.
pub(crate) fn no_follower_misses_what_many_write(make: impl AsyncFn() -> Kept) {
    let writers = vec(vec(writes(80), 1..25), 2..6);
    check(&writers, async |writers: Vec<Vec<Write>>| {
        let losses =
            writers.iter().flatten().filter(|it| matches!(it, Write::LoseTheStore)).count();
        let mut spare = Vec::new();
        for _ in 0..losses {
            spare.push(make().await);
        }
        let feed = Arc::new(Feed::over(make().await));
        let (spare, writing) =
            (Arc::new(Mutex::new(spare)), Arc::new(AtomicUsize::new(writers.len())));
        let mut tasks = JoinSet::new();
        for writes in writers {
            let (feed, spare, writing) = (feed.clone(), spare.clone(), writing.clone());
            tasks.spawn(async move {
                for write in writes {
                    let next = match write {
                        Write::LoseTheStore => spare.lock().unwrap().pop(),
                        Write::Publish { .. } => None,
                    };
                    match next {
                        Some(next) => feed.replace(next).await,
                        None => feed.write(write).await,
                    }
                }
                writing.fetch_sub(1, Ordering::SeqCst);
            });
        }
        for limit in 1..=READERS {
            let (feed, writing) = (feed.clone(), writing.clone());
            tasks.spawn(async move {
                let mut reader = Reader::default();
                while writing.load(Ordering::SeqCst) > 0 {
                    reader.read_to_the_end(&feed, limit).await;
                }
                reader.read_to_the_end(&feed, limit).await;
            });
        }
        tasks.join_all().await;
    });
}

fn writes(publications_per_loss: u32) -> impl Strategy<Value = Write> {
    let whose = (0..3_u8, 0..4_u8).prop_map(|(kind, number)| match kind {
        0 => Whose::Session(number),
        1 => Whose::User(number),
        _ => Whose::Client(number),
    });
    let lives = prop_oneof![Just(0), Just(1), Just(1000)];
    let publish = (whose, any::<u8>(), lives).prop_map(|(whose, issued_before, lives)| {
        Write::Publish { whose, issued_before: issued_before.into(), lives }
    });
    prop_oneof![publications_per_loss => publish, 1 => Just(Write::LoseTheStore)]
}

/// Runs cases until one panics, which is then shrunk.
fn check<S: Strategy>(cases: &S, case: impl AsyncFn(S::Value)) {
    let runtime = Runtime::new().unwrap();
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let run = |value| {
        runtime.block_on(case(value));
        Ok(())
    };
    if let Err(failure) = TestRunner::new(config).run(cases, run) {
        panic!("{failure}");
    }
}

/// The feed of a store that may be lost, and what it has acknowledged.
struct Feed {
    now: RwLock<(usize, Kept)>,
    acknowledged: Mutex<Vec<Acknowledged>>,
}

#[derive(Clone, Debug)]
struct Acknowledged {
    /// How many stores were lost before.
    losses: usize,
    entry: Revocation,
}

impl Feed {
    fn over(store: Kept) -> Self {
        Self { now: RwLock::new((0, store)), acknowledged: Mutex::default() }
    }

    async fn write(&self, write: Write) {
        let Write::Publish { whose, issued_before, lives } = write else { return };
        let now = self.now.read().await;
        let (losses, (store, _)) = &*now;
        let expires_at = UnixTime::from_secs(store.now().await.unwrap().secs() + lives);
        // A name of its own in each store: what was read from a lost one covers up nothing.
        let name = |number: u8| format!("{losses:06}-{number:03}-0123456");
        let issued_before = UnixTime::from_secs(issued_before);
        let entry = match whose {
            Whose::Session(number) => {
                let session_id = SessionId::parse(&name(number)).unwrap();
                Revocation::Session { session_id, expires_at }
            }
            Whose::User(number) => {
                Revocation::User { user_id: name(number), issued_before, expires_at }
            }
            Whose::Client(number) => {
                Revocation::Client { client_id: name(number), issued_before, expires_at }
            }
        };
        store.publish(&entry).await.unwrap();
        self.acknowledged.lock().unwrap().push(Acknowledged { losses: *losses, entry });
    }

    async fn replace(&self, store: Kept) {
        let mut now = self.now.write().await;
        *now = (now.0 + 1, store);
    }
}

/// Follows the cursors, as the filter does.
#[derive(Default)]
struct Reader {
    cursor: Option<FeedCursor>,
    /// How much was acknowledged before the first page of this read.
    owed: Option<usize>,
    /// Up to which second, and until when, tokens are refused.
    seen: HashMap<String, (u64, u64)>,
}

impl Reader {
    /// Tells whether the read has come to its end, where nothing may be missing.
    async fn read_page(&mut self, feed: &Feed, limit: usize) -> bool {
        let owed = *self.owed.get_or_insert_with(|| feed.acknowledged.lock().unwrap().len());
        let now = feed.now.read().await;
        let (losses, (store, _)) = &*now;
        let FeedRead::Page { entries, cursor, more } =
            store.read_feed(self.cursor.as_ref(), limit).await.unwrap()
        else {
            self.cursor = None;
            return false;
        };
        assert!(entries.len() <= limit && (!more || entries.len() == limit), "{entries:?}");
        self.cursor = Some(cursor);
        for entry in &entries {
            let (name, issued_before, end) = parts(entry);
            let seen = self.seen.entry(name).or_default();
            *seen = (seen.0.max(issued_before), seen.1.max(end));
        }
        if more {
            return false;
        }
        self.owed = None;
        let time = store.now().await.unwrap();
        for due in &feed.acknowledged.lock().unwrap()[..owed] {
            if due.losses == *losses && due.entry.expires_at() > time {
                self.has_seen(&due.entry);
            }
        }
        true
    }

    async fn read_to_the_end(&mut self, feed: &Feed, limit: usize) {
        while !self.read_page(feed, limit).await {}
    }

    fn has_seen(&self, due: &Revocation) {
        let (name, issued_before, end) = parts(due);
        let seen = self.seen.get(&name);
        let enough = seen.is_some_and(|seen| seen.0 >= issued_before && seen.1 >= end);
        assert!(enough, "{due:?} is missed: seen {seen:?}");
    }
}

fn parts(entry: &Revocation) -> (String, u64, u64) {
    let (kind, name, issued_before) = match entry {
        Revocation::Session { session_id, .. } => ("session", session_id.as_str(), 0),
        Revocation::User { user_id, issued_before, .. } => {
            ("user", user_id.as_str(), issued_before.secs())
        }
        Revocation::Client { client_id, issued_before, .. } => {
            ("client", client_id.as_str(), issued_before.secs())
        }
    };
    (format!("{kind} {name}"), issued_before, entry.expires_at().secs())
}
