//! A host with the filter in it.

#[path = "../../../crates/auth-core/tests/rules/support/signing.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
pub(crate) mod signing;
pub(crate) mod verify_signature;

use std::time::Duration;

use proxy_wasm_testhost::{Response, Stream, TestHost};
use serde_json::{Value, json};

use signing::{SigningKey, jwks};

/// When every host starts, in seconds since 1970.
pub(crate) const NOW: u64 = 1_767_225_600;
pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// The least configuration with a public path, keys fetched through the cluster `idp`.
pub(crate) fn config() -> Value {
    json!({
        "issuers": [{
            "issuer": "https://idp.example/",
            "jwks": {"uri": "https://idp.example/jwks.json", "cluster": "idp"},
        }],
        "resources": [{"path": "/mcp", "resource": "https://mcp.example.com/mcp"}],
        "public": ["/healthz"],
    })
}

/// Claims that [`config`] accepts, for an hour.
pub(crate) fn claims() -> Value {
    json!({
        "iss": "https://idp.example/",
        "aud": "https://mcp.example.com/mcp",
        "sub": "user-1",
        "preferred_username": "alice",
        "exp": NOW + 3600,
    })
}

/// A host whose filter has not started.
pub(crate) fn host(config: &Value) -> TestHost {
    TestHost::new(mcp_auth_filter::register).cluster("idp").plugin_configuration(config.to_string())
}

/// A host whose filter has started and has its first fetch under way.
pub(crate) fn started(config: &Value) -> TestHost {
    start(host(config))
}

/// Starts the filter, and lets it begin its first fetch.
pub(crate) fn start(host: TestHost) -> TestHost {
    host.start().expect("the filter starts whatever its configuration");
    host.advance(MILLISECOND);
    host
}

/// A host whose filter has these keys.
pub(crate) fn with_keys<'k>(
    config: &Value,
    keys: impl IntoIterator<Item = &'k SigningKey>,
) -> TestHost {
    let host = started(config);
    host.answer(&host.take_call(), Response::ok(jwks(keys)));
    host
}

/// A GET of the resource with this token.
pub(crate) fn send(host: &TestHost, token: &str) -> Stream {
    host.get("/mcp").header("authorization", format!("Bearer {token}")).send()
}

/// Asserts that a request was denied for this reason, and never went upstream.
#[track_caller]
pub(crate) fn assert_denied(stream: &Stream, status: u16, reason: &str) {
    assert_eq!(stream.reply().status, status);
    assert_eq!(stream.property(["mcp_auth.reason"]).as_deref(), Some(reason.as_bytes()));
    assert!(stream.forwarded().is_none());
}
