"""Every version of MCP, in every form that a call comes in: allowed, denied, malformed.

The rule is about `delete_*`, which needs `mcp:write`; the token has `mcp:read`.
"""

import base64
import json
from dataclasses import dataclass

import pytest
from harness import client
from harness.backend import seen
from harness.envoy import Listener
from harness.gateway import assert_reply_is, config, resource
from harness.tokens import token

MODERN = "2026-07-28"
WITH_BATCHES = "2025-03-26"
OLDER = ("2025-11-25", "2025-06-18", WITH_BATCHES)
VERSIONS = (MODERN, *OLDER)

RULES = [{"name": "delete_*", "scopes": ["mcp:write"]}]
ALLOWED, DENIED, MALFORMED = "add", "delete_note", "malformed"


@dataclass(frozen=True)
class Form:
    """How a call comes. `believes` is the listener: of `headers`, no body is read."""

    name: str
    believes: str = "bodies"
    batch: bool = False
    chunked: bool = False


SINGLE = Form("single")
BATCH = Form("batch", batch=True)
CHUNKED = Form("chunked", chunked=True)
HEADER_ONLY = Form("header-only", believes="headers")
FORMS = (SINGLE, BATCH, CHUNKED, HEADER_ONLY)


def expected(version: str, form: Form, call: str) -> int:
    """The status that the cell has to have."""
    if form == BATCH and version == MODERN:
        return 400  # this version has no batches, and the headers could name one call only
    if form == HEADER_ONLY and version != MODERN:
        return 400  # these say nothing in headers: what is called cannot be known
    return {ALLOWED: 200, DENIED: 403, MALFORMED: 400}[call]


@pytest.fixture(scope="module")
def gateway(start):
    bodies = config(resources=[resource(tools=RULES)], body_access=True)
    headers = config(resources=[resource(tools=RULES, trust_mcp_headers=True)])
    return start({"bodies": Listener(bodies, hold_headers=True), "headers": Listener(headers)})


def message(name: str, number: int = 1) -> dict:
    params = {"name": name, "arguments": {"id": 7}}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


def body(form: Form, call: str) -> bytes:
    """In the malformed ones a tool is named twice, and readers differ in whom they believe."""
    if call == MALFORMED:
        once = json.dumps(message("add"))
        twice = once.replace('"name": "add"', '"name": "add", "name": "delete_note"')
        return f"[{twice}]".encode() if form.batch else twice.encode()
    messages = [message("add", 1), message(call, 2)] if form.batch else message(call)
    return json.dumps(messages).encode()


def headers(version: str, form: Form, call: str) -> list[tuple[str, str]]:
    fields = [("content-type", "application/json"), ("mcp-protocol-version", version)]
    if version != MODERN:
        return fields
    name = "add" if call == MALFORMED else call
    encoded = base64.b64encode(name.encode()).decode()
    # Where nobody reads the body, the header itself is what is malformed.
    broken = call == MALFORMED and form.believes == "headers"
    name = "=?base64?%%%?=" if broken else f"=?base64?{encoded}?="
    return [*fields, ("mcp-method", "tools/call"), ("mcp-name", name)]


CELLS = [
    pytest.param(version, form, call, over, id=f"{version}-{form.name}-{call}-{over.__name__}")
    for version in VERSIONS
    for form in FORMS
    for call in (ALLOWED, DENIED, MALFORMED)
    for over in (client.http1, client.http2)
    if not (form.chunked and over is client.http2)  # its frames are in test_calls.py
]


@pytest.mark.parametrize(("version", "form", "call", "over"), CELLS)
def test_the_matrix(gateway, version, form, call, over):
    content = body(form, call)
    how = {"body": content}
    if form.chunked:
        how = {"chunks": [content[at : at + 7] for at in range(0, len(content), 7)]}
    reached = gateway.backend.requests
    reply = gateway.send(
        method="POST",
        token=token(scope="mcp:read"),
        fields=headers(version, form, call),
        listener=form.believes,
        over=over,
        **how,
    )
    status = expected(version, form, call)
    assert reply.status == status, reply
    if status == 200:
        assert seen(reply).header("x-user-id")
        assert reply.json()["body"] == ("" if "chunks" in how else content.decode())
        return
    assert gateway.backend.requests == reached, "a refused call reached the server"
    if status == 403:
        assert_reply_is(reply, "insufficient_scope")
        assert reply.challenge().params["scope"] == "mcp:read mcp:write"
    else:
        assert reply.challenge() is None, "nothing is wrong with the credential"


@pytest.mark.parametrize("version", VERSIONS)
def test_whoever_has_the_scope_makes_the_call_in_every_version(gateway, version):
    reply = gateway.send(
        method="POST",
        token=token(scope="mcp:read mcp:write"),
        fields=headers(version, SINGLE, DENIED),
        body=body(SINGLE, DENIED),
        listener="bodies",
    )
    assert reply.status == 200, reply


@pytest.mark.parametrize("version", VERSIONS)
def test_a_stream_of_events_is_opened_without_a_call(gateway, version):
    """A GET without a body calls nothing, so that no rule about calls is met."""
    for listener in ("bodies", "headers"):
        fields = [("accept", "text/event-stream"), ("mcp-protocol-version", version)]
        assert gateway.send(token=token(), fields=fields, listener=listener).status == 200
