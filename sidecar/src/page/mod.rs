//! The operators' web page: who is in, and a way to throw somebody out.
//!
//! Plain forms, no script. Where a token is set, a login form takes it and sets a cookie that
//! only this page gets back; every form that changes something carries a value made for that
//! cookie, and asks before it does anything.

mod forms;
mod keys;
mod views;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use maud::Markup;

pub use self::keys::Keys;
use self::{
    forms::{Filter, Form, Target},
    keys::Visitor,
};
use crate::{error::Refusal, routes::Internal, sessions::NoPage};

/// How many sessions the page shows at once.
const SHOWN: usize = 100;
/// Nothing but the page's own style and forms; nobody may frame it.
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// The page's routes.
pub fn router(internal: &Internal) -> Router<Internal> {
    Router::new()
        .route("/", get(sessions))
        .route("/revoke", get(ask).post(revoke))
        .route_layer(from_fn_with_state(internal.clone(), visitors_only))
        .route("/login", get(login_form).post(login))
        .route("/logout", get(async || Redirect::to("/")).post(logout))
        .route("/style.css", get(style))
        .route_layer(from_fn(hardened))
}

async fn sessions(State(internal): State<Internal>, visitor: Visitor, filter: Filter) -> Response {
    let holder = filter.holder();
    let cursor = filter.cursor.as_deref();
    match internal.sessions.list(holder.as_ref(), cursor, SHOWN).await {
        Ok(listing) => {
            views::sessions(&listing, &filter, &visitor, internal.page.now()).into_response()
        }
        Err(NoPage::Unreadable(_) | NoPage::Gone) => Redirect::to("/").into_response(),
        Err(NoPage::Store(failure)) => failed(failure.into()),
    }
}

async fn ask(
    State(internal): State<Internal>,
    visitor: Visitor,
    target: Target,
) -> Result<Markup, Response> {
    let known = match &target {
        Target::Session(id) => internal.sessions.get(id).await.map_err(|why| failed(why.into()))?,
        Target::Holder(_) => None,
    };
    Ok(views::ask(&target, known.as_ref(), &visitor))
}

async fn revoke(
    State(internal): State<Internal>,
    visitor: Visitor,
    Form(form): Form,
) -> Result<Redirect, Response> {
    if !visitor.made(form.get("csrf").map_or("", String::as_str)) {
        return Err(failed(Refusal::Forbidden("the form is too old: go back and load it again")));
    }
    let target = Target::of(&form).map_err(failed)?;
    let done = match &target {
        Target::Session(id) => internal.sessions.revoke(id).await,
        Target::Holder(holder) => internal.sessions.revoke_all(holder).await.map(drop),
    };
    done.map_err(|failure| failed(failure.into()))?;
    tracing::info!(?target, "revoked on the page");
    Ok(Redirect::to("/?done=1"))
}

async fn login_form() -> Markup {
    views::login(false)
}

async fn login(State(internal): State<Internal>, Form(form): Form) -> Response {
    match internal.page.admit(form.get("token").map_or("", String::as_str)) {
        Some(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response(),
        None => {
            tracing::warn!("a login with a wrong token was refused");
            (axum::http::StatusCode::FORBIDDEN, views::login(true)).into_response()
        }
    }
}

async fn logout() -> impl IntoResponse {
    ([(header::SET_COOKIE, Keys::farewell())], Redirect::to("/"))
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css"))
}

async fn visitors_only(
    State(internal): State<Internal>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(visitor) = internal.page.visitor(request.headers()) else {
        return Redirect::to("/login").into_response();
    };
    request.extensions_mut().insert(visitor);
    next.run(request).await
}

async fn hardened(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // `no-referrer` would make the Origin of our own forms `null`.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A refusal for people.
#[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
fn failed(refusal: Refusal) -> Response {
    if refusal.status().is_server_error() {
        tracing::error!(cause = %refusal, "the page could not be served");
    }
    (refusal.status(), views::failure(&refusal.description())).into_response()
}

#[cfg(test)]
mod tests;
