"""What opens a door is in no log and lies readable in no store, of a run with everything in it."""

import re
import time
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest
from harness.gateway import eventually
from harness.oauth import Stack
from harness.redis_server import Redis


@dataclass(frozen=True)
class Noted:
    """The secrets of a run, all that was logged of it, and all that the store has on its disk."""

    secrets: dict[str, str]
    logged: str
    kept: dict[str, bytes]


@pytest.fixture(scope="module", params=["redis", "embedded"])
def noted(request, tmp_path_factory, upstream) -> Noted:
    """A run over each of the stores."""
    folder = tmp_path_factory.mktemp("secrets")
    own = {"OIDC_CLIENT_SECRET", "JWT_SIGNING_KEY", "STORAGE_ENCRYPTION_KEY", "MCP_AUTH_TOKEN"}
    with ExitStack() as stack:
        redis = None
        if request.param == "redis":
            (folder / "redis").mkdir()
            redis = stack.enter_context(Redis(folder / "redis"))
        server = stack.enter_context(Stack(folder, upstream, redis, RUST_LOG="trace"))
        levels = {"paths": "wasm:trace,http:debug"}
        told = httpx.post(f"http://127.0.0.1:{server.envoy.admin_port}/logging", params=levels)
        assert told.status_code == 200, told.text
        secrets = run(server)
        settings = server.server.environment
        secrets |= {name: settings[name] for name in own & settings.keys()}
        if redis is not None:
            redis.client.save()
        else:
            key_file = folder / "data" / "storage.key"
            secrets["the embedded store's key"] = key_file.read_text().strip()
        time.sleep(0.5)  # what is logged in the background
        logged = server.server.log()
        by_envoy = records(server.envoy.log())
        place = folder / ("redis" if redis is not None else "data")
        kept = {it.name: it.read_bytes() for it in place.rglob("*") if it.is_file()}
    for text in (logged, by_envoy["wasm"]):
        assert "user-example-com-" in text, "who logged in is told: this is the right place"
    assert secrets["first access token"] in by_envoy["http"], "Envoy's own debug log has headers"
    logged += "".join(text for component, text in by_envoy.items() if component != "http")
    return Noted(secrets, logged, kept)


def records(log: str) -> dict[str, str]:
    """What each of Envoy's components has logged; a record may have several lines."""
    found: dict[str, str] = {}
    component = ""
    for line in log.splitlines(keepends=True):
        if begins := re.match(r"\[[\d: .-]+\]\[\d+\]\[\w+\]\[(\w+)\]", line):
            component = begins[1]
        found[component] = found.get(component, "") + line
    return found


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
    assert len(noted.secrets) > 10
    assert {name for name, secret in noted.secrets.items() if secret in noted.logged} == set()


def test_no_secret_lies_readable_in_the_store(noted):
    files = {
        name: len(content)
        for name, content in noted.kept.items()
        if name.endswith((".incr.aof", "dump.rdb", ".redb"))
    }
    assert files.keys() == {"store.redb"} or len(files) == 2
    assert min(files.values()) > 2_000
    content = b"".join(it for name, it in noted.kept.items() if name != "storage.key")
    assert {name for name, it in noted.secrets.items() if it.encode() in content} == set()
