//! What holds whatever happens: only a verified token gets a request to a resource, and nobody but
//! the filter says who is calling.

use std::time::Duration;

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};
use proxy_wasm_testhost::{Failure, Outcome, Response, Stream};

use crate::support::{
    claims, config, host,
    signing::{SigningKey, jwks},
};

#[derive(Clone, Debug)]
enum Event {
    Good,
    Forged,
    UnknownKid,
    NoToken,
    Keys,
    Garbage,
    Fails,
    Passes(u64),
    LastLeaves,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_only_good_tokens_get_through(
        events in prop::collection::vec(event(), 1..40)
    ) {
        let host = host(&config());
        host.start().expect("it starts");
        let (key, other) = (SigningKey::new("a"), SigningKey::new("b"));
        let forged = other.sign_under(&serde_json::json!({"alg": "EdDSA", "kid": "a"}), &claims());
        let (good, unknown) = (key.sign(&claims()), other.sign(&claims()));
        let send = |token: &str| {
            host.get("/mcp")
                .header("authorization", format!("Bearer {token}"))
                .header("x_user-id", "root")
                .send()
        };
        let mut bad_streams = Vec::new();
        let mut good_streams = Vec::new();
        for event in events {
            match event {
                Event::Good => good_streams.push(send(&good)),
                Event::Forged => bad_streams.push(send(&forged)),
                Event::UnknownKid => bad_streams.push(send(&unknown)),
                Event::NoToken => bad_streams.push(host.get("/mcp").send()),
                Event::Passes(millis) => host.advance(Duration::from_millis(millis)),
                Event::Keys => host
                    .calls()
                    .iter()
                    .for_each(|call| host.answer(call, Response::ok(jwks([&key])))),
                Event::Garbage => {
                    host.calls().iter().for_each(|call| host.answer(call, Response::ok("{")));
                }
                Event::Fails => {
                    host.calls().iter().for_each(|call| host.fail(call, Failure::Reset));
                }
                Event::LastLeaves => {
                    if let Some(last) = host.streams().pop() {
                        last.close();
                    }
                }
            }
        }
        for stream in good_streams {
            if let Some(headers) = stream.forwarded() {
                assert_eq!(headers.get_all("x-user-id"), ["alice-20e08ebb"]);
                assert!(!headers.contains("x_user-id"));
            }
        }
        for stream in bad_streams {
            assert!(stream.forwarded().is_none(), "{:?}", stream.outcome());
        }
        host.advance(Duration::from_secs(10));
        assert!(host.streams().iter().all(|stream| !stream.is_paused()), "none waits for ever");
        assert!(host.misuses().is_empty(), "{:?}", host.misuses());
    }

    #[test]
    fn arbitrary_headers_never_panic_and_never_get_through(
        path in any::<String>(),
        headers in prop::collection::vec(("[a-z_-]{1,12}", any::<Vec<u8>>()), 0..8),
        authorization in any::<Vec<u8>>(),
    ) {
        let host = crate::support::with_keys(&config(), [&SigningKey::new("a")]);
        let mut request = host.get(&format!("/mcp{path}")).header("authorization", authorization);
        for (name, value) in headers {
            request = request.header(&name, value);
        }
        assert!(request.send().forwarded().is_none());
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Good),
        1 => Just(Event::Forged),
        1 => Just(Event::UnknownKid),
        1 => Just(Event::NoToken),
        2 => Just(Event::Keys),
        1 => Just(Event::Garbage),
        1 => Just(Event::Fails),
        2 => (0_u64..20_000).prop_map(Event::Passes),
        1 => Just(Event::LastLeaves),
    ]
}

#[derive(Clone, Debug)]
enum Part {
    /// A POST begins: whether its token is good, and which of [`BODIES`] it has.
    Begins(bool, usize),
    /// The next bytes of one of the requests, so many of them.
    Comes(usize, usize),
    /// One of the requests ends with trailers.
    Trailers(usize),
    /// One of the clients leaves.
    Leaves(usize),
    Keys,
    Passes(u64),
}

/// Bodies, and whether they may go on.
const BODIES: [(&str, bool); 6] = [
    (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add"}}"#, true),
    (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, true),
    (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_x"}}"#, false),
    (
        r#"[{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0","method":"tools/call","params":{"name":"delete_x"}}]"#,
        false,
    ),
    (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add"}}]"#, false),
    ("", false),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_when_only_whole_allowed_bodies_get_through(
        parts in prop::collection::vec(part(), 1..60)
    ) {
        let mut config = config();
        config["body_access"] = serde_json::json!(true);
        config["resources"][0]["tools"] =
            serde_json::json!([{"name": "delete_*", "scopes": ["never"]}]);
        let host = host(&config).allow_on_headers_stop_iteration(true);
        host.start().expect("it starts");
        let key = SigningKey::new("a");
        let good = key.sign(&claims());
        let bad = SigningKey::new("b").sign_under(&serde_json::json!({"alg": "EdDSA", "kid": "a"}), &claims());
        let mut requests: Vec<Sent> = Vec::new();
        for part in parts {
            match part {
                Part::Begins(is_good, body) => {
                    let token = if is_good { &good } else { &bad };
                    let stream = host
                        .request([(":method", "POST"), (":authority", "a"), (":path", "/mcp")])
                        .header("authorization", format!("Bearer {token}"))
                        .header("content-type", "application/json")
                        .end_of_stream(false)
                        .send();
                    requests.push(Sent { stream, is_good, body, sent: 0, is_over: false });
                }
                Part::Comes(nth, size) => {
                    if let Some(request) = pick(&mut requests, nth) {
                        let rest = &BODIES[request.body].0.as_bytes()[request.sent..];
                        let size = size.min(rest.len());
                        request.sent += size;
                        request.is_over = size == rest.len();
                        request.stream.body(&rest[..size], request.is_over);
                    }
                }
                Part::Trailers(nth) => {
                    if let Some(request) = pick(&mut requests, nth) {
                        request.is_over = true;
                        request.stream.trailers();
                    }
                }
                Part::Leaves(nth) => {
                    if let Some(request) = pick(&mut requests, nth) {
                        request.is_over = true;
                        request.stream.close();
                    }
                }
                Part::Keys => host
                    .calls()
                    .iter()
                    .for_each(|call| host.answer(call, Response::ok(jwks([&key])))),
                Part::Passes(millis) => host.advance(Duration::from_millis(millis)),
            }
            for request in &requests {
                if let Some(headers) = request.stream.forwarded() {
                    let (body, is_allowed) = BODIES[request.body];
                    assert!(request.is_good && is_allowed, "{body}");
                    assert_eq!(request.stream.forwarded_body(), body.as_bytes(), "it is whole");
                    assert_eq!(headers.get_all("x-user-id"), ["alice-20e08ebb"]);
                }
            }
        }
        host.advance(Duration::from_secs(70));
        assert!(host.streams().iter().all(|stream| !stream.is_paused()), "none waits for ever");
        assert!(host.misuses().is_empty(), "{:?}", host.misuses());
    }
}

/// A request that was begun.
struct Sent {
    stream: Stream,
    is_good: bool,
    body: usize,
    sent: usize,
    is_over: bool,
}

/// One of the requests that are still being sent.
fn pick(requests: &mut [Sent], nth: usize) -> Option<&mut Sent> {
    let mut open: Vec<&mut Sent> = requests
        .iter_mut()
        .filter(|request| !request.is_over && request.stream.outcome() == Outcome::Paused)
        .collect();
    if open.is_empty() {
        None
    } else {
        let at = nth % open.len();
        Some(open.remove(at))
    }
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        4 => (prop::bool::weighted(0.8), 0..BODIES.len()).prop_map(|(good, body)| Part::Begins(good, body)),
        8 => (any::<usize>(), 0_usize..120).prop_map(|(nth, size)| Part::Comes(nth, size)),
        1 => any::<usize>().prop_map(Part::Trailers),
        1 => any::<usize>().prop_map(Part::Leaves),
        2 => Just(Part::Keys),
        1 => (0_u64..70_000).prop_map(Part::Passes),
    ]
}
