"""Rules about calls: a real Envoy holds the head until the body is read, and lets nothing past."""

import json
import socket

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded
from harness import client
from harness.client import Reply
from harness.envoy import Listener
from harness.gateway import assert_reply_is, config, resource
from harness.tokens import token

JSON = ("content-type", "application/json")
MODERN = ("mcp-protocol-version", "2026-07-28")
RULES = [{"name": "delete_*", "scopes": ["mcp:write"]}]


@pytest.fixture(scope="module")
def gateway(start):
    rules = config(resources=[resource(tools=RULES)], body_access=True, body_limit="64KiB")
    trusting = config(resources=[resource(tools=RULES, trust_mcp_headers=True)])
    return start(
        {
            "rules": Listener(rules, hold_headers=True),
            "trusting": Listener(trusting),
        }
    )


def call(name: str, **arguments: str) -> bytes:
    params = {"name": name, "arguments": arguments}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return json.dumps(message).encode()


def post(gateway, body: bytes, *fields, scope: str = "mcp:read", **how) -> Reply:
    return gateway.send(
        method="POST", token=token(scope=scope), fields=[JSON, *fields], body=body, **how
    )


@pytest.mark.parametrize("over", [client.http1, client.http2])
def test_a_call_that_no_rule_is_about_goes_on_with_its_body(gateway, over):
    reply = post(gateway, call("add"), over=over)
    assert reply.status == 200, reply
    assert reply.json()["body"] == call("add").decode()


@pytest.mark.parametrize("over", [client.http1, client.http2])
def test_a_call_that_lacks_a_scope_never_reaches_the_server(gateway, over):
    before = gateway.backend.requests
    reply = post(gateway, call("delete_note"), over=over)
    assert_reply_is(reply, "insufficient_scope")
    assert reply.challenge().params["scope"] == "mcp:read mcp:write"
    assert gateway.backend.requests == before
    assert post(gateway, call("delete_note"), scope="mcp:read mcp:write").status == 200


def test_headers_and_body_have_to_agree(gateway):
    says_add = [MODERN, ("mcp-method", "tools/call"), ("mcp-name", "add")]
    assert post(gateway, call("add"), *says_add).status == 200
    before = gateway.backend.requests
    reply = post(gateway, call("delete_note"), *says_add)
    assert reply.status == 400
    assert reply.challenge() is None
    assert gateway.backend.requests == before


def test_trusted_headers_need_no_body(gateway):
    says = [MODERN, ("mcp-method", "tools/call")]
    reply = post(gateway, call("add"), *says, ("mcp-name", "add"), listener="trusting")
    assert reply.status == 200
    name = ("mcp-name", "=?base64?ZGVsZXRlX25vdGU=?=")
    reply = post(gateway, call("delete_note"), *says, name, listener="trusting")
    assert_reply_is(reply, "insufficient_scope")
    assert post(gateway, call("add"), listener="trusting").status == 400


def test_a_body_over_the_limit_is_refused(gateway):
    before = gateway.backend.requests
    assert post(gateway, call("add", x="y" * 70_000)).status == 413
    assert gateway.backend.requests == before
    assert post(gateway, call("add", x="y" * 60_000)).status == 200


@pytest.mark.parametrize(("name", "status"), [("add", 200), ("delete_note", 403)])
def test_a_body_in_pieces_is_judged_whole(gateway, name, status):
    pieces = [call(name)[at : at + 10] for at in range(0, len(call(name)), 10)]
    assert stream(gateway, pieces, ends="data").status == status


@pytest.mark.parametrize(("name", "status"), [("add", 200), ("delete_note", 403)])
def test_trailers_end_a_body_and_let_nothing_past(gateway, name, status):
    before = gateway.backend.requests
    assert stream(gateway, [call(name)], ends="trailers").status == status
    assert gateway.backend.requests == before + (status == 200)


def test_trailers_without_a_body_let_nothing_past(gateway):
    before = gateway.backend.requests
    assert stream(gateway, [], ends="trailers").status == 400
    assert gateway.backend.requests == before


def stream(gateway, pieces: list[bytes], ends: str) -> Reply:
    """A POST over HTTP/2 whose body comes in these frames and ends with data or trailers."""
    connection = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    with socket.create_connection(("127.0.0.1", gateway.envoy.ports["rules"]), 15) as to:
        connection.initiate_connection()
        fields = [(":method", "POST"), (":scheme", "http"), (":authority", "gateway.test")]
        fields += [(":path", "/mcp"), JSON, ("authorization", f"Bearer {token(scope='mcp:read')}")]
        connection.send_headers(1, fields)
        to.sendall(connection.data_to_send())
        for piece in pieces:
            connection.send_data(1, piece)
            to.sendall(connection.data_to_send())
        if ends == "trailers":
            connection.send_headers(1, [("x-trailer", "1")], end_stream=True)
        else:
            connection.end_stream(1)
        to.sendall(connection.data_to_send())
        return answer(connection, to)


def answer(connection: H2Connection, to: socket.socket) -> Reply:
    """The answer on the first stream."""
    fields, body = {}, b""
    while data := to.recv(65536):
        for event in connection.receive_data(data):
            if isinstance(event, ResponseReceived):
                fields = dict(event.headers)
            elif isinstance(event, DataReceived):
                body += event.data
            elif isinstance(event, StreamEnded):
                return Reply(int(fields.pop(":status")), list(fields.items()), body)
    raise AssertionError("the connection ended before the answer")
