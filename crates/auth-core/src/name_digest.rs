//! How members of JSON objects that have one name are found, however many there are.

/// A digest (FNV-1a) of a member's name. Equal names have equal digests; somebody who makes two others
/// collide gets his own document refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NameDigest(u64);

impl NameDigest {
    /// That of the empty name.
    pub(crate) const EMPTY: Self = Self(0xcbf2_9ce4_8422_2325);

    /// That of a name with this byte at its end.
    pub(crate) const fn then(self, byte: u8) -> Self {
        Self((self.0 ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3))
    }

    /// That of a whole name.
    pub(crate) fn of(name: &str) -> Self {
        name.bytes().fold(Self::EMPTY, Self::then)
    }

    /// One that is there twice. Sorts them.
    pub(crate) fn find_twin(digests: &mut [Self]) -> Option<Self> {
        digests.sort_unstable();
        digests.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }
}
