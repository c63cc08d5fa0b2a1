"""What opens a door is in no log and lies readable in no store, of a run with everything in it."""

import time

import pytest
from harness.gateway import eventually
from harness.oauth import Stack
from harness.redis_server import Redis


@pytest.fixture(scope="module")
def noted(tmp_path_factory, upstream) -> tuple[dict[str, str], str, bytes]:
    """The secrets of a run, all that was logged of it, and all that Redis has on its disk."""
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "redis").mkdir()
    with (
        Redis(folder / "redis") as redis,
        Stack(folder, upstream, redis, RUST_LOG="trace") as stack,
    ):
        secrets = run(stack)
        own = ("OIDC_CLIENT_SECRET", "JWT_SIGNING_KEY", "STORAGE_ENCRYPTION_KEY", "MCP_AUTH_TOKEN")
        secrets |= {name: stack.server.environment[name] for name in own}
        time.sleep(0.5)  # what is logged in the background
        logged = stack.server.log() + stack.envoy.log()
        kept = b"".join(it.read_bytes() for it in (folder / "redis").rglob("*.aof"))
    assert "user-example-com-" in logged, (
        "who logged in is told, so the search is in the right place"
    )
    assert len(kept) > 10_000
    return secrets, logged, kept


def run(stack: Stack) -> dict[str, str]:
    """A login and what may follow it, well and badly; the secrets that it brought up."""
    with stack.site.agent() as agent:
        app = stack.site.app()
        grant = app.log_in(agent)
        cookies = agent.cookies
    first = app.accepted(app.redeem(grant))
    stack.passed(first.access)
    second = app.refreshed(first.refresh)
    stack.passed(second.access)
    # Errors: a code again (which ends the login), forged and foreign tokens, an unknown client.
    assert app.redeem(grant).status_code == 400
    assert app.refresh(second.refresh).status_code == 400
    assert app.refresh(second.refresh + "x").status_code == 400
    stack.call(second.access[:-4] + "AAAA")
    stack.assert_revoked(second)
    third = stack.site.tokens()
    assert third.app.revoke(third.refresh).status_code == 200
    eventually(lambda: stack.call(third.access).status == 401)
    secrets = {f"cookie {name}": value for name, value in cookies.items() if len(value) > 20}
    return secrets | {
        "code": grant.code,
        "first access token": signature(first.access),
        "second access token": signature(second.access),
        "third access token": signature(third.access),
        "first refresh token": first.refresh,
        "second refresh token": second.refresh,
        "third refresh token": third.refresh,
    }


def signature(token: str) -> str:
    """The part of a token that makes it one; its claims may be told."""
    return token.rpartition(".")[2]


def test_no_secret_is_logged_however_much_is(noted):
    secrets, logged, _ = noted
    assert len(secrets) > 10
    assert {name for name, secret in secrets.items() if secret in logged} == set()


def test_no_secret_lies_readable_in_the_store(noted):
    secrets, _, kept = noted
    assert {name for name, secret in secrets.items() if secret.encode() in kept} == set()
