//! The question to the user: may this app have this access (RFC 9700 §4.7.1)?
//!
//! It is asked at every login, because everybody can register a client under any name, and the
//! provider may answer without asking anything.

use axum::{http::StatusCode, response::Response};
use maud::{Markup, html};
use url::{Host, Url};

use super::Page;
use crate::{
    config::oauth::OAuthConfig,
    oauth::{client::Client, request::AuthorizationRequest},
};

/// The page that asks; its form carries `sealed` to `action`.
pub(in super::super) fn page(
    config: &OAuthConfig,
    client: &Client,
    request: &AuthorizationRequest,
    (action, sealed): (&str, &str),
) -> Response {
    let provider = config.provider.issuer.url();
    let reply_to = Url::parse(request.reply_to.redirect_uri()).ok();
    let place = Place::of(reply_to.as_ref());
    let body = html! {
        h1 {
            "Give "
            @match &client.name {
                Some(name) => strong { (name) },
                None => "an app without a name",
            }
            " access?"
        }
        dl {
            dt { "App" }
            dd {
                @match described_at(client) {
                    Some(host) => { "Described at " strong { (host) } },
                    None => "It chose this name itself. Nobody has checked it.",
                }
            }
            dt { "Access to" }
            dd { code { (request.resource) } }
            dt { "It may" }
            dd { ul { @for scope in &request.scopes { li { code { (scope) } } } } }
            dt { "The answer goes to" }
            dd { (place.name()) }
        }
        @if let Some(warning) = warning(client, &place) { p.warning { (warning) } }
        form action=(action) method="post" {
            input type="hidden" name="consent" value=(sealed);
            div.choice {
                button.main type="submit" name="decision" value="allow" { "Allow" }
                button type="submit" name="decision" value="deny" { "Deny" }
            }
        }
        p.soft {
            "Allow only what you have just started yourself. Next you log in at "
            (provider.host_str().unwrap_or_default()) "."
        }
    };
    let targets: Vec<&Url> = [Some(provider), reply_to.as_ref()].into_iter().flatten().collect();
    let form_action = form_action(&targets);
    let page =
        Page { status: StatusCode::OK, title: "Give access", body, form_action: &form_action };
    page.answer(&config.brand)
}

/// Where a form may lead: browsers apply `form-action` to all redirects that follow, so the
/// provider, whoever it asks in turn, and the client at the end must be in it.
pub(super) fn form_action(targets: &[&Url]) -> String {
    let mut sources = vec!["'self'".to_owned(), "https:".to_owned()];
    for target in targets {
        let source = match (target.scheme(), target.host()) {
            ("https", _) => continue,
            // No source expression has a literal IPv6 address.
            ("http", Some(Host::Ipv6(_))) => "http:".to_owned(),
            ("http", _) => target.origin().ascii_serialization(),
            (scheme, _) => format!("{scheme}:"),
        };
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    sources.join(" ")
}

/// Where the code is sent.
enum Place {
    ThisMachine,
    Host(String),
    AppOf(String),
}

impl Place {
    fn of(url: Option<&Url>) -> Self {
        match url.map(|url| (url.scheme(), url.host_str())) {
            Some(("https", Some(host))) => Self::Host(host.to_owned()),
            // Only loopback has `http:`.
            Some(("http", _)) => Self::ThisMachine,
            Some((scheme, _)) => Self::AppOf(scheme.to_owned()),
            None => Self::Host(String::new()),
        }
    }

    fn name(&self) -> Markup {
        match self {
            Self::ThisMachine => html! { "a program on " strong { "this computer" } },
            Self::Host(host) => html! { strong { (host) } },
            Self::AppOf(scheme) => html! {
                "the program on this device that opens " code { (scheme) ":" } " links"
            },
        }
    }
}

/// What the user cannot see otherwise.
fn warning(client: &Client, place: &Place) -> Option<&'static str> {
    let registered = described_at(client).is_none();
    match place {
        Place::ThisMachine => Some(
            "Any program on this computer can ask in this name. If you have not just started a \
             login in a program here, choose Deny.",
        ),
        Place::AppOf(_) => Some(
            "Any program on this device can ask in this name and open such links. If you have not \
             just started a login in an app here, choose Deny.",
        ),
        Place::Host(_) if registered => {
            Some("Whoever runs the site above gets the access. If you do not know it, choose Deny.")
        }
        Place::Host(_) => None,
    }
}

/// The host that vouches for what the client says of itself: the one of its metadata document.
fn described_at(client: &Client) -> Option<String> {
    let url = Url::parse(&client.client_id).ok().filter(|url| url.scheme() == "https")?;
    url.host_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_may_lead_to_the_provider_and_the_client_only() {
        let form_action = |urls: &[&str]| {
            let urls: Vec<Url> = urls.iter().map(|url| Url::parse(url).unwrap()).collect();
            form_action(&urls.iter().collect::<Vec<_>>())
        };
        assert_eq!(form_action(&["https://idp/", "https://app/cb"]), "'self' https:");
        assert_eq!(
            form_action(&["http://127.0.0.1:9000/", "http://localhost:33418/cb?x"]),
            "'self' https: http://127.0.0.1:9000 http://localhost:33418"
        );
        assert_eq!(form_action(&["https://idp/", "cursor://x/cb"]), "'self' https: cursor:");
        assert_eq!(form_action(&["https://idp/", "http://[::1]:1/"]), "'self' https: http:");
    }
}
