//! A bounded map from digests to values that evicts by CLOCK (second chance): constant cost, no
//! growth past its capacity, and what is used stays.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use siphasher::sip128::{Hasher128, SipHasher24};

/// A secret drawn by the host, different in each VM: outsiders who do not know it cannot find two
/// inputs with one digest.
#[derive(Clone, Copy)]
pub struct DigestKey([u8; 16]);

impl DigestKey {
    /// Takes 16 bytes of good randomness.
    pub const fn new(random: [u8; 16]) -> Self {
        Self(random)
    }

    /// A number from 0 to `below` - 1, fixed for this key and `purpose`: the jitter of this VM.
    pub(crate) fn spread(self, purpose: &str, below: u64) -> u64 {
        match below {
            0 => 0,
            below => (self.digest(purpose.as_bytes()).0 % u128::from(below)) as u64,
        }
    }

    /// The keyed digest (SipHash-2-4, 128 bits) of `bytes`.
    pub(crate) fn digest(self, bytes: &[u8]) -> Digest {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(bytes);
        Digest(hasher.finish128().as_u128())
    }
}

/// A keyed digest; equal only for equal input, as far as anybody without the key can bring about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Digest(u128);

impl std::hash::Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0 as u64);
    }
}

/// A digest is its own hash.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a digest writes one u64")
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// At most `capacity` values.
pub(crate) struct BoundedMap<V> {
    capacity: usize,
    index: HashMap<Digest, usize, BuildHasherDefault<Identity>>,
    slots: Vec<Slot<V>>,
    hand: usize,
}

struct Slot<V> {
    digest: Digest,
    value: V,
    used: bool,
}

impl<V> BoundedMap<V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, index: HashMap::default(), slots: Vec::new(), hand: 0 }
    }

    pub(crate) fn get(&mut self, digest: Digest) -> Option<&mut V> {
        let slot = &mut self.slots[*self.index.get(&digest)?];
        slot.used = true;
        Some(&mut slot.value)
    }

    pub(crate) fn insert(&mut self, digest: Digest, value: V) {
        let slot = Slot { digest, value, used: false };
        if let Some(at) = self.index.get(&digest) {
            self.slots[*at] = slot;
        } else if self.slots.len() < self.capacity {
            self.index.insert(digest, self.slots.len());
            self.slots.push(slot);
        } else if self.capacity > 0 {
            let at = self.victim();
            self.index.remove(&self.slots[at].digest);
            self.index.insert(digest, at);
            self.slots[at] = slot;
        }
    }

    pub(crate) fn remove(&mut self, digest: Digest) {
        if let Some(at) = self.index.remove(&digest) {
            self.slots.swap_remove(at);
            if let Some(moved) = self.slots.get(at) {
                self.index.insert(moved.digest, at);
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.capacity);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    fn victim(&mut self) -> usize {
        loop {
            let at = self.hand % self.slots.len();
            self.hand = at + 1;
            if !std::mem::take(&mut self.slots[at].used) {
                return at;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::*;

    #[test]
    fn what_is_used_stays() {
        let mut map = BoundedMap::new(2);
        map.insert(Digest(1), "a");
        map.insert(Digest(2), "b");
        assert!(map.get(Digest(1)).is_some());
        map.insert(Digest(3), "c");
        assert_eq!((map.get(Digest(1)).copied(), map.get(Digest(2)).copied()), (Some("a"), None));
    }

    #[test]
    fn a_capacity_of_zero_keeps_nothing() {
        let mut map = BoundedMap::new(0);
        map.insert(Digest(1), ());
        assert_eq!(map.len(), 0);
    }

    #[test]
    fn digests_depend_on_the_key() {
        let (a, b) = (DigestKey::new([1; 16]), DigestKey::new([2; 16]));
        assert_eq!(a.digest(b"x"), a.digest(b"x"));
        assert_ne!(a.digest(b"x"), b.digest(b"x"));
        assert_ne!(a.digest(b"x"), a.digest(b"y"));
    }

    proptest! {
        #[test]
        fn it_never_grows_and_never_mixes_values_up(
            steps in prop::collection::vec((any::<bool>(), 0_u128..20), 0..200)
        ) {
            let mut map = BoundedMap::new(5);
            for (insert, digest) in steps {
                if insert { map.insert(Digest(digest), digest) } else { map.remove(Digest(digest)) }
                assert!(map.len() <= 5);
                assert!(map.get(Digest(digest)).is_none_or(|value| *value == digest));
                assert_eq!(map.index.len(), map.slots.len());
            }
        }
    }
}
