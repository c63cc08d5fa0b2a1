//! The cookie by which a browser stays logged in.

use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};

use crate::{issuer::Issuer, secret::Opaque};

const NAME: &str = "dev_idp_session";

/// The session that the browser claims to have.
pub(crate) fn session(jar: &CookieJar) -> Option<Opaque> {
    jar.get(NAME).map(|cookie| Opaque::presented(cookie.value()))
}

/// `Secure` wherever the issuer is reached by https; a loopback address has no certificate.
pub(crate) fn remember(jar: CookieJar, session: &Opaque, issuer: &Issuer) -> CookieJar {
    let cookie = Cookie::build((NAME, session.expose().to_owned()))
        .path("/")
        .http_only(true)
        .secure(issuer.is_https())
        .same_site(SameSite::Lax);
    jar.add(cookie)
}

pub(crate) fn forget(jar: CookieJar) -> CookieJar {
    jar.remove(Cookie::build(NAME).path("/"))
}
