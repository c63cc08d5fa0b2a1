//! Registered clients: who they are and where their users may be sent back to.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::{keys::Algorithm, secret::ClientSecret};

/// A `client_id`: RFC 6749 section 2.2.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(transparent)]
pub(crate) struct ClientId(String);

impl ClientId {
    pub(crate) fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One registered client.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) id: ClientId,
    /// Absent for a public client.
    pub(crate) secret: Option<ClientSecret>,
    pub(crate) redirects: Vec<RedirectRule>,
    /// What its tokens are signed with; absent, the provider's default.
    pub(crate) algorithm: Option<Algorithm>,
}

impl Client {
    /// `demo-client`: public, sent back to any loopback address.
    pub(crate) fn demo() -> Self {
        Self {
            id: ClientId::new("demo-client"),
            secret: None,
            redirects: vec![RedirectRule::AnyLoopback],
            algorithm: None,
        }
    }

    /// `mcp-auth`: confidential, with the secret `dev-secret`.
    pub(crate) fn mcp_auth() -> Self {
        Self {
            id: ClientId::new("mcp-auth"),
            secret: Some(ClientSecret::new("dev-secret")),
            ..Self::demo()
        }
    }

    /// Reads the JSON of `--client`.
    ///
    /// # Errors
    /// Where it is no such object, or holds an empty id or secret or a useless redirect URI.
    pub(crate) fn from_json(json: &str) -> Result<Self, BadClient> {
        let raw: RawClient = serde_json::from_str(json)?;
        if raw.client_id.as_str().is_empty() {
            return Err(BadClient::Empty("client_id"));
        }
        if raw.client_secret.as_ref().is_some_and(ClientSecret::is_empty) {
            return Err(BadClient::Empty("client_secret"));
        }
        let redirects = raw.redirect_uris.iter().map(|uri| RedirectRule::parse(uri));
        Ok(Self {
            id: raw.client_id,
            secret: raw.client_secret,
            redirects: redirects.collect::<Result<_, _>>()?,
            algorithm: raw.algorithm,
        })
    }

    /// The address to send a user back to, if it is one of this client's.
    pub(crate) fn redirect(&self, uri: &str) -> Option<Url> {
        let url = Url::parse(uri).ok()?;
        self.redirects.iter().any(|rule| rule.allows(uri, &url)).then_some(url)
    }

    /// Whether a user may be sent to `url` after a logout: anywhere at the origins that this
    /// client's logins return to.
    pub(crate) fn allows_logout_to(&self, url: &Url) -> bool {
        self.redirects.iter().any(|rule| match rule {
            RedirectRule::AnyLoopback => is_loopback(url),
            RedirectRule::Exact(uri) => {
                Url::parse(uri).is_ok_and(|u| u.origin().is_tuple() && u.origin() == url.origin())
            }
        })
    }
}

/// Why the JSON of a client is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadClient {
    #[error("no client: {0}")]
    Json(#[from] serde_json::Error),
    #[error("{0} is empty")]
    Empty(&'static str),
    #[error("redirect_uris: {0:?} is neither \"loopback\" nor an absolute URI without fragment")]
    Redirect(String),
}

/// Where users may be sent back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RedirectRule {
    /// `http` to 127.0.0.1, ::1 or localhost; any port, any path.
    AnyLoopback,
    /// This URI to the byte; the port is free where it is a loopback address (RFC 8252 section
    /// 7.3).
    Exact(String),
}

impl RedirectRule {
    fn parse(uri: &str) -> Result<Self, BadClient> {
        if uri == "loopback" {
            return Ok(Self::AnyLoopback);
        }
        match Url::parse(uri) {
            Ok(url) if url.fragment().is_none() => Ok(Self::Exact(uri.to_owned())),
            Ok(_) | Err(_) => Err(BadClient::Redirect(uri.to_owned())),
        }
    }

    fn allows(&self, uri: &str, url: &Url) -> bool {
        match self {
            Self::AnyLoopback => is_loopback(url) && url.fragment().is_none(),
            Self::Exact(registered) => {
                uri == registered || Url::parse(registered).is_ok_and(|r| same_but_port(&r, url))
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClient {
    client_id: ClientId,
    client_secret: Option<ClientSecret>,
    #[serde(default = "any_loopback")]
    redirect_uris: Vec<String>,
    algorithm: Option<Algorithm>,
}

fn any_loopback() -> Vec<String> {
    vec!["loopback".to_owned()]
}

fn is_loopback(url: &Url) -> bool {
    let loopback_host = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "http" && loopback_host && url.username().is_empty() && url.password().is_none()
}

fn same_but_port(registered: &Url, url: &Url) -> bool {
    let (mut a, mut b) = (registered.clone(), url.clone());
    let portless = a.set_port(None).is_ok() && b.set_port(None).is_ok();
    is_loopback(registered) && portless && a == b
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(client: &Client, uri: &str) -> bool {
        client.redirect(uri).is_some()
    }

    #[test]
    fn the_demo_client_returns_to_loopback_only() {
        let client = Client::demo();
        for good in ["http://127.0.0.1:1/cb", "http://localhost:65000/x?y=1", "http://[::1]/"] {
            assert!(allows(&client, good), "{good}");
        }
        for bad in [
            "https://evil.example/cb",
            "http://localhost.evil.example/cb",
            "http://127.0.0.1@evil.example/",
            "http://user@127.0.0.1/",
            "http://127.0.0.1/#f",
            "javascript:alert(1)",
            "/cb",
        ] {
            assert!(!allows(&client, bad), "{bad}");
        }
    }

    #[test]
    fn a_registered_uri_is_compared_whole_but_for_a_loopback_port() {
        let client = Client::from_json(
            r#"{"client_id":"x","redirect_uris":["https://a.example/cb","http://127.0.0.1/cb"]}"#,
        )
        .unwrap();
        assert!(allows(&client, "https://a.example/cb"));
        assert!(allows(&client, "http://127.0.0.1:4711/cb"));
        for bad in [
            "https://a.example/cb/",
            "https://a.example:8443/cb",
            "https://a.example/cb?x",
            "http://127.0.0.1:4711/other",
            "http://localhost:4711/cb",
        ] {
            assert!(!allows(&client, bad), "{bad}");
        }
    }

    #[test]
    fn a_client_with_unknown_or_empty_members_is_refused() {
        for bad in [
            r#"{"client_id":""}"#,
            r#"{"client_id":"x","client_secret":""}"#,
            r#"{"client_id":"x","redirect_uri":"loopback"}"#,
            r#"{"client_id":"x","redirect_uris":["/cb"]}"#,
            r#"{"client_id":"x","algorithm":"HS256"}"#,
            "x",
        ] {
            assert!(Client::from_json(bad).is_err(), "{bad}");
        }
    }
}
