//! A bounded map from digests to values that evicts by CLOCK (second chance): constant cost, no
//! growth past its capacity, and what is used stays.

use std::hash::Hasher as _;

use hashbrown::HashTable;
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
            below => self.digest(purpose.as_bytes()).hash() % below,
        }
    }

    /// The keyed digest (SipHash-2-4, 128 bits) of `bytes`.
    pub(crate) fn digest(self, bytes: &[u8]) -> Digest {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(bytes);
        let found = hasher.finish128();
        Digest([found.h1, found.h2])
    }
}

/// A keyed digest; equal only for equal input, as far as anybody without the key can bring about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Digest([u64; 2]);

impl Digest {
    /// A digest is its own hash.
    const fn hash(self) -> u64 {
        self.0[0]
    }
}

/// At most `capacity` values.
pub(crate) struct BoundedMap<V> {
    capacity: usize,
    places: Places,
    /// In the order of their places.
    slots: Vec<Slot<V>>,
    hand: usize,
}

struct Slot<V> {
    value: V,
    used: bool,
}

impl<V> BoundedMap<V> {
    pub(crate) fn new(capacity: usize) -> Self {
        let capacity = capacity.min(u32::MAX as usize);
        Self { capacity, places: Places::default(), slots: Vec::new(), hand: 0 }
    }

    pub(crate) fn get(&mut self, digest: Digest) -> Option<&mut V> {
        let slot = &mut self.slots[self.places.find(digest)?];
        slot.used = true;
        Some(&mut slot.value)
    }

    pub(crate) fn insert(&mut self, digest: Digest, value: V) {
        let slot = Slot { value, used: false };
        if let Some(at) = self.places.find(digest) {
            self.slots[at] = slot;
        } else if self.slots.len() < self.capacity {
            make_room(&mut self.slots, self.capacity);
            self.slots.push(slot);
            self.places.push(digest, self.capacity);
        } else if self.capacity > 0 {
            let at = self.victim();
            self.slots[at] = slot;
            self.places.replace(at, digest);
        }
    }

    pub(crate) fn remove(&mut self, digest: Digest) {
        if let Some(at) = self.places.swap_remove(digest) {
            self.slots.swap_remove(at);
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

/// Digests in their places, each once, and where to find them.
#[derive(Default)]
struct Places {
    index: HashTable<u32>,
    digests: Vec<Digest>,
}

impl Places {
    fn find(&self, digest: Digest) -> Option<usize> {
        let is_it = |at: &u32| self.digests[*at as usize] == digest;
        self.index.find(digest.hash(), is_it).map(|at| *at as usize)
    }

    /// Puts a new one behind the others, of which there will be `most`.
    fn push(&mut self, digest: Digest, most: usize) {
        make_room(&mut self.digests, most);
        self.digests.push(digest);
        self.link(self.digests.len() - 1);
    }

    /// Puts a new one where another is.
    fn replace(&mut self, at: usize, digest: Digest) {
        self.unlink(self.digests[at]);
        self.digests[at] = digest;
        self.link(at);
    }

    /// Takes one out, whose place the last one gets. The place.
    fn swap_remove(&mut self, digest: Digest) -> Option<usize> {
        let at = self.unlink(digest)?;
        let last = self.digests.len() - 1;
        if at < last {
            self.unlink(self.digests[last]);
        }
        self.digests.swap_remove(at);
        if at < last {
            self.link(at);
        }
        Some(at)
    }

    fn link(&mut self, at: usize) {
        let Self { index, digests } = self;
        index.insert_unique(digests[at].hash(), at as u32, |at| digests[*at as usize].hash());
    }

    fn unlink(&mut self, digest: Digest) -> Option<usize> {
        let Self { index, digests } = self;
        let is_it = |at: &u32| digests[*at as usize] == digest;
        let entry = index.find_entry(digest.hash(), is_it).ok()?;
        Some(entry.remove().0 as usize)
    }
}

/// Makes room for twice as many, and for no more than will ever be there.
fn make_room<T>(list: &mut Vec<T>, most: usize) {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len().max(4).min(most - list.len()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::*;

    #[test]
    fn what_is_used_stays() {
        let mut map = BoundedMap::new(2);
        map.insert(digest(1), "a");
        map.insert(digest(2), "b");
        assert!(map.get(digest(1)).is_some());
        map.insert(digest(3), "c");
        assert_eq!((map.get(digest(1)).copied(), map.get(digest(2)).copied()), (Some("a"), None));
    }

    #[test]
    fn a_capacity_of_zero_keeps_nothing() {
        let mut map = BoundedMap::new(0);
        map.insert(digest(1), ());
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
            steps in prop::collection::vec((any::<bool>(), 0_u64..20), 0..200)
        ) {
            let mut map = BoundedMap::new(5);
            for (insert, nth) in steps {
                if insert { map.insert(digest(nth), nth) } else { map.remove(digest(nth)) }
                assert!(map.len() <= 5);
                assert_eq!(map.get(digest(nth)).copied(), insert.then_some(nth));
                assert!(map.slots.capacity() <= 5);
                assert_eq!(map.places.index.len(), map.slots.len());
            }
        }
    }

    /// Three have the same hash.
    const fn digest(nth: u64) -> Digest {
        Digest([nth / 3, nth])
    }
}
