//! What MCP clients find: the documents that lead them from a resource to its authorization server
//! (RFC 9728, RFC 8414), and the challenge that begins it (RFC 6750).

use auth_core::{jwk::VerificationKey, time::UnixTime};
use reqwest::{StatusCode, header::WWW_AUTHENTICATE};
use serde_json::Value;
use url::Url;

use super::{certificate, fetch::Fetcher, finding::Finding, keys};
use crate::config::values::GivenUrl;

/// Looks at the authorization server at `url`; its keys besides.
pub async fn authorization_server(
    fetcher: &Fetcher,
    url: &GivenUrl,
    now: UnixTime,
) -> (Vec<Finding>, Vec<VerificationKey>) {
    let check = "public: authorization server";
    let address = well_known(url.url(), "oauth-authorization-server");
    let advice = "let Envoy send it to mcp-auth's public listener, and list it in the filter's \
                  `public`";
    let page = match fetcher.get(&address).await {
        Ok(page) => page,
        Err(why) => {
            let found = format!("{address} cannot be had: {why}");
            return (vec![Finding::fail(check, found, certificate::advice(&why))], Vec::new());
        }
    };
    let mut findings = vec![certificate::check("public", &page, now)];
    let metadata = match page.object() {
        Ok(metadata) => metadata,
        Err(why) => {
            findings.push(Finding::fail(check, format!("{address}: {why}"), advice));
            return (findings, Vec::new());
        }
    };
    let issuer = metadata.get("issuer").and_then(Value::as_str).unwrap_or_default();
    if issuer != url.as_str() {
        findings.push(Finding::fail(
            check,
            format!("{address} has the issuer {issuer:?}, not {:?}", url.as_str()),
            "set MCP_AUTH_URL to the same, byte for byte, here, for mcp-auth and in the filter",
        ));
        return (findings, Vec::new());
    }
    findings.push(Finding::ok(check, format!("{address} answers, issuer as configured")));
    let Some(jwks) = metadata.get("jwks_uri").and_then(Value::as_str) else {
        findings.push(Finding::fail("public: keys", "there is no jwks_uri", advice));
        return (findings, Vec::new());
    };
    match fetcher.get(jwks).await {
        Ok(page) if page.status.is_success() => {
            let (found, usable) = keys::check("public", &page.body);
            findings.extend(found);
            (findings, usable)
        }
        other => {
            let why = other.map_or_else(|why| why, |page| format!("the answer is {}", page.status));
            findings.push(Finding::fail("public: keys", format!("{jwks}: {why}"), advice));
            (findings, Vec::new())
        }
    }
}

/// Looks at a resource and its metadata. `server` is the issuer that it should name.
pub async fn resource(
    fetcher: &Fetcher,
    resource: &GivenUrl,
    server: Option<&str>,
) -> Vec<Finding> {
    let address = well_known(resource.url(), "oauth-protected-resource");
    vec![
        described(fetcher, resource, &address, server).await,
        challenged(fetcher, resource, &address).await,
    ]
}

async fn described(
    fetcher: &Fetcher,
    resource: &GivenUrl,
    address: &str,
    server: Option<&str>,
) -> Finding {
    let check = format!("public: metadata of {resource}");
    let advice = "the filter answers this: it must be in front of the route, and \
                  `resources[].resource` be this identifier byte for byte";
    let page = match fetcher.get(address).await {
        Ok(page) => page,
        Err(why) => {
            return Finding::fail(check, format!("{address}: {why}"), certificate::advice(&why));
        }
    };
    let metadata = match page.object() {
        Ok(metadata) => metadata,
        Err(why) => return Finding::fail(check, format!("{address}: {why}"), advice),
    };
    let named = metadata.get("resource").and_then(Value::as_str).unwrap_or_default();
    if named != resource.as_str() {
        return Finding::fail(check, format!("{address} is about {named:?}"), advice);
    }
    let servers = metadata.get("authorization_servers").and_then(Value::as_array);
    let servers: Vec<_> = servers.into_iter().flatten().filter_map(Value::as_str).collect();
    match server {
        Some(server) if !servers.contains(&server) => Finding::fail(
            check,
            format!("it names {servers:?} as authorization servers, not {server:?}"),
            "`issuers[].issuer` of the filter and MCP_AUTH_URL must be equal byte for byte",
        ),
        Some(_) | None => Finding::ok(check, format!("names {}", servers.join(", "))),
    }
}

/// Without a token a resource must answer 401 and say where to go.
async fn challenged(fetcher: &Fetcher, resource: &GivenUrl, address: &str) -> Finding {
    let check = format!("public: challenge of {resource}");
    let page = match fetcher.get(resource.as_str()).await {
        Ok(page) => page,
        Err(why) => return Finding::fail(check, why.clone(), certificate::advice(&why)),
    };
    match page.status {
        StatusCode::UNAUTHORIZED => {}
        StatusCode::SERVICE_UNAVAILABLE => {
            return Finding::fail(
                check,
                "503: the filter is closed, or no server is behind the route",
                "see Envoy's log for the configuration that was refused, or for keys that cannot \
                 be fetched",
            );
        }
        other => {
            return Finding::fail(
                check,
                format!("without a token the answer is {other}, not 401"),
                "the filter is not in front of this resource: anybody may reach it",
            );
        }
    }
    let challenge = page.headers.get(WWW_AUTHENTICATE).and_then(|it| it.to_str().ok());
    match challenge {
        Some(text) if text.contains(&format!("resource_metadata=\"{address}\"")) => {
            Finding::ok(check, "401, and it leads to the metadata")
        }
        Some(_) | None => Finding::fail(
            check,
            format!("401, but it does not lead to {address}"),
            "something else answers, or `resources[].resource` differs from MCP_RESOURCES",
        ),
    }
}

/// The path of the identifier goes behind the well-known one (RFC 8414 §3.1, RFC 9728 §3.1).
fn well_known(url: &Url, name: &str) -> String {
    let path = url.path().trim_end_matches('/');
    format!("{}/.well-known/{name}{path}", url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_inserted() {
        for (url, address) in [
            ("https://a.example", "https://a.example/.well-known/x"),
            ("https://a.example:8443/b/c", "https://a.example:8443/.well-known/x/b/c"),
        ] {
            assert_eq!(well_known(&url.parse().unwrap(), "x"), address);
        }
    }
}
