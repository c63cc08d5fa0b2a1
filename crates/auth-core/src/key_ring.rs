//! The keys of one issuer over time (RFC 7517 §5): when they are fetched, which ones fit a token,
//! what is kept while the issuer's server is away. It plans fetches; an adapter makes them.

use std::{rc::Rc, time::Duration};

use crate::{
    algorithm::Algorithm,
    config::{Jwks, KeySource},
    jwk::{self, NotAKeySet, VerificationKey},
    time::UnixTime,
};

/// Longest key set that is read, in bytes.
const LONGEST_DOCUMENT: usize = 512 * 1024;
/// A token without `kid` is tried with this many keys.
const MOST_CANDIDATES: usize = 4;
/// How long after its timeout a fetch is taken for lost, if the host never calls back.
const GRACE: Duration = Duration::from_secs(1);
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// What became of a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchOutcome {
    /// The server answered with this status and body.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: Vec<u8>,
    },
    /// No answer of the server arrived; why, for the log.
    Unanswered(&'static str),
}

/// Why a fetch brought no keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchFailed {
    /// No answer of the server arrived.
    #[error("the server gave no answer: {0}")]
    Unanswered(&'static str),
    /// Anything but 200.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// More than half a megabyte.
    #[error("the document is larger than 512 KiB")]
    TooLarge,
    /// Not a key set, or one without usable keys.
    #[error("the document is not usable: {0}")]
    Document(#[from] NotAKeySet),
}

/// What a request that needs other keys can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Wait: a fetch is under way or will be made at once.
    Wait,
    /// Not wait: the next fetch may be made only after this time.
    NotBefore(UnixTime),
}

/// The keys of one issuer.
pub(crate) struct KeyRing {
    keys: Vec<Rc<VerificationKey>>,
    generation: u64,
    fetching: Option<Fetching>,
}

/// The state of a ring whose keys are fetched.
struct Fetching {
    jwks: Jwks,
    /// Background fetches are this much earlier than `refresh` asks, so that workers spread.
    jitter: Duration,
    /// The share of each wait after a failure that this worker waits, from a half to the whole: many
    /// that were turned away together must not come back together.
    hurry: f64,
    next: UnixTime,
    failures: u32,
    asked_for: bool,
    /// A fetch is under way; past this time it is taken for lost.
    in_flight_until: Option<UnixTime>,
    /// No unknown `kid` causes a fetch before this time.
    cooled_down: UnixTime,
}

impl KeyRing {
    /// A ring that fetches at once and then a little before every `refresh`: `jitter`, from 0 to
    /// 99, is how many tenths of a per cent before. Of the waits after failures it is how many half
    /// per cents are left out.
    pub(crate) fn new(source: &KeySource, jitter: u64) -> Self {
        let (keys, fetching) = match source {
            KeySource::Fixed(keys) => (keys.iter().cloned().map(Rc::new).collect(), None),
            KeySource::Fetched(jwks) => {
                (Vec::new(), Some(Fetching::new(jwks.clone(), jitter.min(99) as f64)))
            }
        };
        Self { keys, generation: 0, fetching }
    }

    /// Counts the changes of the key set.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that may have signed a token with this header: those that carry its `kid`, or,
    /// without `kid`, the first four that fit the algorithm.
    pub(crate) fn candidates(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &Rc<VerificationKey>> {
        self.keys
            .iter()
            .filter(move |key| key.fits(algorithm) && (kid.is_none() || key.kid() == kid))
            .take(MOST_CANDIDATES)
    }

    pub(crate) fn contains(&self, key: &Rc<VerificationKey>) -> bool {
        self.keys.contains(key)
    }

    /// When the next background fetch is to be made.
    pub(crate) fn next_fetch(&self) -> UnixTime {
        self.fetching.as_ref().map_or(UnixTime::default(), |fetching| fetching.next)
    }

    /// How long one fetch may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.fetching.as_ref().map_or(Duration::ZERO, |fetching| fetching.jwks.timeout)
    }

    /// A request found no key and asks for a fetch.
    pub(crate) fn want(&mut self, now: UnixTime) -> Wanted {
        let unknown_key = !self.keys.is_empty();
        let Some(fetching) = &mut self.fetching else {
            return Wanted::NotBefore(UnixTime::from_millis(u64::MAX));
        };
        if fetching.is_in_flight(now) || fetching.asked_for {
            return Wanted::Wait;
        }
        let not_before = match unknown_key {
            true => fetching.cooled_down,
            false if fetching.failures > 0 => fetching.next,
            false => now,
        };
        if now < not_before {
            return Wanted::NotBefore(not_before);
        }
        if unknown_key {
            fetching.cooled_down = now + fetching.cooldown();
        }
        fetching.asked_for = true;
        Wanted::Wait
    }

    /// Whether a fetch is to be made now.
    pub(crate) fn is_due(&self, now: UnixTime) -> bool {
        self.fetching.as_ref().is_some_and(|fetching| {
            !fetching.is_in_flight(now) && (fetching.asked_for || fetching.next <= now)
        })
    }

    /// The fetch to be made now, if any; if so, it counts as under way.
    pub(crate) fn begin_fetch(&mut self, now: UnixTime) -> Option<&Jwks> {
        if !self.is_due(now) {
            return None;
        }
        let fetching = self.fetching.as_mut()?;
        fetching.in_flight_until = Some(now + fetching.jwks.timeout + GRACE);
        fetching.asked_for = false;
        Some(&fetching.jwks)
    }

    /// Takes the outcome of the fetch that was under way. After a failure the old keys stay.
    pub(crate) fn accept(
        &mut self,
        outcome: FetchOutcome,
        now: UnixTime,
    ) -> Result<usize, FetchFailed> {
        let parsed = read(outcome);
        let Some(fetching) = &mut self.fetching else { return Ok(self.keys.len()) };
        fetching.in_flight_until = None;
        match parsed {
            Ok(keys) => {
                fetching.failures = 0;
                fetching.next = now + (fetching.jwks.refresh - fetching.jitter);
                if !self.keys.iter().map(AsRef::as_ref).eq(&keys) {
                    self.keys = keys.into_iter().map(Rc::new).collect();
                    self.generation += 1;
                }
                Ok(self.keys.len())
            }
            Err(failed) => {
                fetching.next = now + fetching.backoff(self.keys.is_empty());
                fetching.failures = fetching.failures.saturating_add(1);
                Err(failed)
            }
        }
    }
}

impl Fetching {
    fn new(jwks: Jwks, jitter: f64) -> Self {
        Self {
            jitter: jwks.refresh.mul_f64(jitter / 1000.0),
            hurry: 1.0 - jitter / 200.0,
            jwks,
            next: UnixTime::default(),
            failures: 0,
            asked_for: false,
            in_flight_until: None,
            cooled_down: UnixTime::default(),
        }
    }

    fn is_in_flight(&self, now: UnixTime) -> bool {
        self.in_flight_until.is_some_and(|until| now < until)
    }

    /// While fetches fail up to half as long again, so that those who fail together part.
    fn cooldown(&self) -> Duration {
        match self.failures {
            0 => self.jwks.cooldown,
            _ => self.jwks.cooldown.mul_f64(2.0 - self.hurry),
        }
    }

    /// 1 s, 2 s, 4 s, …; without any keys at most `cooldown`, so that recovery is noticed soon. Of
    /// each, this worker's share.
    fn backoff(&self, without_keys: bool) -> Duration {
        let doubled = FIRST_BACKOFF * (1 << self.failures.min(6));
        let most = if without_keys { self.jwks.cooldown } else { self.jwks.refresh };
        doubled.min(LONGEST_BACKOFF).min(most).mul_f64(self.hurry)
    }
}

fn read(outcome: FetchOutcome) -> Result<Vec<VerificationKey>, FetchFailed> {
    match outcome {
        FetchOutcome::Unanswered(why) => Err(FetchFailed::Unanswered(why)),
        FetchOutcome::Answered { status: 200, body } if body.len() > LONGEST_DOCUMENT => {
            Err(FetchFailed::TooLarge)
        }
        FetchOutcome::Answered { status: 200, body } => Ok(jwk::parse_set(&body)?),
        FetchOutcome::Answered { status, .. } => Err(FetchFailed::Status(status)),
    }
}
