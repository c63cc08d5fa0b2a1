//! Key sets through the host: when calls are made, and what becomes of requests that wait for them.

use std::time::Duration;

use proxy_wasm_testhost::{Call, Failure, Outcome, Response, TestHost, Undelivered};

use crate::support::{
    MILLISECOND, SECOND, assert_denied, claims, config, host, send,
    signing::{SigningKey, jwks},
    start, started, with_keys,
};

const TIMEOUT: Duration = Duration::from_secs(5);

#[test]
fn keys_are_fetched_at_the_start_without_any_request() {
    let host = started(&config());
    let call = host.take_call();
    assert_eq!(
        (call.cluster.as_str(), call.path(), call.timeout),
        ("idp", "/jwks.json", Some(TIMEOUT))
    );
}

#[test]
fn fifty_cold_requests_share_one_fetch() {
    let (host, key) = (host(&config()), SigningKey::new("a"));
    host.start().expect("it starts");
    let token = key.sign(&claims());
    let streams: Vec<_> = (0..50).map(|_| send(&host, &token)).collect();
    host.advance(SECOND);
    assert!(streams.iter().all(|stream| stream.outcome() == Outcome::Paused));
    assert_eq!(host.all_calls().len(), 1);
    host.answer(&host.take_call(), Response::ok(jwks([&key])));
    assert!(streams.iter().all(|stream| stream.forwarded().is_some()));
    assert_no_misuse(&host);
}

#[test]
fn a_held_request_is_forwarded_with_its_headers_edited() {
    let (host, key) = (started(&config()), SigningKey::new("a"));
    let stream = host
        .get("/mcp")
        .header("authorization", format!("Bearer {}", key.sign(&claims())))
        .header("x_user_id", "root")
        .send();
    host.answer(&host.take_call(), Response::ok(jwks([&key])));
    let headers = stream.forwarded().expect("it goes on");
    assert_eq!(headers.get_all("x-user-name"), ["alice"]);
    assert!(!headers.contains("x_user_id") && !headers.contains("authorization"));
}

#[test]
fn a_held_forgery_is_denied_when_the_keys_come() {
    let (host, key) = (started(&config()), SigningKey::new("a"));
    let forged = SigningKey::new("b")
        .sign_under(&serde_json::json!({"alg": "EdDSA", "kid": "a"}), &claims());
    let stream = send(&host, &forged);
    assert!(stream.is_paused());
    host.answer(&host.take_call(), Response::ok(jwks([&key])));
    assert_denied(&stream, 401, "bad_signature");
}

#[test]
fn a_timeout_answers_503_with_retry_after() {
    let host = started(&config());
    let stream = send(&host, &SigningKey::new("a").sign(&claims()));
    host.advance(TIMEOUT);
    assert_denied(&stream, 503, "jwks_unavailable");
    assert_eq!(stream.reply().headers.get("retry-after"), Some("1"));
    assert!(host.logged("the server gave no answer: it took too long"));
}

#[test]
fn failures_are_told_apart_in_the_log() {
    for (failure, text) in [
        (Failure::Refused, "the server gave no answer: no connection"),
        (Failure::Timeout, "the server gave no answer: it took too long"),
        (Failure::Reset, "the connection broke or the answer was too large"),
        (Failure::TooLarge, "the connection broke or the answer was too large"),
    ] {
        let host = started(&config());
        host.fail(&host.take_call(), failure);
        assert!(host.logged(text), "{failure:?}");
    }
}

#[test]
fn the_servers_own_503_and_504_are_not_taken_for_the_hosts() {
    for (status, header) in [(503, "server"), (503, "date"), (504, "server"), (504, "date")] {
        let host = started(&config());
        host.answer(&host.take_call(), Response::new(status).header(header, "x").body("busy"));
        assert!(host.logged(&format!("the server answered with status {status}")), "{header}");
    }
}

#[test]
fn an_unknown_cluster_denies_at_once_and_never_hangs() {
    let mut config = config();
    config["issuers"][0]["jwks"]["cluster"] = "nowhere".into();
    let host = started(&config);
    assert!(host.logged("the host does not know the cluster"));
    let stream = send(&host, &SigningKey::new("a").sign(&claims()));
    assert_denied(&stream, 503, "jwks_unavailable");
    host.advance(60 * SECOND);
    assert!(host.all_calls().is_empty());
}

#[test]
fn a_request_that_meets_an_unknown_cluster_first_is_denied_by_the_next_tick() {
    let mut config = config();
    config["issuers"][0]["jwks"]["cluster"] = "nowhere".into();
    let host = host(&config);
    host.start().expect("it starts");
    let stream = send(&host, &SigningKey::new("a").sign(&claims()));
    host.advance(MILLISECOND);
    assert_denied(&stream, 503, "jwks_unavailable");
}

#[test]
fn what_is_fetched_after_an_unknown_cluster_belongs_to_no_request() {
    let mut config = config();
    let known = config["issuers"][0].clone();
    config["issuers"][0]["jwks"]["cluster"] = "nowhere".into();
    config["issuers"].as_array_mut().expect("a list").push(known);
    config["issuers"][1]["issuer"] = "https://other.example/".into();
    let host = host(&config);
    host.start().expect("it starts");
    let stream = send(&host, &SigningKey::new("a").sign(&claims()));
    host.advance(MILLISECOND);
    assert_denied(&stream, 503, "jwks_unavailable");
    // A call that a request has made ends with the request.
    assert!(host.take_call().by_root);
}

#[test]
fn a_lost_fetch_answers_503_after_its_deadline_and_grace() {
    let host = started(&config());
    lose(&host);
    let stream = send(&host, &SigningKey::new("a").sign(&claims()));
    pass_without_callback(&host, Duration::from_millis(5999));
    assert!(stream.is_paused());
    pass_without_callback(&host, SECOND);
    assert_denied(&stream, 503, "jwks_unavailable");
    assert!(host.logged("1 requests were given up"));
}

#[test]
fn a_lost_fetch_is_made_again_and_the_filter_recovers() {
    let (host, key) = (started(&config()), SigningKey::new("a"));
    let lost = lose(&host);
    pass_without_callback(&host, 7 * SECOND);
    let again = host.take_call();
    assert_ne!(again.token, lost.token);
    host.answer(&again, Response::ok(jwks([&key])));
    assert!(send(&host, &key.sign(&claims())).forwarded().is_some());
}

#[test]
fn an_answer_to_a_fetch_given_up_is_harmless() {
    let (host, key) = (started(&config()), SigningKey::new("a"));
    let lost = lose(&host);
    let stream = send(&host, &key.sign(&claims()));
    pass_without_callback(&host, 8 * SECOND);
    assert_denied(&stream, 503, "jwks_unavailable");
    host.answer(&lost, Response::ok(jwks([&key])));
    assert!(stream.forwarded().is_none());
    assert!(send(&host, &key.sign(&claims())).is_paused(), "the newer fetch is waited for");
    host.answer(&host.take_call(), Response::ok(jwks([&key])));
    assert!(send(&host, &key.sign(&claims())).forwarded().is_some());
    assert_no_misuse(&host);
}

#[test]
fn a_fetch_is_answered_once() {
    let (host, key) = (started(&config()), SigningKey::new("a"));
    let call = host.take_call();
    host.answer(&call, Response::ok(jwks([&key])));
    let again = host.try_answer(&call, Response::ok("{}"));
    assert_eq!(again, Err(Undelivered::AlreadyAnswered(call.token)));
}

#[test]
fn a_stream_that_left_while_it_waited_is_forgotten() {
    let (host, key) = (started(&config()), SigningKey::new("a"));
    let (gone, stays) = (send(&host, &key.sign(&claims())), send(&host, &key.sign(&claims())));
    gone.close();
    host.answer(&host.take_call(), Response::ok(jwks([&key])));
    assert_eq!(gone.outcome(), Outcome::Abandoned);
    assert!(stays.forwarded().is_some());
    assert_eq!(host.metrics().counter("mcp_auth.allowed"), 1);
    assert_no_misuse(&host);
}

#[test]
fn streams_that_left_make_room_for_others() {
    let (host, key) = (started(&config()), SigningKey::new("a"));
    let token = key.sign(&claims());
    (0..1000).for_each(|_| send(&host, &token).close());
    assert!(send(&host, &token).is_paused());
}

#[test]
fn the_thousand_and_first_waiting_request_is_refused_at_once() {
    let (host, key) = (started(&config()), SigningKey::new("a"));
    let token = key.sign(&claims());
    let waiting: Vec<_> = (0..1000).map(|_| send(&host, &token)).collect();
    assert_denied(&send(&host, &token), 503, "jwks_unavailable");
    host.answer(&host.take_call(), Response::ok(jwks([&key])));
    assert!(waiting.iter().all(|stream| stream.forwarded().is_some()));
}

#[test]
fn a_flood_of_unknown_kids_makes_one_fetch_a_cooldown() {
    let (host, key) = (with_keys(&config(), [&SigningKey::new("a")]), SigningKey::new("x"));
    for n in 0..300 {
        let header = serde_json::json!({"alg": "EdDSA", "kid": format!("kid-{n}")});
        send(&host, &key.sign_under(&header, &claims()));
        host.advance(Duration::from_millis(100));
        for call in host.calls() {
            host.answer(&call, Response::ok(jwks([&SigningKey::new("a")])));
        }
    }
    let fetches = host.all_calls().len();
    assert!((3..=4).contains(&(fetches - 1)), "{fetches} fetches in 30 s");
    assert!(host.streams().iter().all(|stream| stream.forwarded().is_none()));
}

#[test]
fn a_rotated_key_is_found_by_the_first_token_it_signs() {
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    let host = with_keys(&config(), [&old]);
    let stream = send(&host, &new.sign(&claims()));
    host.advance(MILLISECOND);
    host.answer(&host.take_call(), Response::ok(jwks([&new])));
    assert!(stream.forwarded().is_some());
}

#[test]
fn keys_survive_an_outage_and_the_filter_recovers() {
    let key = SigningKey::new("a");
    let host = with_keys(&config(), [&key]);
    for _ in 0..20 {
        host.advance(60 * SECOND);
        host.calls().iter().for_each(|call| host.fail(call, Failure::Refused));
    }
    assert!(send(&host, &key.sign(&claims())).forwarded().is_some());
    assert!(host.logged("the old keys stay"));
    let ok = host.metrics().counter("mcp_auth.jwks.fetch_ok");
    let longest_backoff = 60;
    for _ in 0..=longest_backoff {
        if host.calls().is_empty() {
            host.advance(SECOND);
        }
    }
    host.calls().iter().for_each(|call| host.answer(call, Response::ok(jwks([&key]))));
    assert_eq!(host.metrics().counter("mcp_auth.jwks.fetch_ok"), ok + 1);
}

#[test]
fn ticks_come_each_second_while_nothing_waits() {
    let host = with_keys(&config(), [&SigningKey::new("a")]);
    assert_eq!(host.tick_period(), Some(SECOND));
}

#[test]
fn each_worker_fetches_for_itself() {
    let hosts = [(); 2].map(|()| start(host(&config())));
    assert!(hosts.iter().all(|host| host.calls().len() == 1));
}

/// Takes the call in flight; without a host's timeout it stays unanswered for ever.
fn lose(host: &TestHost) -> Call {
    host.take_call()
}

/// Lets time pass for the clock and the timer, while no call comes back: what a broken host does.
fn pass_without_callback(host: &TestHost, time: Duration) {
    host.set_time(host.now() + time);
    host.tick();
}

#[track_caller]
fn assert_no_misuse(host: &TestHost) {
    assert!(host.misuses().is_empty(), "{:?}", host.misuses());
}
