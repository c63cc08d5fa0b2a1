//! The identity provider, by what it says of itself (OpenID Connect Discovery §4, RFC 8414): whether
//! `mcp-auth` can log users in there, and the filter verify its tokens.

use auth_core::{jwk::VerificationKey, time::UnixTime};
use reqwest::header::DATE;
use serde_json::{Map, Value};
use url::Url;

use super::{
    certificate,
    fetch::{Fetcher, Page},
    finding::Finding,
    keys,
};
use crate::config::values::{GivenUrl, HttpHosts};

/// Clocks that differ by more than this deserve a word; at the filter's `leeway` tokens fail.
const SKEW: [u64; 2] = [5, 60];

/// What was found out about a provider.
#[derive(Debug, Default)]
pub struct Provider {
    /// What was found.
    pub findings: Vec<Finding>,
    /// What it says of itself, if that is its own.
    pub metadata: Option<Map<String, Value>>,
    /// Its keys, as far as the filter can use them.
    pub keys: Vec<VerificationKey>,
}

impl Provider {
    /// A member of the metadata that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.metadata.as_ref()?.get(name)?.as_str()
    }

    /// Whether a list in the metadata has an entry; nothing if there is no such list.
    pub fn lists(&self, name: &str, entry: &str) -> Option<bool> {
        lists(self.metadata.as_ref()?, name, entry)
    }
}

/// Looks at the provider with this issuer. `within` tells for which hosts `http:` is accepted.
pub async fn check(
    fetcher: &Fetcher,
    issuer: &GivenUrl,
    within: &HttpHosts,
    now: UnixTime,
) -> Provider {
    let mut found = Provider::default();
    let base = issuer.as_str().trim_end_matches('/');
    let address = format!("{base}/.well-known/openid-configuration");
    let page = match fetcher.get(&address).await {
        Ok(page) => page,
        Err(why) => {
            let advice = certificate::advice(&why);
            let why = format!("{address} cannot be had: {why}");
            found.findings.push(Finding::fail("provider: discovery", why, advice));
            return found;
        }
    };
    found.findings.push(clock("provider", &page, now));
    found.findings.push(certificate::check("provider", &page, now));
    let metadata = match page.object() {
        Ok(metadata) => metadata,
        Err(why) => {
            let advice = "correct AUTH0_DOMAIN or OIDC_ISSUER: that address must answer with the \
                          provider's metadata";
            let why = format!("{address}: {why}");
            found.findings.push(Finding::fail("provider: discovery", why, advice));
            return found;
        }
    };
    let is_own = same_issuer(issuer.as_str(), &metadata);
    let failed = is_own.result == super::finding::Verdict::Fail;
    found.findings.push(is_own);
    if failed {
        return found;
    }
    found.findings.extend(says_of_itself(&metadata, within));
    if let Some(address) = metadata.get("jwks_uri").and_then(Value::as_str) {
        match fetcher.get(address).await {
            Ok(page) if page.status.is_success() => {
                let (findings, usable) = keys::check("provider", &page.body);
                found.findings.extend(findings);
                found.keys = usable;
            }
            other => {
                let why =
                    other.map_or_else(|why| why, |page| format!("the answer is {}", page.status));
                let why = format!("{address} cannot be had: {why}");
                let advice = "Envoy needs this address as well; see that it is reached";
                found.findings.push(Finding::fail("provider: keys", why, advice));
            }
        }
    }
    found.metadata = Some(metadata);
    found
}

/// How far the clock of a server is from ours.
pub fn clock(subject: &str, page: &Page, now: UnixTime) -> Finding {
    let check = format!("{subject}: clock");
    let date = page.headers.get(DATE).and_then(|it| it.to_str().ok());
    let Some(theirs) = date.and_then(|it| httpdate::parse_http_date(it).ok()) else {
        return Finding::not_checked(check, "its answer has no Date");
    };
    let theirs = theirs.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    let skew = theirs.abs_diff(now.secs());
    let [noteworthy, fatal] = SKEW;
    let advice = "let NTP set the clocks of this machine and of those with Envoy";
    let found = format!("its clock and this one differ by {skew} s");
    match skew {
        skew if skew >= fatal => {
            let found = format!("{found}; the filter forgives 60 s");
            Finding::fail(check, found, advice)
        }
        skew if skew > noteworthy => Finding::warn(check, found, advice),
        _ => Finding::ok(check, found),
    }
}

fn same_issuer(configured: &str, metadata: &Map<String, Value>) -> Finding {
    let check = "provider: discovery";
    match metadata.get("issuer").and_then(Value::as_str) {
        Some(issuer) if issuer == configured => {
            Finding::ok(check, format!("issuer {issuer}, byte for byte"))
        }
        Some(other) => Finding::fail(
            check,
            format!("its issuer is {other:?}, not {configured:?}"),
            format!("set OIDC_ISSUER to exactly {other} (issuers are compared byte for byte)"),
        ),
        None => Finding::fail(check, "its metadata has no `issuer`", "this is no OpenID provider"),
    }
}

/// What can be judged by the metadata alone.
pub fn says_of_itself(metadata: &Map<String, Value>, within: &HttpHosts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, need) in [
        ("authorization_endpoint", Need::Login),
        ("token_endpoint", Need::Login),
        ("jwks_uri", Need::Login),
        ("userinfo_endpoint", Need::Names),
        ("revocation_endpoint", Need::Logout),
        ("end_session_endpoint", Need::Logout),
    ] {
        findings.push(endpoint(metadata, name, need, within));
    }
    findings.push(code_flow(metadata));
    findings.push(pkce(metadata));
    findings.push(client_authentication(metadata));
    findings.push(id_token_algorithms(metadata));
    findings.push(offline_access(metadata));
    let names_issuer = metadata.get("authorization_response_iss_parameter_supported");
    findings.push(Finding::ok(
        "provider: iss",
        match names_issuer {
            Some(Value::Bool(true)) => "answers name the issuer (RFC 9207), and mcp-auth checks it",
            Some(_) | None => "answers do not name the issuer; with one provider none is needed",
        },
    ));
    findings
}

/// What an endpoint is needed for.
#[derive(Clone, Copy)]
enum Need {
    Login,
    Names,
    Logout,
}

fn endpoint(metadata: &Map<String, Value>, name: &str, need: Need, within: &HttpHosts) -> Finding {
    let check = format!("provider: {name}");
    let given = metadata.get(name).and_then(Value::as_str);
    let Some(text) = given else {
        return match need {
            Need::Login => Finding::fail(
                check,
                "it is missing from the metadata",
                "without it nobody can log in; choose an issuer that serves OpenID Connect",
            ),
            Need::Names => Finding::warn(
                check,
                "it is missing from the metadata",
                "let ID tokens carry preferred_username or email, since nothing else tells who \
                 a user is",
            ),
            Need::Logout => Finding::ok(check, "there is none, and mcp-auth does without"),
        };
    };
    let is_secure = Url::parse(text).is_ok_and(|url| match url.scheme() {
        "https" => true,
        "http" => within.allow(&url),
        _ => false,
    });
    if is_secure {
        return Finding::ok(check, text);
    }
    let advice = "mcp-auth refuses a provider without TLS, unless its host is in \
                  MCP_AUTH_INSECURE_HTTP_HOSTS";
    Finding::fail(check, format!("{text} is not an https: address"), advice)
}

fn code_flow(metadata: &Map<String, Value>) -> Finding {
    let check = "provider: code flow";
    let by = |list, entry| lists(metadata, list, entry);
    if by("response_types_supported", "code") == Some(false)
        || by("grant_types_supported", "authorization_code") == Some(false)
    {
        let advice = "allow the authorization code flow at the provider";
        return Finding::fail(check, "it is not among what the provider supports", advice);
    }
    if by("grant_types_supported", "refresh_token") == Some(false) {
        let advice = "allow refresh tokens, or users log in again whenever an access token ends";
        return Finding::warn(check, "supported, but no refresh tokens", advice);
    }
    Finding::ok(check, "supported")
}

fn pkce(metadata: &Map<String, Value>) -> Finding {
    let check = "provider: PKCE";
    match lists(metadata, "code_challenge_methods_supported", "S256") {
        Some(true) => Finding::ok(check, "S256 is supported"),
        Some(false) => Finding::fail(
            check,
            "S256 is not among the methods that it supports",
            "mcp-auth always sends an S256 challenge; upgrade the provider or allow it there",
        ),
        None => Finding::warn(
            check,
            "it does not say whether it supports PKCE",
            "mcp-auth sends an S256 challenge all the same; see in the provider's documentation \
             that it is checked",
        ),
    }
}

fn client_authentication(metadata: &Map<String, Value>) -> Finding {
    let check = "provider: client authentication";
    let by = |method| lists(metadata, "token_endpoint_auth_methods_supported", method);
    // Basic is what is meant where nothing is said (OpenID Connect Discovery §3).
    if by("client_secret_basic") != Some(false) {
        return Finding::ok(check, "client_secret_basic");
    }
    if by("client_secret_post") == Some(true) {
        return Finding::ok(check, "client_secret_post");
    }
    let advice = "mcp-auth proves who it is by a client secret; allow client_secret_basic or \
                  client_secret_post";
    Finding::fail(check, "neither client_secret_basic nor client_secret_post is supported", advice)
}

fn id_token_algorithms(metadata: &Map<String, Value>) -> Finding {
    /// What `oauth::upstream` verifies.
    const VERIFIED: [&str; 9] =
        ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];
    let check = "provider: ID tokens";
    let listed = metadata.get("id_token_signing_alg_values_supported").and_then(Value::as_array);
    let Some(listed) = listed else {
        let advice = "see in its documentation that ID tokens are signed with RS256 or better";
        return Finding::warn(check, "it does not say how they are signed", advice);
    };
    let good: Vec<_> =
        listed.iter().filter_map(Value::as_str).filter(|it| VERIFIED.contains(it)).collect();
    if good.is_empty() {
        let advice = "let the provider sign with a key pair: RS256 or better, no shared secret";
        return Finding::fail(check, "no algorithm that mcp-auth verifies", advice);
    }
    Finding::ok(check, format!("signed with {}", good.join(", ")))
}

fn offline_access(metadata: &Map<String, Value>) -> Finding {
    let check = "provider: offline_access";
    match lists(metadata, "scopes_supported", "offline_access") {
        Some(true) => Finding::ok(check, "supported, so logins can be refreshed"),
        Some(false) => Finding::warn(
            check,
            "the scope is not among those that it supports",
            "set OIDC_SCOPES without it; if no refresh token comes then, look up how this provider \
             is asked for one (Google: OIDC_PROMPT=consent and access_type)",
        ),
        None => Finding::warn(
            check,
            "it does not say which scopes it supports",
            "after the first login see in mcp-auth's log whether a refresh token came",
        ),
    }
}

fn lists(metadata: &Map<String, Value>, name: &str, entry: &str) -> Option<bool> {
    Some(metadata.get(name)?.as_array()?.iter().any(|it| it == entry))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::finding::Verdict;

    #[test]
    fn a_good_provider_has_nothing_to_look_at() {
        let findings = judged(&json!({}));
        assert!(findings.iter().all(|it| it.result == Verdict::Ok), "{findings:?}");
    }

    #[test]
    fn each_shortcoming_is_found() {
        for (changes, check, verdict) in [
            (json!({"token_endpoint": null}), "provider: token_endpoint", Verdict::Fail),
            (json!({"jwks_uri": "http://idp.example/k"}), "provider: jwks_uri", Verdict::Fail),
            (json!({"userinfo_endpoint": null}), "provider: userinfo_endpoint", Verdict::Warn),
            (json!({"end_session_endpoint": null}), "provider: end_session_endpoint", Verdict::Ok),
            (
                json!({"response_types_supported": ["id_token"]}),
                "provider: code flow",
                Verdict::Fail,
            ),
            (
                json!({"grant_types_supported": ["authorization_code"]}),
                "provider: code flow",
                Verdict::Warn,
            ),
            (
                json!({"code_challenge_methods_supported": ["plain"]}),
                "provider: PKCE",
                Verdict::Fail,
            ),
            (json!({"code_challenge_methods_supported": null}), "provider: PKCE", Verdict::Warn),
            (
                json!({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}),
                "provider: client authentication",
                Verdict::Fail,
            ),
            (
                json!({"id_token_signing_alg_values_supported": ["HS256", "none"]}),
                "provider: ID tokens",
                Verdict::Fail,
            ),
            (json!({"scopes_supported": ["openid"]}), "provider: offline_access", Verdict::Warn),
        ] {
            let findings = judged(&changes);
            let found = findings.iter().find(|it| it.check == check).unwrap();
            assert_eq!(found.result, verdict, "{found:?}");
            let others = findings.iter().filter(|it| it.check != check);
            assert!(others.clone().all(|it| it.result == Verdict::Ok), "{check}: {findings:?}");
        }
    }

    #[test]
    fn an_issuer_that_differs_by_a_slash_is_another() {
        let metadata = json!({"issuer": "https://idp.example/"});
        let found = same_issuer("https://idp.example", metadata.as_object().unwrap());
        assert_eq!(found.result, Verdict::Fail);
        assert!(found.advice.unwrap().contains("exactly https://idp.example/ "));
    }

    fn judged(changes: &Value) -> Vec<Finding> {
        let mut metadata = json!({
            "issuer": "https://idp.example/",
            "authorization_endpoint": "https://idp.example/authorize",
            "token_endpoint": "https://idp.example/token",
            "jwks_uri": "https://idp.example/keys",
            "userinfo_endpoint": "https://idp.example/userinfo",
            "revocation_endpoint": "https://idp.example/revoke",
            "end_session_endpoint": "https://idp.example/logout",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "offline_access"],
            "authorization_response_iss_parameter_supported": true,
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(metadata.as_object_mut().unwrap().remove(name)),
                value => metadata[name] = value.clone(),
            }
        }
        says_of_itself(metadata.as_object().unwrap(), &HttpHosts::default())
    }
}
