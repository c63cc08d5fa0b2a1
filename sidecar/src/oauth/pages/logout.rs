//! Ending the login at the identity provider.

use axum::{http::StatusCode, response::Response};
use maud::html;
use url::Url;

use super::{Page, consent::form_action};
use crate::config::oauth::Brand;

/// Asks whether the user wants to log out.
pub(in super::super) fn ask(brand: &Brand, action: &str, provider: &Url) -> Response {
    let host = provider.host_str().unwrap_or_default();
    let body = html! {
        h1 { "Log out?" }
        p { "You will be logged out at " strong { (host) } " in this browser." }
        p { "Apps that you have connected stay connected. Disconnect them in the app itself." }
        form action=(action) method="post" {
            div.choice { button.main type="submit" { "Log out" } }
        }
    };
    let form_action = form_action(&[provider]);
    Page { status: StatusCode::OK, title: "Log out", body, form_action: &form_action }.answer(brand)
}

/// Says that it is done.
pub(in super::super) fn done(brand: &Brand) -> Response {
    let body = html! {
        h1 { "You are logged out" }
        p { "You can close this page." }
    };
    Page { status: StatusCode::OK, title: "Logged out", body, form_action: "'none'" }.answer(brand)
}
