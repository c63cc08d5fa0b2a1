"""RFC 9728 protected resource metadata: the documents, their methods, and CORS."""

import pytest
from harness import client
from harness.gateway import METADATA, config, issuer, resource
from harness.tokens import ISSUER, RESOURCE

WELL_KNOWN = "/.well-known/oauth-protected-resource"
OTHER_ISSUER = "https://other.example/"


@pytest.fixture(scope="module")
def gateway(start):
    first = config(
        issuers=[issuer(), issuer(issuer=OTHER_ISSUER)],
        resources=[
            resource(
                name="Example MCP server",
                scopes=["mcp:read", "mcp:list"],
                issuers=[ISSUER],
            ),
            # Its path behind the gateway and that of its identifier differ.
            resource(path="/inner", resource="https://mcp.example.com/outer/deep", scopes=[]),
            resource(path="/one", resource="https://one.example/shared", hosts=["one.example"]),
            resource(path="/two", resource="https://two.example/shared", hosts=["two.example"]),
        ],
    )
    rooted = config(resources=[resource(), resource(path="/r", resource="https://root.example")])
    slashed = config(resources=[resource(), resource(path="/r", resource="https://root.example/")])
    return start({"first": first, "rooted": rooted, "slashed": slashed})


def document(gateway, path, **how) -> dict:
    reply = gateway.send(path, **how)
    assert reply.status == 200, reply
    assert reply.header("content-type") == "application/json"
    assert reply.header("access-control-allow-origin") == "*"
    return reply.json()


@pytest.mark.parametrize("over", [client.http1, client.http2])
def test_the_document_of_a_resource_is_complete(gateway, over):
    assert document(gateway, f"{WELL_KNOWN}/mcp", over=over) == {
        "resource": RESOURCE,
        "authorization_servers": [ISSUER],
        "scopes_supported": ["mcp:read", "mcp:list"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Example MCP server",
    }


def test_what_is_not_configured_is_left_out_or_empty(gateway):
    found = document(gateway, f"{WELL_KNOWN}/outer/deep")
    assert found["resource"] == "https://mcp.example.com/outer/deep"
    assert found["authorization_servers"] == [ISSUER, OTHER_ISSUER]
    assert "resource_name" not in found
    assert found.get("scopes_supported", []) == []


def test_the_challenge_points_to_the_document(gateway):
    challenge = gateway.assert_denied("missing_token").challenge()
    assert challenge.params["resource_metadata"] == METADATA
    assert (
        document(gateway, METADATA.removeprefix("https://mcp.example.com"))["resource"] == RESOURCE
    )


def test_the_challenge_has_the_path_of_the_identifier(gateway):
    challenge = gateway.assert_denied("missing_token", "/inner").challenge()
    expected = f"https://mcp.example.com{WELL_KNOWN}/outer/deep"
    assert challenge.params == {"resource_metadata": expected}


def test_the_bare_document_is_that_of_the_first_resource(gateway):
    assert document(gateway, WELL_KNOWN)["resource"] == RESOURCE


@pytest.mark.parametrize(
    ("listener", "identifier"),
    [("rooted", "https://root.example"), ("slashed", "https://root.example/")],
)
def test_the_bare_document_is_that_of_the_resource_without_a_path(gateway, listener, identifier):
    assert document(gateway, WELL_KNOWN, listener=listener)["resource"] == identifier
    challenge = gateway.send("/r", listener=listener).challenge()
    assert challenge.params["resource_metadata"] == f"https://root.example{WELL_KNOWN}"


@pytest.mark.parametrize("host", ["one.example", "two.example"])
def test_the_host_decides_where_two_identifiers_share_a_path(gateway, host):
    found = document(gateway, f"{WELL_KNOWN}/shared", host=host)
    assert found["resource"] == f"https://{host}/shared"


def test_head_answers_like_get_without_a_body(gateway):
    get, head = (gateway.send(f"{WELL_KNOWN}/mcp", method=m) for m in ("GET", "HEAD"))
    assert (head.status, head.body) == (200, b"")
    assert head.header("content-type") == get.header("content-type")
    assert head.header("access-control-allow-origin") == "*"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_another_method_is_not_allowed(gateway, method):
    reply = gateway.assert_denied("method_not_allowed", f"{WELL_KNOWN}/mcp", method=method)
    allowed = {name.strip() for name in reply.header("allow").split(",")}
    assert allowed >= {"GET", "HEAD"}
    assert method not in allowed


def test_options_that_are_no_preflight_are_not_allowed(gateway):
    reply = gateway.send(f"{WELL_KNOWN}/mcp", method="OPTIONS")
    assert reply.status in (200, 204, 405)
    assert reply.status != 405 or reply.header("allow")


def test_a_preflight_is_answered(gateway):
    fields = [
        ("origin", "https://inspector.example"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "mcp-protocol-version"),
    ]
    reply = gateway.send(f"{WELL_KNOWN}/mcp", method="OPTIONS", fields=fields)
    assert reply.status in (200, 204)
    assert reply.header("access-control-allow-origin") == "*"
    assert "GET" in reply.header("access-control-allow-methods")
    allowed = reply.header("access-control-allow-headers").lower()
    assert allowed == "*" or "mcp-protocol-version" in allowed
    assert reply.header("x-from-backend") is None


@pytest.mark.parametrize(
    "path",
    [
        f"{WELL_KNOWN}/",
        f"{WELL_KNOWN}/mcp/",
        f"{WELL_KNOWN}/mcp/x",
        f"{WELL_KNOWN}/inner",
        f"{WELL_KNOWN}x",
        "/mcp/.well-known/oauth-protected-resource",
        "/.well-known/oauth-authorization-server",
    ],
)
def test_only_exact_paths_have_a_document(gateway, path):
    assert gateway.send(path).status in (401, 404)


def test_a_query_does_no_harm(gateway):
    assert document(gateway, f"{WELL_KNOWN}/mcp?a=b")["resource"] == RESOURCE


def test_a_document_needs_no_token_and_minds_none(gateway):
    assert document(gateway, f"{WELL_KNOWN}/mcp", token="not.a.token")["resource"] == RESOURCE


def test_the_backend_never_sees_a_request_for_a_document(gateway):
    before = gateway.backend.requests
    gateway.send(f"{WELL_KNOWN}/mcp")
    assert gateway.backend.requests == before
