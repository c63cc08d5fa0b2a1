//! Workers share through the sidecar whose a session is.

use super::*;

#[test]
fn a_worker_asks_the_sidecar_about_a_session_it_does_not_know() {
    let mut one = Worker::new(&shared("observe"));
    one.begins(ALICE, "s1");
    let binding = one.told().expect("the sidecar is told");
    for (user, verdict) in [(ALICE, "allowed"), (BOB, "session_of_another_user")] {
        let mut two = Worker::new(&shared("observe"));
        assert!(two.send(user, "POST", &[("mcp-session-id", "s1")]).is_none(), "it waits");
        let lookup = two.lookup().expect("the sidecar is asked");
        assert_eq!(lookup.path(), binding.path(), "they name the session alike");
        let decided = two.answer(&lookup, 200, &binding.body());
        assert_eq!(decided, [verdict]);
        assert_eq!(two.uses(user, "s1"), verdict, "it is remembered");
    }
}

#[test]
fn neither_session_nor_user_is_revealed_to_the_sidecar() {
    let mut worker = Worker::new(&shared("observe"));
    worker.begins(ALICE, "session-1");
    let told = worker.told().expect("the sidecar is told");
    assert!(!told.path().contains("session-1") && !told.path().contains(ALICE));
    assert!(!told.body().to_string().contains(ALICE));
    let name = told.path().strip_prefix("/v1/mcp-sessions/").expect("it is the call");
    assert_eq!(name.len(), 22);
}

#[test]
fn a_session_that_the_sidecar_does_not_know_goes_to_whoever_uses_it_first() {
    for mode in ["observe", "required"] {
        let mut worker = Worker::new(&shared(mode));
        worker.knows_login(ALICE);
        assert!(worker.send(ALICE, "POST", &[("mcp-session-id", "s1")]).is_none(), "{mode}");
        let id = worker.bench.latest();
        let lookup = worker.lookup().expect("the sidecar is asked");
        assert_eq!(worker.answer(&lookup, 404, &json!({})), ["allowed"]);
        worker.bench.answered(id, "200", None);
        assert!(worker.told().is_some());
        assert_eq!(worker.uses(ALICE, "s1"), "allowed");
    }
}

#[test]
fn a_session_that_is_bound_while_somebody_else_asks_about_it_stays_bound() {
    let mut worker = Worker::new(&shared("observe"));
    assert!(worker.send(BOB, "GET", &[("mcp-session-id", "s1")]).is_none(), "it waits");
    let lookup = worker.lookup().expect("the sidecar is asked");
    worker.begins(ALICE, "s1");
    let decided = worker.answer(&lookup, 404, &Value::Null);
    assert_eq!(decided, ["session_of_another_user"], "the sidecar was not told yet");
}

#[test]
fn without_an_answer_required_sessions_fail_closed_and_observed_ones_do_not() {
    for (mode, verdict) in [("observe", "allowed"), ("required", "sessions_unavailable")] {
        for status in [500, 200, 0] {
            let mut worker = Worker::new(&shared(mode));
            worker.knows_login(ALICE);
            assert!(worker.send(ALICE, "POST", &[("mcp-session-id", "s1")]).is_none());
            let lookup = worker.lookup().expect("the sidecar is asked");
            assert_eq!(worker.answer(&lookup, status, &json!({"owner": "?"})), [verdict], "{mode}");
        }
    }
}

#[test]
fn an_answer_that_cannot_be_had_says_when_to_come_again() {
    let mut worker = Worker::new(&shared("required"));
    worker.knows_login(ALICE);
    assert!(worker.send(ALICE, "POST", &[("mcp-session-id", "s1")]).is_none());
    let lookup = worker.lookup().expect("the sidecar is asked");
    let fetched = worker.outcome(&lookup, FetchOutcome::Unanswered("no connection"));
    let Decision::Reply(reply) = &fetched.decided[0].1.decision else { panic!("it is forwarded") };
    assert!(reply.headers.contains(&("retry-after", "1".to_owned())));
}

#[test]
fn lookups_are_bounded_and_hold_up_nobody_whose_session_is_only_observed() {
    for (mode, verdict) in [("observe", "allowed"), ("required", "sessions_unavailable")] {
        let mut worker = Worker::new(&shared(mode));
        worker.knows_login(ALICE);
        for nth in 0..1001 {
            let id = nth.to_string();
            let outcome = worker.send(ALICE, "GET", &[("mcp-session-id", &id)]);
            let expected = if nth < 1000 { None } else { Some(verdict) };
            assert_eq!(outcome.as_ref().map(word), expected, "{mode} {nth}");
            // What waits is not to be in the way of what asks.
            worker.bench.gate.forget(worker.bench.latest());
        }
    }
}

#[test]
fn issuers_without_sessions_share_nothing() {
    let mut worker = Worker::new(&shared("off"));
    worker.begins(ALICE, "s1");
    assert!(worker.told().is_none());
    assert_eq!(worker.uses(ALICE, "s2"), "allowed");
    assert_eq!(worker.uses(BOB, "s1"), "session_of_another_user");
}

#[test]
fn who_comes_second_at_the_sidecar_asks_again() {
    let mut worker = Worker::new(&shared("observe"));
    worker.begins(ALICE, "s1");
    let told = worker.told().expect("the sidecar is told");
    worker.answer(&told, 409, &json!({"error": "conflict"}));
    assert!(worker.send(ALICE, "POST", &[("mcp-session-id", "s1")]).is_none());
    assert!(worker.lookup().is_some());
}

#[test]
fn a_session_in_use_is_told_again_every_hour_and_sooner_after_a_failure() {
    let mut worker = Worker::new(&shared("observe"));
    worker.begins(ALICE, "s1");
    let told = worker.told().expect("the sidecar is told");
    let report = worker.outcome(&told, FetchOutcome::Unanswered("no connection")).report;
    assert!(matches!(report, Report::SessionFailed { .. }), "{report:?}");
    for (wait, again) in [(59, false), (1, true), (3599 - 60, false), (61, true)] {
        worker.bench.pass(Duration::from_secs(wait));
        assert_eq!(worker.uses(ALICE, "s1"), "allowed");
        assert_eq!(worker.told().is_some(), again, "after {wait}");
    }
}

#[test]
fn one_lookup_serves_everybody_who_waits_for_it() {
    let mut one = Worker::new(&shared("observe"));
    one.begins(ALICE, "s1");
    let binding = one.told().expect("the sidecar is told");
    let mut two = Worker::new(&shared("observe"));
    for user in [ALICE, BOB, ALICE] {
        assert!(two.send(user, "POST", &[("mcp-session-id", "s1")]).is_none());
    }
    let lookup = two.lookup().expect("the sidecar is asked");
    assert!(two.lookup().is_none(), "once");
    let decided = two.answer(&lookup, 200, &binding.body());
    assert_eq!(decided, ["allowed", "session_of_another_user", "allowed"]);
}

#[test]
fn the_wait_for_a_session_and_for_a_body_follow_each_other() {
    let mut config = shared("observe");
    config["body_access"] = json!(true);
    config["resources"][0]["tools"] = json!([{"name": "delete_*", "scopes": ["never"]}]);
    let body = |name: &str| {
        json!({"jsonrpc": "2.0", "method": "tools/call", "params": {"name": name}}).to_string()
    };
    for body_first in [true, false] {
        for (name, verdict) in [("add", "allowed"), ("delete_note", "insufficient_scope")] {
            let mut worker = Worker::new(&config);
            assert!(worker.send(ALICE, "POST", &[JSON, ("mcp-session-id", "s1")]).is_none());
            let id = worker.bench.latest();
            if body_first {
                assert!(worker.bench.body(id, body(name), true).is_none());
            }
            let lookup = worker.lookup().expect("the sidecar is asked");
            let decided = worker.answer(&lookup, 404, &json!({}));
            if body_first {
                assert_eq!(decided, [verdict]);
            } else {
                assert!(decided.is_empty());
                let outcome = worker.bench.body(id, body(name), true).expect("decided");
                assert_eq!(word(&outcome), verdict);
            }
        }
    }
}

#[test]
fn what_was_known_before_a_slow_body_is_looked_up_again_after_it() {
    let mut config = shared("required");
    config["body_access"] = json!(true);
    config["resources"][0]["tools"] = json!([{"name": "delete_*", "scopes": ["never"]}]);
    let mut worker = Worker::new(&config);
    assert!(worker.send(ALICE, "POST", &[JSON]).is_none(), "its login is looked up");
    let id = worker.bench.latest();
    assert_eq!(worker.knows_login(ALICE), ["allowed"], "that is the look itself");
    worker.bench.pass(Duration::from_secs(40));
    assert!(worker.bench.body(id, tool("add").to_string(), true).is_none(), "too long ago");
    assert_eq!(worker.knows_login(ALICE), ["allowed", "allowed"]);
}

/// A configuration with a sidecar, for an issuer in this mode.
fn shared(mode: &str) -> Value {
    config_with(|config| {
        config["issuers"][0]["session"] = json!(mode);
        config["sessions"] = json!({"cluster": "mcp-auth"});
    })
}
