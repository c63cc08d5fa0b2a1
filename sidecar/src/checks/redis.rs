//! Redis, as far as logins and revocations depend on it: reached, new enough, and keeping what it
//! was told.

use super::finding::Finding;
use crate::store::redis::{Facts, RedisAddress};

/// The oldest version that has all that the scripts use.
const OLDEST: (u32, u32) = (6, 2);

/// Looks at every server that the address names.
pub async fn check(address: &RedisAddress) -> Vec<Finding> {
    let mut findings = Vec::new();
    let servers = match address.inspect().await {
        Ok(servers) => servers,
        Err(why) => return vec![unreachable("redis", &why)],
    };
    let alone = servers.len() == 1;
    for (name, facts) in servers {
        let subject = if alone { "redis".to_owned() } else { format!("redis {name}") };
        match facts {
            Ok(facts) => findings.extend(of_server(&subject, &name, &facts)),
            Err(why) => findings.push(unreachable(&subject, &why)),
        }
    }
    findings
}

fn unreachable(subject: &str, why: &str) -> Finding {
    let advice = "start it, or correct REDIS_URL (user, password, rediss:// and REDIS_CA_FILE \
                  included); until then mcp-auth answers 503";
    Finding::fail(format!("{subject}: reachable"), why, advice)
}

fn of_server(subject: &str, name: &str, facts: &Facts) -> Vec<Finding> {
    vec![
        Finding::ok(format!("{subject}: reachable"), name),
        version(subject, facts),
        persistence(subject, facts),
        eviction(subject, facts),
        replication(subject, facts),
    ]
}

fn version(subject: &str, facts: &Facts) -> Finding {
    let check = format!("{subject}: version");
    let (server, text) = match facts.info("valkey_version") {
        Some(text) => ("Valkey", text),
        None => ("Redis", facts.info("redis_version").unwrap_or("unknown")),
    };
    let mut parts = text.split('.').map(|part| part.parse::<u32>().ok());
    let parsed = (parts.next().flatten(), parts.next().flatten());
    match parsed {
        (Some(major), Some(minor)) if (major, minor) >= OLDEST => {
            Finding::ok(check, format!("{server} {text}"))
        }
        _ => Finding::fail(check, format!("{server} {text}"), "mcp-auth needs 6.2 or later"),
    }
}

fn persistence(subject: &str, facts: &Facts) -> Finding {
    let check = format!("{subject}: persistence");
    for (member, what) in [
        ("aof_last_write_status", "the append-only file could not be written"),
        ("rdb_last_bgsave_status", "the last snapshot could not be written"),
    ] {
        if facts.info(member).is_some_and(|status| status != "ok") {
            return Finding::fail(check, what, "see Redis's log; the disk may be full");
        }
    }
    let saves = facts.config("save");
    if facts.info("aof_enabled") == Some("1") {
        let sync = facts.config("appendfsync").unwrap_or("unknown");
        return Finding::ok(check, format!("append-only file, appendfsync {sync}"));
    }
    let advice = "CONFIG SET appendonly yes (and CONFIG REWRITE), with appendfsync everysec or \
                  always";
    match saves {
        Some("") => Finding::fail(
            check,
            "none: a restart forgets every login, and every revocation with it",
            advice,
        ),
        Some(saves) => Finding::warn(
            check,
            format!("snapshots alone (save {saves}): a crash forgets what came after the last"),
            advice,
        ),
        None => Finding::warn(
            check,
            "no append-only file; whether snapshots are made may not be asked here",
            "see that your provider keeps what is written, revocations above all",
        ),
    }
}

fn eviction(subject: &str, facts: &Facts) -> Finding {
    let check = format!("{subject}: eviction");
    let policy = facts.info("maxmemory_policy").unwrap_or("unknown");
    let limited = facts.info("maxmemory").is_some_and(|bytes| bytes != "0");
    let advice = "CONFIG SET maxmemory-policy noeviction, and watch the memory";
    match (policy, limited) {
        ("noeviction", _) => Finding::ok(check, "noeviction"),
        (_, true) => Finding::fail(
            check,
            format!("{policy}: when memory is short it drops logins, and revocations too"),
            advice,
        ),
        (_, false) => {
            Finding::warn(check, format!("{policy}, though no maxmemory is set yet"), advice)
        }
    }
}

fn replication(subject: &str, facts: &Facts) -> Finding {
    let check = format!("{subject}: replication");
    if facts.info("role") != Some("master") {
        let advice = "REDIS_URL must lead to the master; redis+sentinel:// finds it by itself";
        return Finding::fail(check, "this server is a replica, and takes no writes", advice);
    }
    let replicas: u32 = facts.info("connected_slaves").and_then(|it| it.parse().ok()).unwrap_or(0);
    if replicas == 0 {
        return Finding::ok(check, "one server without replicas");
    }
    let shown = format!("master, {replicas} connected");
    match facts.config("min-replicas-to-write") {
        Some("0") => Finding::warn(
            check,
            format!("{shown}; it acknowledges before they have it, so a failover can lose writes"),
            "CONFIG SET min-replicas-to-write 1 bounds what a failover loses",
        ),
        Some(_) | None => Finding::ok(check, shown),
    }
}
