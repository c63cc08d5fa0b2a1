//! What users see of the authorization server. No page runs a script, loads anything but the
//! operator's logo, or lets itself be framed.

pub(super) mod consent;
pub(super) mod error;
pub(super) mod logout;

use std::sync::LazyLock;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use crate::config::oauth::Brand;

/// The style is part of every page, so that pages need no address of their own for it; its hash
/// is the only style that the browser takes.
const STYLE: &str = include_str!("style.css");
static STYLE_HASH: LazyLock<String> =
    LazyLock::new(|| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(STYLE))));

/// A page.
struct Page<'p> {
    status: StatusCode,
    title: &'p str,
    body: Markup,
    /// Where its forms may lead, redirects included, as `form-action` has it.
    form_action: &'p str,
}

impl Page<'_> {
    fn answer(self, brand: &Brand) -> Response {
        let policy = self.policy(brand);
        let name = brand.name.as_deref().unwrap_or("mcp-auth");
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="robots" content="noindex";
                    title { (self.title) " · " (name) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    @if brand.name.is_some() || brand.logo.is_some() {
                        header {
                            // Beside the name the logo says nothing new.
                            @if let Some(logo) = &brand.logo {
                                img src=(logo) alt=(if brand.name.is_some() { "" } else { name }) height="32";
                            }
                            @if let Some(name) = &brand.name { span { (name) } }
                        }
                    }
                    main { (self.body) }
                }
            }
        };
        let headers = [
            (header::CONTENT_SECURITY_POLICY, policy),
            (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            // `no-referrer` would make the Origin of our own forms `null`.
            (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        (self.status, headers, page).into_response()
    }

    fn policy(&self, brand: &Brand) -> HeaderValue {
        let style = STYLE_HASH.as_str();
        let logo = brand.logo.as_ref().map(|logo| logo.url().origin().ascii_serialization());
        let images = logo.map_or_else(String::new, |origin| format!("img-src {origin}; "));
        let policy = format!(
            "default-src 'none'; style-src {style}; {images}form-action {}; base-uri 'none'; \
             frame-ancestors 'none'",
            self.form_action
        );
        HeaderValue::from_str(&policy).expect("origins and schemes are plain ASCII")
    }
}
