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

use crate::{clock::Clock, cookie, error::Refusal, secret::Secret};

const COOKIE: &str = "mcp_auth_page";
/// A working day.
const LOGIN_SECS: u64 = 12 * 3600;

/// Makes and checks cookies and form values. Where a token is set they are made from it, so that
/// every replica knows them and all end when it changes.
#[derive(Clone)]
pub struct Keys {
    token: Option<Secret>,
    key: Secret,
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
    pub fn new(token: Option<&Secret>, clock: Clock) -> Self {
        let random = || Secret::new(URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
        Self { key: token.cloned().unwrap_or_else(random), token: token.cloned(), clock }
    }

    pub(super) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// The cookie for whoever knows the token.
    pub(super) fn admit(&self, offered: &str) -> Option<String> {
        if !self.token.as_ref()?.matches(offered.trim().as_bytes()) {
            return None;
        }
        let end = self.now().secs() + LOGIN_SECS;
        let mac = self.mac("login", &end.to_string());
        let limits = format!("Path=/; Max-Age={LOGIN_SECS}; HttpOnly; SameSite=Strict");
        Some(format!("{COOKIE}={end}.{mac}; {limits}"))
    }

    pub(super) fn farewell() -> String {
        format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict")
    }

    pub(super) fn visitor(&self, headers: &HeaderMap) -> Option<Visitor> {
        if self.token.is_none() {
            return Some(Visitor { csrf: self.mac("form", ""), logged_in: false });
        }
        cookie::values(headers, COOKIE).find_map(|cookie| {
            let (end, mac) = cookie.split_once('.')?;
            let is_ours = same(mac, &self.mac("login", end));
            let lasts = end.parse::<u64>().is_ok_and(|end| end > self.now().secs());
            let csrf = self.mac("form", cookie);
            (is_ours && lasts).then_some(Visitor { csrf, logged_in: true })
        })
    }

    fn mac(&self, purpose: &str, text: &str) -> String {
        let key = self.key.expose().as_bytes();
        let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
        let mac = mac.chain_update("mcp-auth page 1 ").chain_update(purpose);
        URL_SAFE_NO_PAD.encode(mac.chain_update([0]).chain_update(text).finalize().into_bytes())
    }
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
