//! How often an address may do what costs memory.

use std::{
    hash::{BuildHasher, RandomState},
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::Arc,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::NoOpMiddleware,
    state::keyed::DefaultKeyedStateStore,
};

use super::{client_address::ClientAddress, error::OAuthError};

/// A token bucket for each address. The buckets are a fixed number, chosen by a keyed hash, so that
/// nobody can grow them; two addresses that share one are too few to matter, and nobody can choose
/// whose.
#[derive(Clone)]
pub struct RateLimit(Option<Arc<Buckets<DefaultClock>>>);

struct Buckets<C: Clock> {
    limiter: RateLimiter<u16, DefaultKeyedStateStore<u16>, C, NoOpMiddleware<C::Instant>>,
    clock: C,
    chooser: RandomState,
}

impl RateLimit {
    /// Buckets of this size, full again after a minute. `None`: no limit.
    pub fn per_minute(limit: Option<NonZeroU32>) -> Self {
        Self(limit.map(|limit| Arc::new(Buckets::new(limit, DefaultClock::default()))))
    }

    /// Takes one token out.
    ///
    /// # Errors
    /// [`OAuthError::TooMany`] says when there is one again.
    pub fn check(&self, ClientAddress(address): ClientAddress) -> Result<(), OAuthError> {
        match &self.0 {
            Some(buckets) => buckets.take(address).map_err(OAuthError::TooMany),
            None => Ok(()),
        }
    }
}

impl<C: Clock + Clone> Buckets<C> {
    fn new(per_minute: NonZeroU32, clock: C) -> Self {
        let store = DefaultKeyedStateStore::default();
        let limiter = RateLimiter::new(Quota::per_minute(per_minute), store, clock.clone());
        Self { limiter, clock, chooser: RandomState::new() }
    }

    /// The error is the number of seconds until it may be tried again, at least one.
    fn take(&self, address: IpAddr) -> Result<(), u64> {
        let hash = self.chooser.hash_one(whole(address)).to_le_bytes();
        let bucket = u16::from_le_bytes([hash[0], hash[1]]);
        self.limiter.check_key(&bucket).map_err(|not_until| {
            let wait = not_until.wait_time_from(self.clock.now());
            wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
        })
    }
}

/// Whoever has one IPv6 address has all 2⁶⁴ of its network.
fn whole(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    const V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));

    fn buckets(per_minute: u32) -> (Buckets<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Buckets::new(NonZeroU32::new(per_minute).unwrap(), clock.clone()), clock)
    }

    #[test]
    fn a_bucket_is_emptied_and_fills_again() {
        let (buckets, clock) = buckets(6);
        assert!((0..6).all(|_| buckets.take(V4).is_ok()));
        assert_eq!(buckets.take(V4), Err(10));
        clock.advance(Duration::from_millis(9500));
        assert_eq!(buckets.take(V4), Err(1));
        clock.advance(Duration::from_millis(500));
        assert_eq!(buckets.take(V4), Ok(()));
        assert_eq!(buckets.take(V4), Err(10));
    }

    #[test]
    fn addresses_of_one_ipv6_network_share_a_bucket() {
        let (buckets, _) = buckets(1);
        assert_eq!(buckets.take("2001:db8::1".parse().unwrap()), Ok(()));
        assert!(buckets.take("2001:db8::ffff:1".parse().unwrap()).is_err());
    }

    #[test]
    fn no_number_of_addresses_grows_it_beyond_its_buckets() {
        let (buckets, _) = buckets(1);
        for address in 0..200_000 {
            let _ = buckets.take(std::net::Ipv4Addr::from_bits(address).into());
        }
        assert!(buckets.limiter.len() <= 1 << 16);
    }
}
