//! What holds whatever happens: only a verified token gets a request to a resource, and nobody but
//! the filter says who is calling.

use std::time::Duration;

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};
use proxy_wasm_testhost::{Failure, Response};

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
