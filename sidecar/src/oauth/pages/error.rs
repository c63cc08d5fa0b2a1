//! What the user reads when the client is not told, or not yet.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use maud::html;

use super::Page;
use crate::{
    config::oauth::Brand,
    oauth::{error::OAuthError, reply::Website},
};

/// The page of an error, with the way to the client's website if it has one that may be told.
pub(in super::super) fn page(
    brand: &Brand,
    error: &OAuthError,
    website: Option<&Website>,
) -> Response {
    // 401 is for clients that prove who they are, which a browser is not asked for.
    let status = match error.status() {
        StatusCode::UNAUTHORIZED => StatusCode::BAD_REQUEST,
        other => other,
    };
    let body = html! {
        h1 { "That did not work" }
        p role="alert" { (sentence(error)) }
        @if matches!(error, OAuthError::InvalidClient(_)) {
            p { "If your app goes on like this, remove its connection there and connect it anew." }
        }
        @if let Some(Website { host, address }) = website {
            p { a href=(address) rel="noreferrer" { "Go on to " strong { (host) } } }
            p.warning {
                "Everybody can send links that lead to this page. If you do not know "
                (host) ", do not go there."
            }
        }
        p.soft { "You can close this page." }
        p.soft { "Error code: " code { (error.code()) } }
    };
    let page = Page { status, title: "Error", body, form_action: "'none'" };
    let mut answer = page.answer(brand);
    if let Some(seconds) = error.retry_after() {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

/// As a sentence of its own.
fn sentence(error: &OAuthError) -> String {
    let text = error.description();
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), letters.as_str()),
        None => text,
    }
}
