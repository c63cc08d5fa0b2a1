//! `mcp-auth config check`: what `serve` would do.

use std::fmt::Write;

use crate::config::{Config, StoreConfig, values::GivenUrl};

/// The configuration in words, without secrets.
pub fn describe(config: &Config) -> String {
    let token = match &config.tokens {
        Some(_) => "asked for [redacted]",
        None => "not asked for: only this machine reaches the listener",
    };
    let store = match &config.store {
        StoreConfig::Embedded(folder) => format!("embedded, in {}", folder.display()),
        StoreConfig::Redis(address) => address.to_string(),
    };
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        writeln!(text, "{name:<20} {value}").expect("a String takes all text");
    };
    line("internal listener", &format!("http://{}", config.internal_listen));
    line("token", token);
    line("store", &store);
    line("revocations kept", &format!("{:?}", config.revocation_ttl));
    match &config.oauth {
        None => line("public listener", "closed: neither AUTH0_DOMAIN nor OIDC_ISSUER is set"),
        Some(oauth) => {
            line("public listener", &format!("http://{}, as {}", config.listen, oauth.url));
            line("identity provider", oauth.provider.issuer.as_str());
            let prompt = oauth.provider.prompt.as_deref();
            line("asked of users", prompt.unwrap_or("what the provider finds necessary"));
            let resources: Vec<_> = oauth.resources.iter().map(GivenUrl::as_str).collect();
            line("resources", &resources.join(", "));
            line("scopes", &oauth.scopes.join(", "));
        }
    }
    line("user ids", &format!("{} hex digits of the hash", config.user_id_hash_digits.get()));
    text
}
