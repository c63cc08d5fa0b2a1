//! The answer to an authorization request (RFC 6749 §4.1.2): it goes to the client, in the address
//! that the user's browser is sent to, or it is a page, where no address can be trusted.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use url::{Url, form_urlencoded::Serializer};

use super::{AuthorizationServer, error::OAuthError, opaque::Opaque, pages};

/// Where a client is answered: one of its own redirect URIs, and the `state` it gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReplyTo {
    redirect_uri: String,
    state: Option<String>,
}

/// Why an authorization request comes to nothing, and who is told.
#[derive(Debug)]
pub enum Refused {
    /// The user, on a page: nobody knows yet whether the redirect URI is the client's.
    Page(OAuthError),
    /// The user, on a page from where a link leads to the client's website.
    Website(Website, OAuthError),
    /// The client.
    Client(Box<ReplyTo>, OAuthError),
}

/// The way to a client on the web.
#[derive(Debug)]
pub struct Website {
    /// Whose it is.
    pub host: String,
    /// The redirect URI with the error.
    pub address: String,
}

impl ReplyTo {
    /// For a redirect URI that was found to be the client's.
    pub(super) fn new(redirect_uri: String, state: Option<String>) -> Self {
        Self { redirect_uri, state }
    }

    /// The redirect URI as the request had it.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Hands the code out.
    pub fn code(&self, issuer: &str, code: &Opaque) -> Response {
        see_other(&self.address(issuer, &[("code", code.expose())]))
    }

    /// Why a request comes to nothing before the user was asked anything. Everybody can register a
    /// website and send people links that lead here, so nobody is sent on to one unasked (RFC 9700
    /// §4.11.2). A program on the device shows no website of somebody else's.
    pub fn refused_unasked(&self, issuer: &str, error: OAuthError) -> Refused {
        let url = Url::parse(&self.redirect_uri).ok().filter(|url| url.scheme() == "https");
        match url.as_ref().and_then(Url::host_str) {
            Some(host) => {
                let address = self.error(issuer, &error);
                Refused::Website(Website { host: host.to_owned(), address }, error)
            }
            None => Refused::Client(Box::new(self.clone()), error),
        }
    }

    fn error(&self, issuer: &str, error: &OAuthError) -> String {
        let description = error.description();
        self.address(issuer, &[("error", error.code()), ("error_description", &description)])
    }

    /// The parameters go behind what the URI has already, which stays byte for byte (§3.1.2). `iss`
    /// tells the client who answers (RFC 9207).
    fn address(&self, issuer: &str, params: &[(&str, &str)]) -> String {
        let mut query = Serializer::new(String::new());
        query.extend_pairs(params);
        if let Some(state) = &self.state {
            query.append_pair("state", state);
        }
        query.append_pair("iss", issuer);
        let separator = match self.redirect_uri.split_once('?') {
            None => "?",
            Some((_, "")) => "",
            Some((_, there)) if there.ends_with('&') => "",
            Some(_) => "&",
        };
        format!("{}{separator}{}", self.redirect_uri, query.finish())
    }
}

impl Refused {
    /// The answer.
    pub fn answer(self, server: &AuthorizationServer) -> Response {
        let error = match &self {
            Self::Page(error) | Self::Website(_, error) | Self::Client(_, error) => error,
        };
        let brand = &server.config.brand;
        error.log();
        metrics::counter!("mcp_auth_logins_total", "outcome" => error.code()).increment(1);
        match &self {
            Self::Page(error) => pages::error::page(brand, error, None),
            Self::Website(website, error) => pages::error::page(brand, error, Some(website)),
            Self::Client(reply_to, error) => {
                see_other(&reply_to.error(server.config.url.as_str(), error))
            }
        }
    }
}

/// Sends the browser on. Neither it nor what lies between keeps the address, or tells it to the
/// next page.
pub(super) fn see_other(address: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(address) else {
        let sentence = "the redirect URI has characters that no header can carry".to_owned();
        return OAuthError::InvalidRequest(sentence).into_response();
    };
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_redirect_uri_stays_as_it_is() {
        let code = Opaque::offered("c");
        for (uri, location) in [
            (
                "http://127.0.0.1:1234",
                "http://127.0.0.1:1234?code=c&state=s+%26&iss=https%3A%2F%2Fi",
            ),
            ("com.app:/cb?", "com.app:/cb?code=c&state=s+%26&iss=https%3A%2F%2Fi"),
            ("https://a/?x=%20", "https://a/?x=%20&code=c&state=s+%26&iss=https%3A%2F%2Fi"),
        ] {
            let reply_to = ReplyTo::new(uri.to_owned(), Some("s &".to_owned()));
            let answer = reply_to.code("https://i", &code);
            assert_eq!(answer.status(), StatusCode::SEE_OTHER);
            assert_eq!(answer.headers()[header::LOCATION], location);
            assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
        }
    }

    #[test]
    fn no_redirect_uri_ends_the_header() {
        let reply_to = ReplyTo::new("https://a/\r\nset-cookie: x=y".to_owned(), None);
        let answer = reply_to.code("https://i", &Opaque::offered("c"));
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert!(!answer.headers().contains_key(header::LOCATION));
    }
}
