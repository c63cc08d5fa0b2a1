//! The sidecar's internal API: alive, ready, open to this token, and its feed readable.

use auth_core::time::UnixTime;
use reqwest::StatusCode;
use serde_json::Value;
use url::Url;

use super::{certificate, fetch::Fetcher, finding::Finding, provider};
use crate::secret::Secret;

/// Looks at the internal API at `base`.
pub async fn check(
    fetcher: &Fetcher,
    base: &Url,
    token: Option<&Secret>,
    now: UnixTime,
) -> Vec<Finding> {
    let alive = match fetcher.get_short(base, "/healthz", None).await {
        Ok(page) if page.status.is_success() => page,
        Ok(page) => {
            let advice = "MCP_AUTH_INTERNAL_URL leads to something that is not mcp-auth's internal \
                          listener";
            let why = format!("/healthz answers {}", page.status);
            return vec![Finding::fail("sidecar: alive", why, advice)];
        }
        Err(why) => {
            let advice = "start mcp-auth, or correct MCP_AUTH_INTERNAL_URL; in Kubernetes, a \
                          NetworkPolicy may let only the gateway in";
            return vec![Finding::fail("sidecar: alive", why, advice)];
        }
    };
    let mut findings = vec![
        Finding::ok("sidecar: alive", "/healthz answers"),
        provider::clock("sidecar", &alive, now),
        ready(fetcher, base).await,
    ];
    if base.scheme() == "https" {
        findings.push(certificate::check("sidecar", &alive, now));
    }
    findings.extend(feed(fetcher, base, token).await);
    findings
}

async fn ready(fetcher: &Fetcher, base: &Url) -> Finding {
    let check = "sidecar: ready";
    match fetcher.get_short(base, "/readyz", None).await {
        Ok(page) if page.status.is_success() => Finding::ok(check, "/readyz answers"),
        Ok(page) => {
            let told = page_error(&page.body).unwrap_or_else(|| page.status.to_string());
            let advice = "its log names the cause: the store, or the identity provider";
            Finding::fail(check, format!("it is not: {told}"), advice)
        }
        Err(why) => Finding::fail(check, why, "its log names the cause"),
    }
}

async fn feed(fetcher: &Fetcher, base: &Url, token: Option<&Secret>) -> Vec<Finding> {
    let (admitted, readable) = ("sidecar: token", "sidecar: revocation feed");
    let page = match fetcher.get_short(base, "/v1/revocations", token).await {
        Ok(page) => page,
        Err(why) => return vec![Finding::fail(readable, why, "its log names the cause")],
    };
    if page.status == StatusCode::UNAUTHORIZED {
        let (found, advice) = match token {
            None => ("it asks for one, and none was given", "give MCP_AUTH_TOKEN or _FILE"),
            Some(_) => (
                "it is refused",
                "MCP_AUTH_TOKEN must be one of those that the service has; `sessions.token` of \
                 the filter as well",
            ),
        };
        let unread = Finding::not_checked(readable, "the token is not accepted");
        return vec![Finding::fail(admitted, found, advice), unread];
    }
    let admitted = match token {
        Some(_) => Finding::ok(admitted, "accepted"),
        None => Finding::warn(
            admitted,
            "none is asked for",
            "whoever reaches this listener may revoke and record sessions: set MCP_AUTH_TOKEN",
        ),
    };
    let entries = page.object().ok().and_then(|it| Some(it.get("entries")?.as_array()?.len()));
    let readable = match entries {
        Some(count) => {
            Finding::ok(readable, format!("readable, {count} entries on its first page"))
        }
        None => {
            let told = page_error(&page.body).unwrap_or_else(|| page.status.to_string());
            Finding::fail(readable, told, "the store does not answer: see mcp-auth's log")
        }
    };
    vec![admitted, readable]
}

fn page_error(body: &[u8]) -> Option<String> {
    let told: Value = serde_json::from_slice(body).ok()?;
    Some(told.get("error_description")?.as_str()?.to_owned())
}
