//! The pages a person sees: plain HTML, no script, light and dark.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{
        StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
            X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
        },
    },
    response::{IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};

use crate::{app::App, config::Config, oauth_error::OAuthError};

/// No `form-action`: browsers apply it to the redirect that follows a login as well.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What stands at `/`: where everything is.
pub(crate) async fn home(State(app): State<Arc<App>>) -> Response {
    let issuer = &app.config.issuer;
    let discovery = issuer.endpoint("/.well-known/openid-configuration");
    let body = html! {
        h1 { "Identity provider" }
        p { "Issuer: " code { (issuer) } }
        p { a href=(discovery) { "Discovery document" } }
        p { "Knobs for tests: " code { "POST /dev/token" } ", " code { "POST /dev/rotate" } ", "
            code { "POST /dev/fault" } ", " code { "GET /dev/stats" } "." }
    };
    page(StatusCode::OK, "Identity provider", &body)
}

/// The login page of the request `id`; `complaint` says what was wrong with the last try.
pub(crate) fn login(
    config: &Config,
    id: &str,
    client: &str,
    hint: &str,
    complaint: Option<&str>,
) -> Response {
    let status = if complaint.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let body = html! {
        h1 { "Log in" }
        p { "The application " strong { (client) } " asks who you are. Choose anyone." }
        form method="post" action="/u/login" {
            input type="hidden" name="state" value=(id);
            fieldset {
                legend { "Log in as" }
                @for user in &config.users {
                    button type="submit" name="username" value=(user.username()) {
                        (user.username())
                    }
                }
            }
        }
        form method="post" action="/u/login" {
            input type="hidden" name="state" value=(id);
            fieldset {
                legend { "Someone else" }
                @if let Some(complaint) = complaint {
                    p #complaint role="alert" { (complaint) }
                }
                label for="username" { "User name or e-mail address" }
                input #username type="text" name="username" value=(hint) maxlength="256" required
                    autocomplete="username" autocapitalize="none" spellcheck="false"
                    aria-describedby=[complaint.map(|_| "complaint")];
                label .check {
                    input type="checkbox" name="email_verified" value="false";
                    " The e-mail address is not verified"
                }
                button type="submit" { "Log in" }
            }
        }
        form method="post" action="/u/login" {
            input type="hidden" name="state" value=(id);
            button .quiet type="submit" name="action" value="deny" { "Refuse" }
        }
    };
    page(status, "Log in", &body)
}

/// An error that cannot be told to the client, for want of a trusted address to send it to.
pub(crate) fn error(error: &OAuthError) -> Response {
    tracing::info!(error = error.code.as_str(), description = %error.description, "refused");
    let body = html! {
        h1 { "This request cannot be answered" }
        p role="alert" { code { (error.code.as_str()) } ": " (error.description) }
    };
    page(StatusCode::BAD_REQUEST, "Error", &body)
}

pub(crate) fn logged_out() -> Response {
    page(StatusCode::OK, "Logged out", &html! { h1 { "You are logged out" } })
}

pub(crate) async fn stylesheet() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css"))
}

fn page(status: StatusCode, title: &str, body: &Markup) -> Response {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – development identity provider" }
                link rel="stylesheet" href="/style.css";
            }
            body {
                header {
                    strong { "For development only" }
                    span { "Anyone can log in as anyone here. No password is asked." }
                }
                main { (body) }
            }
        }
    };
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    (status, headers, document).into_response()
}
