//! What is remembered of tokens: the principals of verified ones, and for a short while the denials
//! of bad ones, so that a replayed forgery costs no signature check.
//!
//! Tokens are known by their keyed 128-bit digest, so a cache holds no token and nobody outside can
//! make one token pass for another.

use std::{rc::Rc, time::Duration};

use crate::{
    bounded::{BoundedMap, Digest},
    denial::Denial,
    jwk::VerificationKey,
    key_ring::KeyRing,
    principal::Principal,
    time::UnixTime,
};

/// Denials remembered at most.
const MOST_DENIED: usize = 4096;
/// How long a denial is remembered.
const DENIED_FOR: Duration = Duration::from_secs(30);

/// Verified and denied tokens.
pub(crate) struct TokenCache {
    verified: BoundedMap<Verified>,
    denied: BoundedMap<Denied>,
}

/// A token whose signature was right.
struct Verified {
    principal: Rc<Principal>,
    key: Rc<VerificationKey>,
    /// The generation of the issuer's keys in which `key` was last seen.
    generation: u64,
}

struct Denied {
    denial: Denial,
    principal: Option<Rc<Principal>>,
    until: UnixTime,
}

/// What is known of a token.
pub(crate) enum Known {
    /// Its signature was right, by a key that its issuer still has.
    Verified(Rc<Principal>),
    /// It was denied a short while ago, and would be again.
    Denied(Denial, Option<Rc<Principal>>),
}

impl TokenCache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { verified: BoundedMap::new(capacity), denied: BoundedMap::new(MOST_DENIED) }
    }

    pub(crate) fn find(
        &mut self,
        token: Digest,
        rings: &[KeyRing],
        now: UnixTime,
    ) -> Option<Known> {
        if let Some(verified) = self.verified.get(token) {
            let ring = &rings[verified.principal.issuer.0];
            if verified.generation == ring.generation() || ring.contains(&verified.key) {
                verified.generation = ring.generation();
                return Some(Known::Verified(Rc::clone(&verified.principal)));
            }
            self.verified.remove(token);
        }
        let denied = self.denied.get(token)?;
        if denied.until <= now {
            self.denied.remove(token);
            return None;
        }
        Some(Known::Denied(denied.denial, denied.principal.clone()))
    }

    pub(crate) fn verified(
        &mut self,
        token: Digest,
        principal: &Rc<Principal>,
        key: &Rc<VerificationKey>,
        generation: u64,
    ) {
        let (principal, key) = (Rc::clone(principal), Rc::clone(key));
        self.verified.insert(token, Verified { principal, key, generation });
    }

    /// Remembers a denial that no change of time, resource or keys (but for [`Self::keys_changed`])
    /// could turn.
    pub(crate) fn denied(
        &mut self,
        token: Digest,
        denial: Denial,
        principal: Option<Rc<Principal>>,
        now: UnixTime,
    ) {
        self.verified.remove(token);
        self.denied.insert(token, Denied { denial, principal, until: now + DENIED_FOR });
    }

    /// Forgets denials: a signature that fitted no key may fit a new one.
    pub(crate) fn keys_changed(&mut self) {
        self.denied.clear();
    }
}
