//! The issuer identifier, from which every address of this provider is made.

use std::{fmt, net::SocketAddr};

use url::Url;

/// An issuer: OpenID Connect Discovery section 3. Kept byte for byte as it was given, since
/// clients compare it so; Auth0's end in `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issuer(String);

/// Why an address cannot be an issuer here.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum BadIssuer {
    #[error("must be an absolute http or https URL")]
    NotHttp,
    #[error("must have no path, query, fragment or user name")]
    NotBare,
}

impl Issuer {
    /// Takes `http://host[:port]` or `https://host[:port]`, with or without a final `/`.
    ///
    /// # Errors
    /// Where it is anything else.
    pub(crate) fn parse(value: &str) -> Result<Self, BadIssuer> {
        let url = Url::parse(value).map_err(|_| BadIssuer::NotHttp)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BadIssuer::NotHttp);
        }
        let origin = url.origin().ascii_serialization();
        if value != origin && value != format!("{origin}/") {
            return Err(BadIssuer::NotBare);
        }
        Ok(Self(value.to_owned()))
    }

    /// The issuer that answers at `address`; the port is left out where http implies it.
    pub(crate) fn at(address: SocketAddr) -> Result<Self, BadIssuer> {
        let url = Url::parse(&format!("http://{address}/")).map_err(|_| BadIssuer::NotHttp)?;
        Self::parse(url.as_str())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The address of `path`, which starts with `/`.
    pub(crate) fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.0.trim_end_matches('/'))
    }

    pub(crate) fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_kept_byte_for_byte() {
        for value in ["http://127.0.0.1:9000/", "https://tenant.example", "http://[::1]:9000/"] {
            let issuer = Issuer::parse(value).unwrap();
            assert_eq!(issuer.as_str(), value);
            assert_eq!(issuer.endpoint("/x"), format!("{}/x", value.trim_end_matches('/')));
        }
    }

    #[test]
    fn an_address_is_an_issuer_without_the_implied_port() {
        for (address, issuer) in
            [("127.0.0.1:80", "http://127.0.0.1/"), ("[::1]:9000", "http://[::1]:9000/")]
        {
            assert_eq!(Issuer::at(address.parse().unwrap()).unwrap().as_str(), issuer);
        }
    }

    #[test]
    fn anything_but_a_bare_http_address_is_refused() {
        assert_eq!(Issuer::parse("tenant.auth0.com"), Err(BadIssuer::NotHttp));
        assert_eq!(Issuer::parse("ftp://a/"), Err(BadIssuer::NotHttp));
        for value in ["http://a/b", "http://a/?q", "http://a/#f", "http://u@a/", "HTTP://A/"] {
            assert_eq!(Issuer::parse(value), Err(BadIssuer::NotBare), "{value}");
        }
    }
}
