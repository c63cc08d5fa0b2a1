//! The kinds of values that variables hold. Each parser says what is wrong, without the name.

use std::{fmt, net::IpAddr, time::Duration};

use auth_core::time::parse_duration;
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use url::{Host, Url};
use zeroize::Zeroizing;

/// Hosts for which `http:` is accepted; loopback always is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpHosts(Vec<String>);

/// A URL, as it was given and as it is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUrl {
    text: String,
    url: Url,
}

/// 256 bits of key material; `Debug` prints `[redacted]`.
#[derive(Clone)]
pub struct Key256(Zeroizing<[u8; 32]>);

impl HttpHosts {
    pub(super) fn parse(text: Option<&str>) -> Result<Self, String> {
        let hosts = list(text.unwrap_or(""))?;
        let parse = |host: &String| Host::parse(host).map(|host| host.to_string());
        let parsed = hosts.iter().map(parse).collect::<Result<_, _>>();
        parsed.map(Self).map_err(|_| "has something that is no host name".to_owned())
    }

    /// Whether `http:` may be used with this URL's host.
    pub fn allow(&self, url: &Url) -> bool {
        let named = url.host_str().is_some_and(|host| self.0.iter().any(|it| it == host));
        named || is_loopback(url)
    }
}

impl GivenUrl {
    /// An absolute URL without user, query or fragment: `https:`, or `http:` where allowed.
    pub(crate) fn parse(text: &str, http: &HttpHosts) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|_| "is not an absolute URL".to_owned())?;
        match url.scheme() {
            "https" => {}
            "http" if http.allow(&url) => {}
            "http" => {
                return Err("is http: for a host that is neither loopback nor in \
                            MCP_AUTH_INSECURE_HTTP_HOSTS"
                    .to_owned());
            }
            _ => return Err("is not an https: URL".to_owned()),
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("has a query or fragment".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("has a user or password".to_owned());
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control() || !c.is_ascii()) {
            return Err("has characters that no URL has".to_owned());
        }
        Ok(Self { text: text.to_owned(), url })
    }

    /// Byte for byte what was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it means.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

impl fmt::Display for GivenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Key256 {
    /// The bytes, for whoever derives or encrypts with them.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 hex digits.
    pub(crate) fn from_hex(text: &str) -> Result<Self, String> {
        let refused = || "must be 64 hex digits, or several such separated by commas".to_owned();
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(refused());
        }
        let mut key = Zeroizing::new([0; 32]);
        for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| refused())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| refused())?;
        }
        Ok(Self(key))
    }

    /// A Fernet key: base64url of 32 bytes, padded or not.
    ///
    /// # Errors
    /// A sentence that says what it must be.
    pub fn from_fernet(text: &str) -> Result<Self, String> {
        let lenient =
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let decoded = GeneralPurpose::new(&alphabet::URL_SAFE, lenient).decode(text);
        let decoded = Zeroizing::new(decoded.unwrap_or_default());
        match <[u8; 32]>::try_from(decoded.as_slice()) {
            Ok(key) => Ok(Self(Zeroizing::new(key))),
            Err(_) => {
                Err("must be a Fernet key (base64url of 32 bytes), or several separated by commas"
                    .to_owned())
            }
        }
    }
}

impl fmt::Debug for Key256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A duration of at least a second.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(duration) if duration < Duration::from_secs(1) => {
            Err("must be at least a second".to_owned())
        }
        parsed => parsed.map_err(|refused| refused.to_string()),
    }
}

/// Comma-separated parts, none empty and none twice; an empty text has none.
pub(super) fn list(text: &str) -> Result<Vec<String>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let parts: Vec<String> = text.split(',').map(|part| part.trim().to_owned()).collect();
    if parts.iter().any(String::is_empty) {
        return Err("has an empty part".to_owned());
    }
    let mut sorted = parts.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() < parts.len() {
        return Err("has a part twice".to_owned());
    }
    Ok(parts)
}

/// RFC 6749 §3.3.
pub(super) fn is_scope(text: &str) -> bool {
    let allowed = |byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    !text.is_empty() && text.bytes().all(allowed)
}

/// `localhost`, and addresses of which no other machine has any.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}
