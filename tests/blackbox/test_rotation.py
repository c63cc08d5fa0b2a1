"""Keys and secrets are replaced while people log in, refresh and call, over two replicas."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Iterator

import pytest
from cryptography.fernet import Fernet, InvalidToken
from harness.authserver import AuthServer
from harness.built import built
from harness.gateway import eventually
from harness.management import Management
from harness.oauth import assert_oauth_error, claims_of, direct, header_of
from harness.redis_server import Redis
from harness.replicas import Replicas

SETTLE = "3s"  # the replicas read their files every second
VALUES = b"mcp-auth:v1:{v:"
UNENCRYPTED = b"mcp-auth:v1:{v:mcp-session:"


@pytest.fixture(scope="module")
def replicas(tmp_path_factory, upstream, redis) -> Iterator[Replicas]:
    with Replicas(tmp_path_factory.mktemp("replicas"), upstream, redis) as replicas:
        yield replicas


@pytest.fixture
def own_replicas(tmp_path, upstream, own_redis) -> Iterator[Replicas]:
    with Replicas(tmp_path, upstream, own_redis) as replicas:
        yield replicas


@pytest.fixture
def own_redis(tmp_path) -> Iterator[Redis]:
    with Redis(tmp_path) as redis:
        yield redis


def sealed(redis: Redis) -> dict[bytes, bytes]:
    """The values that are encrypted."""
    return {
        place: value
        for place, value in redis.dump().items()
        if place.startswith(VALUES) and not place.startswith(UNENCRYPTED)
    }


def opens(key: str, value: bytes) -> bool:
    """Whether the Fernet key made this."""
    try:
        Fernet(key).decrypt(value)
    except InvalidToken:
        return False
    return True


def storage_ids(replicas: Replicas) -> list[list[str]]:
    """The names of each replica's storage keys."""
    answers = [replicas.internal("/v1/keys", replicas.tokens()[0], nth) for nth in range(2)]
    return [answer.json()["storage"] for answer in answers]


def progress(server: AuthServer) -> dict:
    """How far everything is encrypted anew."""
    return server.call("GET", "/v1/keys").json()["reencryption"] or {}


def kids(replicas: Replicas) -> list[list[str]]:
    """What each replica publishes."""
    answers = [direct(server).get("/jwks.json").json() for server in replicas.servers]
    return [[key["kid"] for key in answer["keys"]] for answer in answers]


def test_a_signing_key_is_replaced_and_no_token_is_refused(replicas: Replicas, record_property):
    with replicas.in_use(record_property) as traffic:
        old = header_of(traffic.first.access)["kid"]
        replicas.keys("rotate", "signing", "--settle", SETTLE, "--wait").done()
        new, also = replicas.keys("list", "--json").done().split('"id": "')[1:3]
        assert also.startswith(old)
        eventually(lambda: kids(replicas) == [[new.partition('"')[0], old]] * 2)
        traffic.go_on()
        refreshed = replicas.site.tokens()
        assert header_of(refreshed.access)["kid"] == kids(replicas)[0][0]
        # The token of the old key goes on until it ends by itself.
        assert replicas.call(traffic.first.access) == 200
        early = replicas.keys("prune", "signing", "--settle", SETTLE)
        early.refused(f"{old} counts until")
        replicas.later("JWT_SIGNING_KEY")
        assert f"{old} dropped" in replicas.keys("rotate", "signing", "--every", "720h").done()
        eventually(lambda: replicas.call(traffic.first.access) == 401)
        eventually(lambda: kids(replicas) == [[header_of(refreshed.access)["kid"]]] * 2)
        assert replicas.call(refreshed.access) == 200


def test_a_storage_key_is_replaced_and_everything_is_encrypted_anew(
    replicas, redis, record_property
):
    with replicas.in_use(record_property) as traffic:
        (old,) = replicas.secret("STORAGE_ENCRYPTION_KEY")
        (old_id,) = storage_ids(replicas)[0]
        replicas.keys("rotate", "storage", "--settle", SETTLE, "--wait").done()
        new, behind = replicas.secret("STORAGE_ENCRYPTION_KEY")
        assert behind == old
        replicas.keys("prune", "storage", "--settle", SETTLE).refused("counts until")
        eventually(lambda: [it[1:] for it in storage_ids(replicas)] == [[old_id]] * 2)
        traffic.go_on()
        assert "encrypted anew" in replicas.keys("reencrypt").done()
        replicas.later("STORAGE_ENCRYPTION_KEY")
        # What the last pass has renewed may have been written by a replica that was behind.
        assert ", 0 encrypted anew" in replicas.keys("reencrypt").done()
        values = sealed(redis)
        assert len(values) > 5
        left = [place for place, value in values.items() if not opens(new, value)]
        assert not left, f"{left} of {len(values)}"
        nowhere = {"MCP_AUTH_INTERNAL_URL": "http://127.0.0.1:1"}
        told = replicas.keys("rotate", "storage", "--every", "720h", **nowhere).done()
        assert "an older key stays: the internal API" in told
        assert replicas.secret("STORAGE_ENCRYPTION_KEY") == [new, old]
        assert f"{old_id} dropped" in replicas.keys("rotate", "storage", "--every", "720h").done()
        assert replicas.secret("STORAGE_ENCRYPTION_KEY") == [new]
        eventually(lambda: [len(it) for it in storage_ids(replicas)] == [1, 1])
        traffic.go_on()
    traffic.first.app.site.tokens()


def test_the_secret_at_the_provider_is_replaced_and_nobody_notices(
    replicas, upstream, record_property
):
    with (
        Management(upstream, replicas.client) as auth0,
        replicas.in_use(record_property) as traffic,
    ):

        def rotate(*arguments: str) -> str:
            return replicas.keys("rotate", "client-secret", *arguments, **auth0.environment).done()

        old = auth0.secret
        assert "given to everybody first" in rotate()
        (new,) = replicas.secret("fallback")
        assert replicas.secret("OIDC_CLIENT_SECRET") == [old]
        assert auth0.secret == old
        rotate("--settle", SETTLE, "--wait")
        assert auth0.secret == new
        assert replicas.secret("OIDC_CLIENT_SECRET") == [new]
        # Not all of Auth0 may know the new one yet.
        assert replicas.secret("fallback") == [old]
        traffic.go_on(5)
        assert "taken away" in rotate("--settle", "0s")
        assert replicas.secret("fallback") == [""]
        assert "nothing to do before" in rotate("--every", "1h")
        traffic.go_on(5)


def test_a_secret_that_counts_before_the_replicas_have_it_is_waited_for(
    replicas, upstream, record_property
):
    with (
        Management(upstream, replicas.client) as auth0,
        replicas.in_use(record_property) as traffic,
    ):
        # Whoever starts this knows a client whose secret may be another by now.
        auth0.take(replicas.secret("OIDC_CLIENT_SECRET")[0])

        def rotate(*arguments: str) -> None:
            replicas.keys("rotate", "client-secret", *arguments, **auth0.environment).done()
            assert replicas.secret("OIDC_CLIENT_SECRET") == [auth0.secret]

        rotate("--at-once")
        assert auth0.rotations == 2
        traffic.go_on(5)
        # A run that was cut short before it had stored the new one, or somebody at the dashboard.
        auth0.rotate()
        rotate("--every", "1h")
        assert auth0.rotations == 3
        traffic.go_on(5)


def test_the_token_of_the_internal_api_is_replaced_while_filters_use_the_old_one(
    own_replicas, record_property
):
    replicas = own_replicas
    (old,) = replicas.tokens()

    def statuses(token: str) -> list[int]:
        return [replicas.internal("/v1/keys", token, nth).status_code for nth in range(2)]

    with replicas.in_use(record_property) as traffic:
        replicas.keys("rotate", "token", "--settle", SETTLE, "--wait").done()
        new, behind = replicas.tokens()
        assert behind == old
        eventually(lambda: statuses(new) == [200, 200])
        assert statuses(old) == [200, 200]
        traffic.go_on()
        replicas.keys("prune", "token").refused("--force")
        tokens = replicas.site.tokens()
        form = {"token": tokens.access}
        for token in (new, old):
            headers = {"authorization": f"Bearer {token}"}
            assert replicas.site.post("/introspect", form, headers=headers).json()["active"]
    replicas.keys("prune", "token", "--force").done()
    eventually(lambda: statuses(old) == [401, 401])
    assert statuses(new) == [200, 200]


def test_a_bad_secret_is_refused_and_said_and_the_old_one_goes_on(replicas: Replicas):
    file = replicas.secrets / "jwt-signing-key"
    good = file.read_text()
    published = kids(replicas)
    file.write_text(good[:-1])

    def log() -> list[str]:
        return [server.log() for server in replicas.servers]

    said = "JWT_SIGNING_KEY must be 64 hex digits"
    eventually(lambda: all(said in text for text in log()))
    assert kids(replicas) == published
    tokens = replicas.site.tokens()
    assert claims_of(tokens.access)["iss"] == replicas.url
    assert all(good[:16] not in text for text in log())
    file.write_text(good)
    # The same mistake is said once, not every second.
    assert [text.count(said) for text in log()] == [1, 1]


def test_a_crash_in_the_middle_of_encrypting_anew_is_made_up_for(serve, own_redis):
    redis = own_redis
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    keys = {"STORAGE_ENCRYPTION_KEY": f"{new},{old}", "JWT_SIGNING_KEY": "ab" * 32}
    first = serve(redis=redis, **(keys | {"STORAGE_ENCRYPTION_KEY": old}))
    tokens = direct(first).tokens()
    first.kill()
    value = Fernet(old).encrypt(b"something that was kept")
    with redis.client.pipeline() as pipe:
        for number in range(3000):
            pipe.set(VALUES + b"test:%d}:value" % number, value, ex=3600)
        pipe.execute()
    count = len(sealed(redis))
    client = {"client": first.client, "redis": redis}
    dying = serve(**client, **keys)
    eventually(lambda: (progress(dying).get("current") or {}).get("seen", 0) >= 600)
    dying.kill()
    half = [opens(new, value) for value in sealed(redis).values()]
    assert 600 <= sum(half) < count, "it was killed in the middle"
    next_one = serve(**client, **keys)
    before = progress(next_one)["current"]
    done = eventually(lambda: progress(next_one).get("last"), 40)
    assert done["began_at"] == before["began_at"]
    assert before["seen"] >= 600
    # Each once, but for what comes twice where the first had not noted its last page.
    assert count <= done["seen"] <= count + 400, (done, count)
    assert all(opens(new, value) for value in sealed(redis).values())
    next_one.kill()
    alone = serve(**client, **(keys | {"STORAGE_ENCRYPTION_KEY": new}))
    site = direct(alone)
    refreshed = type(tokens.app)(site, tokens.app.client_id).refreshed(tokens.refresh)
    assert refreshed.claims["sid"] == tokens.claims["sid"]
    again = refreshed.app.refresh(tokens.refresh)
    assert again.status_code == 200 or assert_oauth_error(again, 400, "invalid_grant")


def test_no_secret_is_written_to_a_terminal_unless_asked_for():
    def on_a_terminal(*further: str) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        with os.fdopen(ours, "rb", buffering=0) as ours:
            ended = subprocess.run(
                [built("MCP_AUTH_BIN"), "secrets", "generate", "--format", "env", *further],
                stdout=theirs,
                stderr=subprocess.PIPE,
                check=False,
            )
            os.set_blocking(ours.fileno(), False)
            shown = (ours.read(65536) or b"").decode() if further else ended.stderr.decode()
            os.close(theirs)
        return ended.returncode, shown

    code, said = on_a_terminal()
    assert code == 2
    assert "standard output is a terminal" in said
    code, shown = on_a_terminal("--show")
    assert code == 0
    assert "JWT_SIGNING_KEY=" in shown
