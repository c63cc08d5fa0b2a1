//! Nothing that the embedded store has acknowledged is lost by `kill -9` at a random moment.
//!
//! Twenty trials in every run; two hundred with
//! `cargo test -p mcp-auth --release --test outages -- --ignored`.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{Sidecar, report};
use reqwest::{Client, StatusCode};
use serde_json::Value;
use tokio::task::JoinSet;

const WRITERS: usize = 8;

/// What was acknowledged, by session id: whether it was revoked.
type Acknowledged = Arc<Mutex<Vec<(String, bool)>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_lose_nothing_acknowledged() {
    trials(20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn two_hundred_kills_lose_nothing_acknowledged() {
    trials(200).await;
}

async fn trials(count: usize) {
    let folder = tempfile::tempdir().unwrap();
    let data = [("MCP_AUTH_DATA", folder.path().to_str().unwrap())];
    let acknowledged = Acknowledged::default();
    let client = Client::new();
    for trial in 0..count {
        let mut sidecar = Sidecar::start(&data);
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let name = format!("t{trial:03}-w{writer}");
            writers.spawn(write(
                client.clone(),
                sidecar.url.clone(),
                name,
                Arc::clone(&acknowledged),
            ));
        }
        tokio::time::sleep(Duration::from_millis(20 + rand::random::<u64>() % 180)).await;
        sidecar.process.kill();
        writers.join_all().await;
    }
    let acknowledged = acknowledged.lock().unwrap().clone();
    println!("{count} kills, {} acknowledged writes", acknowledged.len());
    assert!(acknowledged.len() > count * WRITERS, "too few writes to mean anything");
    check(&Sidecar::start(&data), &acknowledged).await;
}

/// Records sessions and revokes every other one, until nobody answers.
async fn write(client: Client, url: String, name: String, acknowledged: Acknowledged) {
    for number in 0.. {
        let id = format!("{name}-{number:08}-durable");
        let address = format!("{url}/v1/sessions/{id}");
        let put = client.put(&address).json(&report("alice")).send().await;
        if !put.is_ok_and(|answer| answer.status() == StatusCode::CREATED) {
            return;
        }
        acknowledged.lock().unwrap().push((id.clone(), false));
        if number % 2 == 0 {
            continue;
        }
        let delete = client.delete(&address).send().await;
        if !delete.is_ok_and(|answer| answer.status() == StatusCode::NO_CONTENT) {
            return;
        }
        acknowledged.lock().unwrap().push((id, true));
    }
}

async fn check(sidecar: &Sidecar, acknowledged: &[(String, bool)]) {
    let client = Client::new();
    let mut feed = Vec::new();
    let mut query = String::new();
    loop {
        let url = format!("{}/v1/revocations{query}", sidecar.url);
        let page: Value = client.get(url).send().await.unwrap().json().await.unwrap();
        feed.extend(page["entries"].as_array().unwrap().clone());
        if page["more"] == false {
            break;
        }
        query = format!("?after={}", page["cursor"].as_str().unwrap());
    }
    let named: std::collections::HashSet<&str> =
        feed.iter().filter_map(|entry| entry["session_id"].as_str()).collect();
    for (id, revoked) in acknowledged {
        let answer = client.get(sidecar.session(id)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{id} is lost");
        let session: Value = answer.json().await.unwrap();
        if *revoked {
            assert!(session["revoked_at"].is_u64(), "the revocation of {id} is lost");
            assert!(named.contains(id.as_str()), "{id} is lost from the feed");
        }
    }
}
