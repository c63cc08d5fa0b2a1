"""Paths, hosts, origins and public paths: what is matched, and what is refused before any match."""

import pytest
from harness import client
from harness.envoy import Listener
from harness.gateway import config, resource
from harness.tokens import RESOURCE, token

NORMALIZED = pytest.mark.parametrize("listener", ["normalized", "raw"])

SETTINGS = config(
    resources=[
        resource(scopes=[]),
        resource(path="/mcp/public/private", resource="https://mcp.example.com/private", scopes=[]),
        resource(path="/a%20b", resource="https://mcp.example.com/space", scopes=[]),
        resource(
            path="/hosted", hosts=["One.example"], resource="https://one.example/h", scopes=[]
        ),
        resource(
            path="/hosted",
            hosts=["two.example", "ported.example:8443"],
            resource="https://two.example/h",
            scopes=[],
        ),
        resource(
            path="/origins",
            resource="https://mcp.example.com/o",
            origins=["https://app.example", "http://localhost:6274"],
            scopes=[],
        ),
    ],
    public=["/healthz", "/mcp/public", "/.well-known/acme"],
)


@pytest.fixture(scope="module")
def gateway(start):
    return start(
        {
            "raw": Listener(SETTINGS, normalize_path=False),
            "normalized": Listener(SETTINGS, normalize_path=True),
            "default": Listener(SETTINGS),
        }
    )


def audiences() -> list[str]:
    ends = ["private", "space", "o"]
    ids = [RESOURCE, "https://one.example/h", "https://two.example/h"]
    return ids + [f"https://mcp.example.com/{end}" for end in ends]


def everywhere() -> str:
    """A token that every resource of this file accepts."""
    return token(aud=audiences())


# --- canonical paths

REFUSED_RAW = [
    "/mcp/../healthz",
    "/healthz/../mcp",
    "/healthz/..",
    "/healthz;/../mcp",
    "/mcp/./x",
    "/./mcp",
    "/mcp/%2e%2e/healthz",
    "/mcp/.%2E/healthz",
    "/mcp/%2e/x",
    "/mcp\\x",
    "/mcp\\..\\healthz",
    "/%6dcp",
    "/mcp/%61",
    "/healthz/%7Ex",
]
REFUSED_ALWAYS = [
    "//mcp",
    "/mcp//x",
    "/mcp//",
    "/healthz//",
    "/mcp;a=b",
    "/mcp/%3bx",
    "/mcp/%3Bx",
    "/mcp/%2fx",
    "/mcp%2Fx",
    "/mcp/%5cx",
    "/mcp/%5Cx",
    "/mcp/%00",
    "/mcp/%0d%0ax",
    "/mcp/%1f",
    "/mcp/%7f",
    "/mcp/%",
    "/mcp/%4",
    "/mcp/%zz",
    "/mcp/%4g",
]


@pytest.mark.parametrize("path", REFUSED_RAW + REFUSED_ALWAYS)
def test_a_path_that_is_not_canonical_is_refused(gateway, path):
    reply = gateway.send(path, token=everywhere(), listener="raw")
    assert reply.status == 400, reply
    # Where Envoy did not refuse it before the filter, the filter's own answer is complete.
    if reply.body.startswith(b"{"):
        gateway.assert_denied("malformed_request", path, token=everywhere(), listener="raw")


@pytest.mark.parametrize("path", REFUSED_ALWAYS)
def test_it_is_refused_with_normalize_path_as_well(gateway, path):
    assert gateway.send(path, token=everywhere(), listener="normalized").status == 400


@pytest.mark.parametrize("path", REFUSED_RAW)
@pytest.mark.parametrize("listener", ["normalized", "default", "raw"])
def test_no_path_trick_gets_past_without_a_token(gateway, path, listener):
    """What Envoy makes canonical first may be public then; nothing protected may be reached."""
    reply = gateway.send(path, listener=listener)
    if reply.status == 200:
        assert listener == "normalized"
        assert reply.json()["path"].startswith("/healthz"), reply.json()
    else:
        assert reply.status in (400, 401, 404)


@NORMALIZED
@pytest.mark.parametrize("path", ["/mcp/\x80", "/mcp/\xff", "/m\xe7p"])
def test_bytes_outside_ascii_are_refused(gateway, path, listener):
    assert gateway.send(path, token=everywhere(), listener=listener).status == 400


@pytest.mark.parametrize("path", ["/mcp//x", "/mcp/%2fx", "/mcp;x", "/mcp/%zz", "/%6dcp"])
def test_it_is_refused_over_http2_too(gateway, path):
    gateway.assert_denied("malformed_request", path, token=everywhere(), over=client.http2)


def test_a_path_is_judged_before_the_credential(gateway):
    gateway.assert_denied("malformed_request", "/mcp//x")


@NORMALIZED
@pytest.mark.parametrize(
    "path",
    [
        "/mcp",
        "/mcp/",
        "/mcp/x",
        "/mcp/x/",
        "/mcp/x.y",
        "/mcp/...",
        "/mcp/..x",
        "/mcp/%20",
        "/mcp/%C3%A9",
        "/mcp/a:b@c,d=e+f$g&h!i*j'k(l)",
        "/mcp/~-_",
        "/a%20b",
        "/a%20b/c",
    ],
)
def test_a_canonical_path_passes_unchanged(gateway, path, listener):
    assert gateway.forwarded(path, token=everywhere(), listener=listener).path == path


@NORMALIZED
@pytest.mark.parametrize("query", ["?", "?a=/../..//;%2f%zz", "?x=/healthz", "?\\"])
def test_the_query_takes_no_part(gateway, query, listener):
    got = gateway.forwarded(f"/mcp{query}", token=everywhere(), listener=listener)
    assert got.path.startswith("/mcp?")
    gateway.assert_denied("missing_token", f"/mcp{query}", listener=listener)
    gateway.assert_denied("unmatched_path", f"/other{query}", listener=listener)


# --- matching


@NORMALIZED
@pytest.mark.parametrize("path", ["/", "/other", "/mcpx", "/mcp-2", "/MCP", "/healthzz", "/a"])
def test_a_path_under_nothing_is_not_found(gateway, path, listener):
    gateway.assert_denied("unmatched_path", path, token=everywhere(), listener=listener)


def test_not_found_comes_before_the_credential(gateway):
    gateway.assert_denied("unmatched_path", "/other")


@NORMALIZED
@pytest.mark.parametrize("path", ["/healthz", "/healthz/", "/healthz/deep", "/mcp/public/x"])
def test_a_public_path_passes_without_a_token(gateway, path, listener):
    assert gateway.forwarded(path, listener=listener).path == path


@pytest.mark.parametrize("path", ["/mcp/publicx", "/mcp/public/private", "/mcp/public/private/x"])
def test_the_longest_path_wins_over_a_public_one(gateway, path):
    gateway.assert_denied("missing_token", path)


def test_a_token_on_a_public_path_is_ignored(gateway):
    got = gateway.forwarded("/healthz", token="not.a.token")
    assert got.header("authorization") == "Bearer not.a.token"


def test_authorization_is_left_as_it_is_on_public_paths(gateway):
    got = gateway.forwarded("/healthz", fields=[("authorization", "Basic dXNlcjpwYXNz")])
    assert got.header("authorization") == "Basic dXNlcjpwYXNz"


def test_a_public_path_takes_every_method(gateway):
    assert gateway.forwarded("/healthz", method="POST", body=b"x").body == "x"


# --- hosts


@pytest.mark.parametrize(
    "host", ["one.example", "ONE.EXAMPLE", "one.example:1234", "One.Example:80"]
)
def test_a_host_is_compared_without_case_and_port(gateway, host):
    only_one = token(aud="https://one.example/h")
    gateway.forwarded("/hosted", token=only_one, host=host)


@pytest.mark.parametrize(
    "host", ["three.example", "one.example.evil", "xone.example", "ported.example"]
)
def test_another_host_is_not_found(gateway, host):
    gateway.assert_denied("unmatched_path", "/hosted", token=everywhere(), host=host)


def test_a_configured_port_is_compared(gateway):
    good = token(aud="https://two.example/h")
    gateway.forwarded("/hosted", token=good, host="ported.example:8443")
    gateway.assert_denied("unmatched_path", "/hosted", token=good, host="ported.example:8444")


def test_the_host_decides_between_resources_of_one_path(gateway):
    one = token(aud="https://one.example/h")
    gateway.assert_denied("wrong_audience", "/hosted", token=one, host="two.example")
    gateway.forwarded("/hosted", token=one, host="one.example")


def test_a_challenge_never_follows_the_host_header(gateway):
    reply = gateway.assert_denied("missing_token", host="evil.example")
    assert "evil.example" not in reply.header("www-authenticate")


# --- origins


def origin(value: str) -> list[tuple[str, str]]:
    return [("origin", value)]


@pytest.mark.parametrize("value", ["https://app.example", "http://localhost:6274"])
def test_a_listed_origin_passes(gateway, value):
    gateway.forwarded("/origins", token=everywhere(), fields=origin(value))


def test_no_origin_passes(gateway):
    gateway.forwarded("/origins", token=everywhere())


@pytest.mark.parametrize(
    "value",
    [
        "https://evil.example",
        "http://app.example",
        "https://app.example:443",
        "https://APP.example",
        "https://app.example/",
        "https://app.example.evil.example",
        "null",
        "",
        "http://localhost",
    ],
)
def test_another_origin_is_refused(gateway, value):
    gateway.assert_denied(
        "origin_not_allowed", "/origins", token=everywhere(), fields=origin(value)
    )


def test_two_origins_are_refused(gateway):
    fields = origin("https://app.example") + origin("https://evil.example")
    gateway.assert_denied("origin_not_allowed", "/origins", token=everywhere(), fields=fields)


def test_an_origin_is_judged_before_the_credential(gateway):
    gateway.assert_denied("origin_not_allowed", "/origins", fields=origin("https://evil.example"))


def test_without_a_list_every_origin_passes(gateway):
    gateway.forwarded("/mcp", token=everywhere(), fields=origin("https://evil.example"))


# --- preflights


def preflight(value: str) -> list[tuple[str, str]]:
    return [*origin(value), ("access-control-request-method", "POST")]


@pytest.mark.parametrize("path", ["/mcp", "/mcp/x", "/origins"])
def test_a_preflight_passes_without_a_token(gateway, path):
    got = gateway.forwarded(path, method="OPTIONS", fields=preflight("https://app.example"))
    assert got.method == "OPTIONS"


def test_a_preflight_from_a_refused_origin_is_refused(gateway):
    gateway.assert_denied(
        "origin_not_allowed", "/origins", method="OPTIONS", fields=preflight("https://evil.example")
    )


def test_a_preflight_brings_no_identity_along(gateway):
    fields = [*preflight("https://app.example"), ("x-user-id", "forged")]
    assert not gateway.forwarded("/mcp", method="OPTIONS", fields=fields).alike("x-user-id")


@pytest.mark.parametrize(
    "fields",
    [[], [("origin", "https://app.example")], [("access-control-request-method", "POST")]],
    ids=["bare", "origin alone", "method alone"],
)
def test_options_that_are_no_preflight_need_a_token(gateway, fields):
    gateway.assert_denied("missing_token", method="OPTIONS", fields=fields)


@pytest.mark.parametrize("path", ["/mcp", "/mcp/x", "/origins"])
def test_a_preflight_that_carries_a_call_needs_a_token(gateway, path):
    """Servers that do not look at the method would take it for a POST."""
    fields = [*preflight("https://app.example"), ("content-type", "application/json")]
    call = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete"}}'
    gateway.assert_denied("missing_token", path, method="OPTIONS", fields=fields, body=call)


def test_a_get_with_preflight_fields_needs_a_token(gateway):
    gateway.assert_denied("missing_token", fields=preflight("https://app.example"))


def test_a_preflight_to_nowhere_is_not_found(gateway):
    gateway.assert_denied(
        "unmatched_path", "/other", method="OPTIONS", fields=preflight("https://app.example")
    )
