//! `mcp-auth` over real Redis that goes away: killed and restarted, failed over by Sentinel, and
//! a Cluster that loses a master. Nothing hangs, and it goes on by itself.

use std::{collections::BTreeSet, path::Path, process::Command, time::Duration};

use crate::support::{Process, Sidecar, free_port, redis, report};
use mcp_auth::{
    clock::instant,
    store::{
        Change, Store, Update,
        redis::{RedisAddress, RedisStore},
    },
};
use reqwest::{Client, StatusCode};
use serde_json::Value;

/// Failing over takes a server's timeout and an election.
const BACK_WITHIN: Duration = Duration::from_secs(30);
/// No request may take longer, whatever Redis does.
const ANSWER_WITHIN: Duration = Duration::from_secs(6);

#[tokio::test]
async fn a_restarted_redis_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let url = format!("redis://127.0.0.1:{port}/0");
    let sidecar = Sidecar::start(&[("REDIS_URL", &url)]);
    assert_eq!(ready(&sidecar).await, StatusCode::SERVICE_UNAVAILABLE, "it starts without Redis");
    let mut server = redis(folder.path(), port, &[]);
    until_ready(&sidecar).await;
    put(&sidecar, "first-0123456789").await;
    let cursor = feed(&sidecar, "").await["cursor"].as_str().unwrap().to_owned();

    server.kill();
    let answer = get(&sidecar, "first-0123456789").await;
    assert_eq!(answer, StatusCode::SERVICE_UNAVAILABLE);
    let _server = redis(folder.path(), port, &[]);
    until_ready(&sidecar).await;
    put(&sidecar, "second-0123456789").await;
    // This Redis kept nothing: the readers of the feed must learn that.
    let lost = client().get(format!("{}/v1/revocations?after={cursor}", sidecar.url));
    assert_eq!(lost.send().await.unwrap().status(), StatusCode::GONE);
}

#[tokio::test]
async fn a_stalled_redis_hangs_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let server = redis(folder.path(), port, &[]);
    let url = format!("redis://127.0.0.1:{port}/0");
    let sidecar = Sidecar::start(&[("REDIS_URL", &url)]);
    until_ready(&sidecar).await;
    put(&sidecar, "first-0123456789").await;
    server.signal("STOP");
    for _ in 0..5 {
        let began = instant();
        let answer = get(&sidecar, "first-0123456789").await;
        assert_eq!(answer, StatusCode::SERVICE_UNAVAILABLE);
        assert!(began.elapsed() < ANSWER_WITHIN);
    }
    server.signal("CONT");
    until_ready(&sidecar).await;
    assert_eq!(get(&sidecar, "first-0123456789").await, StatusCode::OK);
}

#[tokio::test]
async fn sentinel_leads_to_the_new_master() {
    let folder = tempfile::tempdir().unwrap();
    let (master_port, replica_port) = (free_port(), free_port());
    let mut master = redis(folder.path(), master_port, &[]);
    let of = format!("127.0.0.1 {master_port}");
    let _replica = redis(folder.path(), replica_port, &["--replicaof", &of]);
    let sentinels = [(); 3].map(|()| sentinel(folder.path(), master_port));
    let hosts = sentinels.each_ref().map(|(port, _)| format!("127.0.0.1:{port}")).join(",");
    let url = format!("redis+sentinel://{hosts}/main/0");
    let sidecar = Sidecar::start(&[("REDIS_URL", &url)]);
    until_ready(&sidecar).await;
    put(&sidecar, "first-0123456789").await;
    let cursor = revoke_user(&sidecar, "alice").await;
    settle(replica_port, |info| info.contains("master_link_status:up"));
    settle_sentinels(&sentinels);

    master.kill();
    until_ready(&sidecar).await;
    assert_eq!(get(&sidecar, "first-0123456789").await, StatusCode::OK);
    put(&sidecar, "second-0123456789").await;
    revoke_user(&sidecar, "bob").await;
    let page = feed(&sidecar, &format!("?after={cursor}")).await;
    assert_eq!(page["entries"][0]["user_id"], "bob", "the cursor survives: {page}");
}

#[tokio::test]
async fn a_cluster_fails_over_a_master() {
    let folder = tempfile::tempdir().unwrap();
    let ports = [(); 6].map(|()| free_port());
    let mut nodes = ports.map(|port| {
        let cluster = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1500"];
        redis(folder.path(), port, &cluster)
    });
    let hosts = ports.map(|port| format!("127.0.0.1:{port}"));
    let create = [
        &["--cluster", "create"],
        hosts.each_ref().map(String::as_str).as_slice(),
        &["--cluster-replicas", "1", "--cluster-yes"],
    ]
    .concat();
    assert!(Command::new("redis-cli").args(create).status().unwrap().success());
    let url = format!("redis+cluster://{},{}", hosts[0], hosts[1]);
    let sidecar = Sidecar::start(&[("REDIS_URL", &url)]);
    until_ready(&sidecar).await;
    let ids: Vec<String> = (0..60).map(|number| format!("session-{number:04}-01234567")).collect();
    for id in &ids {
        put(&sidecar, id).await;
    }
    let cursor = revoke_user(&sidecar, "bob").await;
    assert_eq!(listed(&sidecar).await, 60);
    assert_eq!(values_put_and_found(&url).await, 200);
    for port in ports {
        settle(port, |info| !info.contains("role:slave") || info.contains("master_link_status:up"));
    }

    nodes[0].kill();
    until(async || {
        let mut found = 0;
        for id in &ids {
            found += usize::from(get(&sidecar, id).await == StatusCode::OK);
        }
        found == ids.len() && ready(&sidecar).await == StatusCode::OK
    })
    .await;
    assert_eq!(listed(&sidecar).await, 60);
    until(async || {
        let another = client().put(sidecar.session("another-0123456789")).json(&report("alice"));
        another.send().await.unwrap().status().is_success()
    })
    .await;
    revoke_user(&sidecar, "alice").await;
    let page = feed(&sidecar, &format!("?after={cursor}")).await;
    assert_eq!(page["entries"][0]["user_id"], "alice", "{page}");
}

/// Puts two hundred values, and counts those that are found by going through all masters.
async fn values_put_and_found(url: &str) -> usize {
    let store = RedisStore::new(RedisAddress::parse(url).unwrap());
    for number in 0..200 {
        let put = Change::Put("n".to_owned(), b"1".to_vec(), Duration::from_secs(100));
        let group = format!("group-{number}");
        let update = Update { group, conditions: vec![], changes: vec![put] };
        assert!(store.update(update).await.unwrap());
    }
    let (mut found, mut after) = (BTreeSet::new(), None);
    loop {
        let page = store.scan(after.as_deref(), 10).await.unwrap();
        found.extend(page.keys.into_iter().map(|key| key.group));
        after = page.next;
        if after.is_none() {
            return found.len();
        }
    }
}

fn sentinel(folder: &Path, master: u16) -> (u16, Process) {
    let port = free_port();
    let file = folder.join(format!("sentinel-{port}.conf"));
    let lines = format!(
        "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor main 127.0.0.1 {master} 2\n\
         sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n",
        folder.display()
    );
    std::fs::write(&file, lines).unwrap();
    (port, Process::start("redis-server", &[file.to_str().unwrap(), "--sentinel"], &[]))
}

/// Until each sentinel knows the two others and the replica.
fn settle_sentinels(sentinels: &[(u16, Process)]) {
    for (port, _) in sentinels {
        settle(*port, |info| info.contains("slaves=1,sentinels=3"));
    }
}

fn settle(port: u16, is_settled: impl Fn(&str) -> bool) {
    let began = instant();
    while !is_settled(&cli(port, &["INFO"])) {
        assert!(began.elapsed() < BACK_WITHIN, "port {port} does not settle");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn cli(port: u16, args: &[&str]) -> String {
    let port = port.to_string();
    let output = Command::new("redis-cli").args(["-p", &port]).args(args).output();
    String::from_utf8_lossy(&output.expect("redis-cli runs").stdout).into_owned()
}

async fn put(sidecar: &Sidecar, id: &str) {
    let put = client().put(sidecar.session(id)).json(&report("alice")).send().await.unwrap();
    assert_eq!(put.status(), StatusCode::CREATED, "{}", put.text().await.unwrap());
}

async fn get(sidecar: &Sidecar, id: &str) -> StatusCode {
    client().get(sidecar.session(id)).send().await.unwrap().status()
}

/// Revokes, and tells where the feed then ends. A slot that is still failing over answers 503, after
/// which a caller tries again.
async fn revoke_user(sidecar: &Sidecar, user: &str) -> String {
    let url = format!("{}/v1/sessions?user_id={user}", sidecar.url);
    until(async || match client().delete(&url).send().await.unwrap().status() {
        StatusCode::OK => true,
        status => {
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            false
        }
    })
    .await;
    feed(sidecar, "").await["cursor"].as_str().unwrap().to_owned()
}

async fn feed(sidecar: &Sidecar, query: &str) -> Value {
    let url = format!("{}/v1/revocations{query}", sidecar.url);
    client().get(url).send().await.unwrap().json().await.unwrap()
}

async fn listed(sidecar: &Sidecar) -> usize {
    let url = format!("{}/v1/sessions?limit=1000", sidecar.url);
    let page: Value = client().get(url).send().await.unwrap().json().await.unwrap();
    page["sessions"].as_array().map_or(0, Vec::len)
}

async fn ready(sidecar: &Sidecar) -> StatusCode {
    client().get(format!("{}/readyz", sidecar.url)).send().await.unwrap().status()
}

async fn until_ready(sidecar: &Sidecar) {
    until(async || ready(sidecar).await == StatusCode::OK).await;
}

async fn until(is_done: impl AsyncFn() -> bool) {
    let began = instant();
    while !is_done().await {
        assert!(began.elapsed() < BACK_WITHIN, "it does not come back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("back after {:?}", began.elapsed());
}

fn client() -> Client {
    Client::builder().timeout(ANSWER_WITHIN).build().unwrap()
}
