//! Envoy, by its admin interface: whether the filter is loaded, took its configuration and fails
//! closed, and whether the clusters that it calls are reached *from there*.

mod clusters;
mod dump;

use std::{collections::BTreeMap, time::Duration};

use auth_core::config::Config;
use serde_json::Value;
use tokio::time::sleep;
use url::Url;

use self::{
    clusters::Seen,
    dump::{OnFailure, Plugin},
};
use super::{
    fetch::{Fetcher, LONGEST_DUMP},
    finding::Finding,
};

/// The filter reads the revocation feed once a second, unless it is told otherwise; so a sidecar
/// that is reached is reached in this time.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(2500);

/// Looks at the Envoy whose admin interface is at `admin`.
pub async fn check(fetcher: &Fetcher, admin: &Url) -> Vec<Finding> {
    let info = fetcher.get_short(admin, "/server_info", None).await;
    let info = match info.and_then(|page| page.object()) {
        Ok(info) => info,
        Err(why) => {
            let advice = "--envoy-admin must lead to Envoy's admin interface; in Kubernetes: \
                          kubectl port-forward POD 15000 (Istio) or 19000 (Envoy Gateway)";
            return vec![Finding::fail("envoy: admin", why, advice)];
        }
    };
    let text = |name: &str| info.get(name).and_then(Value::as_str).unwrap_or("unknown");
    let version = text("version").split('/').nth(1).unwrap_or("unknown version");
    let mut findings =
        vec![Finding::ok("envoy: admin", format!("Envoy {version}, {}", text("state")))];
    let dump = fetcher.get_direct(admin, "/config_dump?include_eds", None, LONGEST_DUMP).await;
    let plugins = match dump.and_then(|page| page.object()) {
        Ok(dump) => dump::plugins(&Value::Object(dump)),
        Err(why) => {
            let advice = "/config_dump of the admin interface must be reached as well";
            findings.push(Finding::fail("envoy: filter", why, advice));
            return findings;
        }
    };
    if plugins.is_empty() {
        findings.push(Finding::fail(
            "envoy: filter",
            "no Wasm filter with a configuration of mcp-auth is in this Envoy",
            "add it before envoy.filters.http.router; with Istio, see that the WasmPlugin's \
             selector names this workload",
        ));
        return findings;
    }
    for plugin in &plugins {
        findings.extend(of_plugin(plugin));
    }
    let (stats, clusters) =
        tokio::join!(stats(fetcher, admin), called_clusters(fetcher, admin, &plugins));
    findings.extend(stats);
    findings.extend(clusters);
    findings
}

fn of_plugin(plugin: &Plugin) -> Vec<Finding> {
    let check = |what: &str| format!("envoy: {what} of {}", plugin.name);
    let configuration = match Config::parse(plugin.configuration.as_bytes()) {
        Ok(_) => Finding::ok(check("configuration"), "valid"),
        // The field and the problem; values may be secrets.
        Err(refused) => Finding::fail(
            check("configuration"),
            format!("refused, so every request is answered 503: {}", refused.field),
            "see Envoy's log for what is wrong with that field; `mcp-auth config check` tells \
             before Envoy does",
        ),
    };
    let closed = match plugin.on_failure {
        OnFailure::Closed => Finding::ok(check("failure policy"), "closed"),
        OnFailure::Open => Finding::fail(
            check("failure policy"),
            "open: if the filter does not run, requests pass without authentication",
            "set failure_policy: FAIL_CLOSED (Istio: failStrategy: FAIL_CLOSE)",
        ),
    };
    vec![configuration, closed]
}

/// Counters are there as soon as the module has started, whatever its configuration.
async fn stats(fetcher: &Fetcher, admin: &Url) -> Vec<Finding> {
    let loaded = "envoy: filter";
    let page = fetcher.get_direct(admin, "/stats?filter=mcp_auth", None, LONGEST_DUMP).await;
    let text = match page {
        Ok(page) => String::from_utf8_lossy(&page.body).into_owned(),
        Err(why) => {
            let advice = "/stats of the admin interface must be reached as well";
            return vec![Finding::fail(loaded, why, advice)];
        }
    };
    let counters: BTreeMap<&str, u64> = text
        .lines()
        .filter_map(|line| line.split_once(": "))
        // Envoy puts what a module defines into a name space of its own.
        .map(|(name, value)| (name.strip_prefix("wasmcustom.").unwrap_or(name), value))
        .filter(|(name, _)| name.starts_with("mcp_auth."))
        .filter_map(|(name, value)| Some((name, value.trim().parse().ok()?)))
        .collect();
    if counters.is_empty() {
        return vec![Finding::fail(
            loaded,
            "it is configured, but its module has not started: there are no mcp_auth.* counters",
            "see Envoy's log for `wasm`: the module may be missing, or be no module",
        )];
    }
    let count = |name: &str| counters.get(name).copied().unwrap_or(0);
    let denied: u64 = counters
        .iter()
        .filter(|(name, _)| name.starts_with("mcp_auth.denied."))
        .map(|(_, n)| n)
        .sum();
    let mut findings = vec![Finding::ok(
        loaded,
        format!("loaded; {} allowed, {denied} denied", count("mcp_auth.allowed")),
    )];
    let (fetched, failed) = (count("mcp_auth.jwks.fetch_ok"), count("mcp_auth.jwks.fetch_failed"));
    findings.push(match (fetched, failed) {
        (0, 0) => {
            Finding::not_checked("envoy: keys", "the filter has fetched none, and needs none yet")
        }
        (0, failed) => Finding::fail(
            "envoy: keys",
            format!("the filter could never fetch keys ({failed} attempts), and answers 503"),
            "see the clusters below; `jwks.uri` must be right, and TLS in the cluster verified for \
             that name",
        ),
        (fetched, failed) => {
            Finding::ok("envoy: keys", format!("fetched {fetched} times, failed {failed} times"))
        }
    });
    findings
}

/// The clusters that the filter calls, looked at twice to tell what is from what was.
async fn called_clusters(fetcher: &Fetcher, admin: &Url, plugins: &[Plugin]) -> Vec<Finding> {
    let mut names: BTreeMap<String, &'static str> = BTreeMap::new();
    for plugin in plugins {
        names.extend(plugin.clusters());
    }
    let look = async || {
        let page = fetcher.get_direct(admin, "/clusters?format=json", None, LONGEST_DUMP).await?;
        page.object().map(|it| clusters::read(&Value::Object(it)))
    };
    let before: Result<BTreeMap<String, Seen>, String> = look().await;
    sleep(LOOK_AGAIN_AFTER).await;
    match (before, look().await) {
        (Ok(before), Ok(after)) => {
            names.iter().map(|(name, use_)| clusters::judge(name, use_, &before, &after)).collect()
        }
        (Err(why), _) | (_, Err(why)) => {
            let advice = "/clusters of the admin interface must be reached as well";
            vec![Finding::fail("envoy: clusters", why, advice)]
        }
    }
}
