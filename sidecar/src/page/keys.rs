//! Who is at the page: the cookie of a login, and the value its forms carry.

use auth_core::time::UnixTime;
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::{clock::Clock, cookie, error::Refusal, secret::Secret, tokens::Tokens};

const COOKIE: &str = "mcp_auth_page";
/// A working day.
const LOGIN_SECS: u64 = 12 * 3600;

/// Makes and checks cookies and form values. Where tokens are set they are made from the first, so
/// that every replica knows them, and end when that one counts no more.
#[derive(Clone)]
pub struct Keys {
    tokens: Option<Tokens>,
    /// Where no token is set.
    random: Secret,
    clock: Clock,
}

/// Somebody who may see the page.
#[derive(Clone)]
pub(super) struct Visitor {
    /// The value of a form.
    pub(super) csrf: String,
    /// Whether there is a login to end.
    pub(super) logged_in: bool,
}

impl Keys {
    /// Without a token everybody who reaches the listener is let in.
    pub fn new(tokens: Option<&Tokens>, clock: Clock) -> Self {
        let random = Secret::new(URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
        Self { tokens: tokens.cloned(), random, clock }
    }

    pub(super) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// The cookie for whoever knows the token.
    pub(super) fn admit(&self, offered: &str) -> Option<String> {
        let tokens = self.tokens.as_ref()?;
        if !tokens.matches(offered.trim().as_bytes()) {
            return None;
        }
        let end = self.now().secs() + LOGIN_SECS;
        let mac = mac(&tokens.first(), "login", &end.to_string());
        let limits = format!("Path=/; Max-Age={LOGIN_SECS}; HttpOnly; SameSite=Strict");
        Some(format!("{COOKIE}={end}.{mac}; {limits}"))
    }

    pub(super) fn farewell() -> String {
        format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict")
    }

    pub(super) fn visitor(&self, headers: &HeaderMap) -> Option<Visitor> {
        let Some(tokens) = &self.tokens else {
            return Some(Visitor { csrf: mac(&self.random, "form", ""), logged_in: false });
        };
        let tokens = tokens.all();
        cookie::values(headers, COOKIE).find_map(|cookie| {
            let (end, offered) = cookie.split_once('.')?;
            let token = tokens.iter().find(|token| same(offered, &mac(token, "login", end)))?;
            let lasts = end.parse::<u64>().is_ok_and(|end| end > self.now().secs());
            lasts.then(|| Visitor { csrf: mac(token, "form", cookie), logged_in: true })
        })
    }
}

fn mac(key: &Secret, purpose: &str, text: &str) -> String {
    let key = key.expose().as_bytes();
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    let mac = mac.chain_update("mcp-auth page 1 ").chain_update(purpose);
    URL_SAFE_NO_PAD.encode(mac.chain_update([0]).chain_update(text).finalize().into_bytes())
}

impl Visitor {
    /// Whether a form came from a page made for this visitor.
    pub(super) fn made(&self, csrf: &str) -> bool {
        same(csrf, &self.csrf)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        parts.extensions.get::<Self>().cloned().ok_or(Refusal::Unauthenticated)
    }
}

fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}
