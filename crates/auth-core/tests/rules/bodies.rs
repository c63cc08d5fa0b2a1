//! Bodies that calls are read from: in pieces, held back, bounded.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    calls::rules,
    support::{
        caller::{Caller, JSON, challenge, rules_config, status, tool},
        head,
        signing::{SigningKey, jwks},
        word,
    },
};

#[test]
fn the_body_is_read_in_pieces_of_any_size() {
    let mut caller = Caller::new(&rules(), "mcp:read");
    let body = tool("delete_note").to_string();
    for size in 1..body.len() {
        let head = caller.head("POST", &[JSON]);
        let pieces: Vec<&[u8]> = body.as_bytes().chunks(size).collect();
        let outcome = caller.bench.send_with_body(head, &pieces).expect("decided");
        assert_eq!(word(&outcome), "insufficient_scope", "{size}");
    }
}

#[test]
fn a_request_is_held_until_the_last_piece() {
    let mut caller = Caller::new(&rules(), "mcp:read");
    let head = caller.head("POST", &[JSON]);
    let body = tool("add").to_string();
    assert!(caller.bench.send_with_body(head, &[] as &[&str]).is_none());
    let id = caller.bench.latest();
    assert!(caller.bench.body(id, &body, false).is_none(), "more could follow");
    let outcome = caller.bench.body(id, " \n", true).expect("decided");
    assert_eq!(word(&outcome), "allowed");
}

#[test]
fn a_body_over_the_limit_is_too_large() {
    let mut config = rules_config(&rules());
    config["body_limit"] = json!("200B");
    let mut caller = Caller::of(&config, "mcp:read");
    let padded = |size: usize| format!("{:size$}", tool("add").to_string());
    assert_eq!(word(&caller.send(&[JSON], &[padded(200)])), "allowed");
    let outcome = caller.send(&[JSON], &[padded(201)]);
    assert_eq!(word(&outcome), "body_too_large");
    assert_eq!(status(&outcome), 413);
    let pieces = [padded(150), padded(150)];
    assert_eq!(word(&caller.send(&[JSON], &pieces)), "body_too_large");
}

#[test]
fn a_body_that_says_it_is_too_large_is_not_waited_for() {
    let mut caller = Caller::new(&rules(), "mcp:read");
    let head = caller.head("POST", &[JSON, ("content-length", "1048577")]);
    let outcome = caller.bench.send_with_body(head, &[] as &[&str]).expect("decided at once");
    assert_eq!(word(&outcome), "body_too_large");
}

#[test]
fn a_bad_body_is_refused_without_a_challenge() {
    let mut caller = Caller::new(&rules(), "mcp:read");
    let outcome = caller.send(&[JSON], &["{"]);
    assert_eq!((word(&outcome), status(&outcome)), ("malformed_request", 400));
    assert_eq!(challenge(&outcome), json!({}));
}

#[test]
fn the_token_is_judged_before_the_body() {
    let mut caller = Caller::new(&rules(), "mcp:read");
    for (fields, verdict) in
        [(&[][..], "missing_token"), (&[("authorization", "Bearer x")], "malformed_token")]
    {
        let head = head("POST", "/mcp", fields);
        let outcome = caller.bench.send_with_body(head, &["{"]).expect("decided at once");
        assert_eq!(word(&outcome), verdict);
    }
}

#[test]
fn a_body_that_never_ends_is_given_up() {
    let mut caller = Caller::new(&rules(), "mcp:read");
    let head = caller.head("POST", &[JSON]);
    assert!(caller.bench.send_with_body(head, &[] as &[&str]).is_none());
    caller.bench.pass(Duration::from_secs(60));
    assert!(caller.bench.overdue().is_empty());
    caller.bench.pass(Duration::from_secs(1));
    let given_up = caller.bench.overdue();
    assert_eq!(word(&given_up[0].1), "body_timeout");
    assert_eq!(status(&given_up[0].1), 408);
}

#[test]
fn bodies_that_are_waited_for_are_bounded() {
    let mut caller = Caller::new(&rules(), "mcp:read");
    for nth in 0..10_001 {
        let head = caller.head("POST", &[JSON]);
        let outcome = caller.bench.send_with_body(head, &[] as &[&str]);
        let expected = if nth < 10_000 { None } else { Some("too_many_bodies") };
        assert_eq!(outcome.as_ref().map(word), expected, "{nth}");
    }
}

/// A body of which a reader has to keep the most for its length, and that does not end.
fn with_many_members() -> String {
    let members: Vec<String> = (0..65_000).map(|nth| format!(r#""{nth:x}":0"#)).collect();
    format!(r#"{{"jsonrpc":"2.0","params":{{{}"#, members.join(","))
}

#[test]
fn what_is_kept_of_all_bodies_together_is_bounded_and_ordinary_ones_go_on() {
    let mut caller = Caller::new(&rules(), "mcp:read");
    let fat = with_many_members();
    let outcomes: Vec<_> = (0..140)
        .map(|_| {
            let head = caller.head("POST", &[JSON]);
            caller.bench.send_with_body(head, &[] as &[&str]);
            let id = caller.bench.latest();
            (id, caller.bench.body(id, &fat, false))
        })
        .collect();
    let refused = |(nth, (_, outcome)): (usize, &(_, Option<_>))| {
        let expected = if nth < 128 { None } else { Some("too_many_bodies") };
        assert_eq!(outcome.as_ref().map(word), expected, "{nth}: 64 MiB are 128 of 512 KiB");
    };
    outcomes.iter().enumerate().for_each(refused);
    assert_eq!(word(&caller.send(&[JSON], &[tool("add").to_string()])), "allowed");

    // One goes away, and there is room for another.
    caller.bench.gate.forget(outcomes[0].0);
    for expected in [None, Some("too_many_bodies")] {
        let head = caller.head("POST", &[JSON]);
        assert!(caller.bench.send_with_body(head, &[] as &[&str]).is_none());
        let id = caller.bench.latest();
        assert_eq!(caller.bench.body(id, &fat, false).as_ref().map(word), expected);
    }
}

#[test]
fn bodies_of_requests_that_wait_for_keys_count_too() {
    let key = SigningKey::new("a");
    let mut caller = Caller::without_keys(&rules_config(&rules()), &key, "mcp:read");
    let fat = with_many_members();
    for nth in 0..130 {
        let head = caller.head("POST", &[JSON]);
        caller.bench.send_with_body(head, &[] as &[&str]);
        let id = caller.bench.latest();
        let outcome = caller.bench.body(id, &fat, false);
        let expected = if nth < 128 { None } else { Some("too_many_bodies") };
        assert_eq!(outcome.as_ref().map(word), expected, "{nth}");
    }
}

#[test]
fn a_body_may_come_before_the_keys_or_after_them() {
    let key = SigningKey::new("a");
    for body_first in [true, false] {
        for (name, verdict) in [("add", "allowed"), ("delete_note", "insufficient_scope")] {
            let mut caller = Caller::without_keys(&rules_config(&rules()), &key, "mcp:read");
            let body = tool(name).to_string();
            let head = caller.head("POST", &[JSON]);
            let pieces: &[&str] = if body_first { &[&body] } else { &[] };
            assert!(caller.bench.send_with_body(head, pieces).is_none());
            let id = caller.bench.latest();
            caller.bench.due();
            let decided = caller.bench.answer(&jwks([&key])).decided;
            let outcome = match body_first {
                true => decided.into_iter().next().expect("the keys were all it waited for").1,
                false => {
                    assert!(decided.is_empty(), "it waits for its body yet");
                    caller.bench.body(id, &body, true).expect("decided")
                }
            };
            assert_eq!(word(&outcome), verdict, "{body_first}");
        }
    }
}

#[test]
fn a_token_that_expires_while_its_body_comes_is_expired() {
    let mut caller = Caller::new(&rules(), "mcp:read");
    caller.bench.pass(Duration::from_secs(3600 + 59));
    let head = caller.head("POST", &[JSON]);
    assert!(caller.bench.send_with_body(head, &[] as &[&str]).is_none());
    caller.bench.pass(Duration::from_secs(2));
    let id = caller.bench.latest();
    let outcome = caller.bench.body(id, tool("add").to_string(), true).expect("decided");
    assert_eq!(word(&outcome), "expired");
}

#[test]
fn a_new_token_is_told_of_once_though_its_request_waits() {
    let mut caller = Caller::new(&rules(), "mcp:read");
    for event in ["authenticated", "none"] {
        let outcome = caller.call(&tool("add"));
        let line: Value = outcome.audit.map_or(json!({"event": "none"}), |line| {
            serde_json::from_str(&line).expect("it is JSON")
        });
        assert_eq!(line["event"], event);
    }
}
