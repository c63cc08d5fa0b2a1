//! Refresh tokens, which are exchanged at every use (OAuth 2.1 §4.3.1). What a token that is not
//! the current one means is decided here.

use std::{fmt, time::Duration};

use auth_core::time::UnixTime;
use serde::{Deserialize, Serialize};

use super::{grant::seconds, opaque::Opaque};

/// For how long whoever lost a race for the successor is still given it.
const RACE: Duration = Duration::from_secs(10);

/// What a client holds: `{lookup}.{secret}`. The first part finds the login and stays the same,
/// the second is new each time.
#[derive(Clone, Debug)]
pub struct RefreshToken {
    /// Finds the login.
    pub lookup: Opaque,
    secret: Opaque,
}

/// Which refresh tokens of a login mean what.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RefreshState {
    /// Digest of the secret that is good.
    current: String,
    /// When it ends.
    #[serde(with = "seconds")]
    pub expires_at: UnixTime,
    /// The one before it.
    previous: Option<Rotated>,
}

/// A secret that was exchanged for the current one.
#[derive(Clone, Serialize, Deserialize)]
struct Rotated {
    digest: String,
    at_millis: u64,
    successor: String,
}

/// What an offered token is.
#[derive(Debug)]
pub enum Offered {
    /// The one that is good.
    Current,
    /// The one before it, from somebody who lost the race for this successor.
    Raced(RefreshToken),
    /// One that was used before, or never ours: somebody has a copy (RFC 9700 §4.14.2).
    Stolen,
}

impl RefreshToken {
    /// The first token of a login.
    pub fn first() -> Self {
        Self { lookup: Opaque::random(), secret: Opaque::random() }
    }

    /// Reads what a client sent.
    pub fn parse(text: &str) -> Option<Self> {
        let (lookup, secret) = text.split_once('.')?;
        let is_ours = |part: &str| {
            part.len() == 43
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        (is_ours(lookup) && is_ours(secret))
            .then(|| Self { lookup: Opaque::offered(lookup), secret: Opaque::offered(secret) })
    }

    /// What a client is given.
    pub fn expose(&self) -> String {
        format!("{}.{}", self.lookup.expose(), self.secret.expose())
    }
}

impl RefreshState {
    /// The state of a login that has this token.
    pub fn new(token: &RefreshToken, expires_at: UnixTime) -> Self {
        Self { current: token.secret.digest(), expires_at, previous: None }
    }

    /// What the token means at `now`. A successor that was used is no longer the current one, so
    /// that its predecessor is not known any more.
    pub fn judge(&self, token: &RefreshToken, now: UnixTime) -> Offered {
        let digest = token.secret.digest();
        if digest == self.current {
            return Offered::Current;
        }
        match &self.previous {
            Some(it) if it.digest == digest && it.is_recent(now) => Offered::Raced(RefreshToken {
                lookup: token.lookup.clone(),
                secret: Opaque::offered(&it.successor),
            }),
            _ => Offered::Stolen,
        }
    }

    /// The state after `token` was exchanged at `now`, and its successor.
    pub fn rotate(
        token: &RefreshToken,
        now: UnixTime,
        expires_at: UnixTime,
    ) -> (Self, RefreshToken) {
        let successor = RefreshToken { lookup: token.lookup.clone(), secret: Opaque::random() };
        let previous = Rotated {
            digest: token.secret.digest(),
            at_millis: now.millis(),
            successor: successor.secret.expose().to_owned(),
        };
        let state =
            Self { current: successor.secret.digest(), expires_at, previous: Some(previous) };
        (state, successor)
    }
}

impl Rotated {
    fn is_recent(&self, now: UnixTime) -> bool {
        now <= UnixTime::from_millis(self.at_millis) + RACE
    }
}

impl fmt::Debug for Rotated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rotated").field("at_millis", &self.at_millis).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_790_000_000);
    const END: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn after(secs: u64) -> UnixTime {
        NOW + Duration::from_secs(secs)
    }

    #[test]
    fn a_token_reads_back_and_other_texts_do_not() {
        let token = RefreshToken::first();
        let read = RefreshToken::parse(&token.expose()).unwrap();
        assert_eq!(read.expose(), token.expose());
        assert_eq!(format!("{token:?}").matches("[redacted]").count(), 2);
        let text = token.expose();
        for other in ["", ".", "a.b", &text[1..], &format!("{text}x"), &text.replace('.', "!")] {
            assert!(RefreshToken::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn the_loser_of_a_race_gets_the_same_successor_for_ten_seconds() {
        let first = RefreshToken::first();
        let (state, successor) = RefreshState::rotate(&first, NOW, END);
        assert!(matches!(state.judge(&successor, NOW), Offered::Current));
        for now in [NOW, after(10)] {
            match state.judge(&first, now) {
                Offered::Raced(token) => assert_eq!(token.expose(), successor.expose()),
                other => panic!("{other:?}"),
            }
        }
        let late = after(10) + Duration::from_millis(1);
        assert!(matches!(state.judge(&first, late), Offered::Stolen));
    }

    #[test]
    fn once_the_successor_is_used_its_predecessor_is_stolen() {
        let first = RefreshToken::first();
        let (_, second) = RefreshState::rotate(&first, NOW, END);
        let (state, _) = RefreshState::rotate(&second, NOW, END);
        assert!(matches!(state.judge(&first, NOW), Offered::Stolen));
        assert!(matches!(state.judge(&second, NOW), Offered::Raced(_)));
    }

    #[test]
    fn a_secret_that_was_never_ours_is_stolen() {
        let token = RefreshToken::first();
        let state = RefreshState::new(&token, END);
        let guess = RefreshToken { secret: Opaque::random(), ..token };
        assert!(matches!(state.judge(&guess, NOW), Offered::Stolen));
    }
}
