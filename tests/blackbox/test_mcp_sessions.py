"""MCP sessions: an `Mcp-Session-Id` is one user's, at every worker."""

import hashlib
import uuid

import pytest
from harness.gateway import assert_reply_is, config, eventually
from harness.sidecar import RealSidecar
from harness.stand import Stand
from harness.tokens import RESOURCE, b64, token

ALICE = {"sub": "auth0|alice"}
BOB = {"sub": "auth0|bob"}
INITIALIZE = b'{"jsonrpc":"2.0","id":1,"method":"initialize"}'


@pytest.fixture(scope="module")
def gateway(start):
    return start({"main": config()})


@pytest.fixture
def real(tmp_path):
    sidecar = RealSidecar(tmp_path, "embedded")
    yield sidecar
    sidecar.close()


def initialize(gateway, session: str, **claims):
    reply = gateway.send(
        method="POST",
        token=token(**claims),
        fields=[("content-type", "application/json"), ("x-answer-mcp-session-id", session)],
        body=INITIALIZE,
    )
    assert reply.status == 200
    assert reply.header("mcp-session-id") == session


def use(gateway, session: str, method: str = "GET", **claims):
    fields = [("mcp-session-id", session)]
    return gateway.send(method=method, token=token(**claims), fields=fields)


def test_a_session_belongs_to_whoever_began_it(gateway):
    session = uuid.uuid4().hex
    initialize(gateway, session, **ALICE)
    for method in ("GET", "POST", "DELETE"):
        assert_reply_is(use(gateway, session, method, **BOB), "session_of_another_user")
    assert use(gateway, session, **ALICE).status == 200
    assert use(gateway, session, **ALICE, jti="refreshed").status == 200


def test_two_session_ids_are_malformed(gateway):
    fields = [("mcp-session-id", "a"), ("mcp_session_id", "b")]
    assert gateway.send(token=token(), fields=fields).status == 400


def in_all_workers(gateway, session: str, **claims) -> set[int]:
    """What many connections are answered; they reach both workers, but for 1 case in 500,000."""
    return {use(gateway, session, **claims).status for _ in range(20)}


@pytest.mark.parametrize("mode", ["observe", "required"])
def test_workers_share_whose_a_session_is(start, real, mode):
    stand = Stand(start, mode, real, token=RealSidecar.TOKEN)
    gateway, session = stand.gateway, uuid.uuid4().hex
    alice, bob = (known(stand, claims) for claims in (ALICE, BOB))
    initialize(gateway, session, **alice)
    name = hashlib.sha256(f"mcp-session\0{RESOURCE}\0{session}".encode()).digest()[:16]
    eventually(lambda: real.call("GET", f"/v1/mcp-sessions/{b64(name)}").status_code == 200)
    assert in_all_workers(gateway, session, **bob) == {404}
    assert in_all_workers(gateway, session, **alice) == {200}
    assert gateway.envoy.stats()["session.failed"] == 0


@pytest.mark.parametrize(("mode", "status"), [("observe", 200), ("required", 503)])
def test_without_the_sidecar_required_sessions_fail_closed(start, real, mode, status):
    stand = Stand(start, mode, real, token=RealSidecar.TOKEN, cache="10m")
    alice = known(stand, ALICE)
    assert in_all_workers(stand.gateway, uuid.uuid4().hex, **alice) == {200}
    real.kill()
    assert use(stand.gateway, uuid.uuid4().hex, **alice).status == status


def known(stand: Stand, claims: dict) -> dict:
    """The claims of a login that the sidecar knows."""
    claims = claims | {"jti": uuid.uuid4().hex}
    stand.login(claims=claims)
    return claims
