//! The tokens of the internal API, `MCP_AUTH_TOKEN`: commands send the first, the service takes each.
//!
//! A bearer token has no comma (RFC 6750 §2.1), so commas separate several: the new one can be given
//! out while the old one still counts.

use std::{fmt, sync::Arc};

use axum::http::HeaderMap;

use crate::{live::Live, secret::Secret};

/// At least one token. `Debug` prints none.
#[derive(Clone)]
pub struct Tokens(Live<Vec<Secret>>);

impl Tokens {
    /// From the text of the variable: printable ASCII without spaces, so that a header can carry it.
    pub fn parse(text: &str) -> Option<Self> {
        let is_token =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic());
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let tokens = || parts.iter().map(|part| Secret::new(*part)).collect();
        parts.iter().all(|part| is_token(part)).then(|| Self(Live::new(tokens())))
    }

    /// All of them, the one to send first.
    pub fn all(&self) -> Arc<Vec<Secret>> {
        self.0.now()
    }

    /// The one to send.
    pub fn first(&self) -> Secret {
        self.all()[0].clone()
    }

    /// Whether `offered` is one of them.
    pub fn matches(&self, offered: &[u8]) -> bool {
        self.place(|token| token.matches(offered)).is_some()
    }

    /// Whether a request carries one of them as its one bearer token.
    pub fn is_borne_by(&self, headers: &HeaderMap) -> bool {
        let place = self.place(|token| token.is_borne_by(headers));
        if let Some(place) = place {
            let which = if place == 0 { "first" } else { "older" };
            metrics::counter!("mcp_auth_token_uses_total", "token" => which).increment(1);
        }
        place.is_some()
    }

    /// From now on others count.
    pub fn replace(&self, others: &Self) {
        self.0.replace(others.all().to_vec());
    }

    /// Every one is tried, so that the time does not tell which it is.
    fn place(&self, is_it: impl Fn(&Secret) -> bool) -> Option<usize> {
        let tokens = self.all();
        let found: Vec<bool> = tokens.iter().map(is_it).collect();
        found.iter().position(|found| *found)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_several_tokens_counts_and_the_first_is_sent() {
        let tokens = Tokens::parse("new, old").unwrap();
        assert!(tokens.matches(b"new") && tokens.matches(b"old"));
        assert!(!tokens.matches(b"new, old") && !tokens.matches(b""));
        assert_eq!(tokens.first().expose(), "new");
        tokens.replace(&Tokens::parse("newest").unwrap());
        assert!(tokens.matches(b"newest") && !tokens.matches(b"new"));
        assert_eq!(format!("{tokens:?}"), "[redacted]");
    }

    #[test]
    fn what_no_header_carries_is_no_token() {
        for text in ["", ",", "a,", "a b", "a,b c", "\u{e4}"] {
            assert!(Tokens::parse(text).is_none(), "{text}");
        }
    }
}
