//! `/clusters`: whether Envoy reaches a cluster, by its health checks and by what became of its
//! calls.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::checks::finding::Finding;

/// A cluster at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its addresses.
    hosts: u64,
    /// Those that count as healthy.
    healthy: u64,
    /// Calls that were answered, whatever was said.
    answered: u64,
    /// Calls and connections that came to nothing.
    failed: u64,
}

/// All clusters by name.
pub(super) fn read(document: &Value) -> BTreeMap<String, Seen> {
    let clusters = document.get("cluster_statuses").and_then(Value::as_array);
    let cluster = |it: &Value| {
        let hosts = it.get("host_statuses").and_then(Value::as_array);
        let mut seen = Seen::default();
        for host in hosts.into_iter().flatten() {
            seen.hosts += 1;
            seen.healthy += u64::from(is_healthy(host));
            seen.answered += stat(host, "rq_success");
            seen.failed += ["cx_connect_fail", "rq_error", "rq_timeout"]
                .iter()
                .map(|name| stat(host, name))
                .sum::<u64>();
        }
        Some((it.get("name")?.as_str()?.to_owned(), seen))
    };
    clusters.into_iter().flatten().filter_map(cluster).collect()
}

/// Envoy writes a number as text, and leaves out what is zero.
fn stat(host: &Value, name: &str) -> u64 {
    let stats = host.get("stats").and_then(Value::as_array);
    let found = stats.into_iter().flatten().find(|it| it.get("name").is_some_and(|it| it == name));
    match found.and_then(|it| it.get("value")) {
        Some(Value::String(text)) => text.parse().unwrap_or(0),
        Some(other) => other.as_u64().unwrap_or(0),
        None => 0,
    }
}

/// Members with `failed` in their name are only there when they are true.
fn is_healthy(host: &Value) -> bool {
    let Some(status) = host.get("health_status").and_then(Value::as_object) else { return true };
    status.iter().all(|(name, value)| match name.as_str() {
        "eds_health_status" => matches!(value.as_str(), Some("HEALTHY" | "UNKNOWN" | "DEGRADED")),
        _ => value != &Value::Bool(true),
    })
}

/// What there is to say of a cluster that was looked at twice.
pub(super) fn judge(
    name: &str,
    used_for: &str,
    before: &BTreeMap<String, Seen>,
    after: &BTreeMap<String, Seen>,
) -> Finding {
    let check = format!("envoy: cluster {name}");
    let Some(now) = after.get(name) else {
        return Finding::fail(
            check,
            format!("the filter calls it for {used_for}, but Envoy has no cluster of this name"),
            "define it, or correct the name in the filter's configuration (Istio: \
             outbound|443||HOST, which needs a ServiceEntry)",
        );
    };
    if now.hosts == 0 {
        let advice = "the name of the host does not resolve in Envoy, or no endpoint is ready";
        return Finding::fail(check, "it has no address", advice);
    }
    if now.healthy == 0 {
        let advice = "the server is down, or Envoy may not reach it: see NetworkPolicies";
        return Finding::fail(check, "Envoy holds none of its addresses for healthy", advice);
    }
    let was = before.get(name).copied().unwrap_or_default();
    let since = |now: u64, was: u64| now.saturating_sub(was);
    let (answered, failed) = (since(now.answered, was.answered), since(now.failed, was.failed));
    // What happens just now counts; where nothing does, what has happened so far.
    let lately = answered + failed > 0;
    let (answered, failed) = if lately { (answered, failed) } else { (now.answered, now.failed) };
    let when = if lately { "just now" } else { "so far" };
    match (answered, failed) {
        (0, 0) => Finding::ok(check, format!("{} addresses, not called yet", now.hosts)),
        (0, failed) => Finding::fail(
            check,
            format!("Envoy does not reach it: {failed} calls failed {when}, none was answered"),
            "see address, port and TLS settings of the cluster, and whether the server runs",
        ),
        (answered, failed) if failed > answered => Finding::warn(
            check,
            format!("{failed} calls failed {when}, {answered} were answered"),
            "the server is overloaded, or restarts, or some addresses are wrong",
        ),
        (answered, _) if now.healthy < now.hosts => Finding::warn(
            check,
            format!("{answered} calls answered {when}; {} of {} healthy", now.healthy, now.hosts),
            "see the addresses that are not",
        ),
        (answered, failed) => {
            Finding::ok(check, format!("{answered} calls answered {when}, {failed} failed"))
        }
    }
}
