"""What lies in the store, and what outlives a key, a restart and a replica."""

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from cryptography.fernet import Fernet
from harness.agent import Page
from harness.gateway import eventually
from harness.oauth import (
    CALLBACK,
    VERIFIER,
    Tokens,
    assert_oauth_error,
    claims_of,
    direct,
    header_of,
)
from harness.redis_server import Redis

SESSION = b":session:"


def flat(value: object) -> bytes:
    """Everything in a value, one after the other."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        return b" ".join(flat(name) + b" " + flat(held) for name, held in value.items())
    if isinstance(value, list | tuple | set):
        return b" ".join(map(flat, value))
    return str(value).encode()


@pytest.fixture
def keys() -> dict[str, str]:
    """The keys of a server."""
    return {
        "JWT_SIGNING_KEY": secrets.token_hex(32),
        "STORAGE_ENCRYPTION_KEY": Fernet.generate_key().decode(),
    }


@pytest.fixture
def another_server(serve, redis, upstream):
    """Starts servers that share Redis and their client upstream, as replicas and successors do."""
    url = f"https://{secrets.token_hex(4)}.example.com"
    client = upstream.register(f"{url}/auth/callback")
    return lambda **keys: serve(url, redis=redis, client=client, **keys)


# --- at rest


def test_nothing_in_redis_can_be_read(serve, redis: Redis, upstream):
    redis.client.flushall()
    server = serve(redis=redis)
    site = direct(server)
    app = site.app(client_name="A telling name")
    with site.agent("secretive@example.com") as agent:
        waiting = app.authorize_url(state="a-telling-state")
        agent.page(waiting)
        pages = agent.walk_until(waiting, lambda page: "Upstream" in page.words)
        assert isinstance(pages, Page)
        unused = app.log_in(agent, state="a-telling-state")
        tokens = app.tokens(agent)
        tokens = app.refreshed(tokens.refresh)
        cookies = agent.cookies
    known = {
        "client name": "A telling name",
        "redirect URI": CALLBACK,
        "state": "a-telling-state",
        "code": unused.code,
        "challenge": app.request()["code_challenge"],
        "verifier": VERIFIER,
        "access token": tokens.access,
        "its signature": tokens.access.rpartition(".")[2],
        "refresh token": tokens.refresh,
        "secret upstream": server.client.client_secret,
        **{f"cookie {name}": value for name, value in cookies.items()},
    }
    given = [it for it in upstream.token_answers() if it.reply.status == 200]
    for exchange in given[-3:]:
        for name in ("access_token", "refresh_token", "id_token"):
            known[f"{name} of {exchange.request.form['grant_type']}"] = exchange.reply.json()[name]
    # The contract has sessions in the clear, for operators and the filter.
    told = {"user": "secretive@example.com", "person": "secretive of the tests"}
    everything = redis.dump()
    assert everything
    for place, value in everything.items():
        held = place + b" " + flat(value)
        for name, secret in known.items():
            assert secret.encode() not in held, f"{name} is in {place!r}"
        if SESSION not in place:
            for name, secret in told.items():
                assert secret.encode() not in held, f"{name} is in {place!r}"


def test_everything_in_redis_has_an_end(serve, redis: Redis):
    direct(serve(redis=redis)).tokens()
    for place in redis.dump():
        assert redis.client.ttl(place) > 0, f"{place!r} stays for ever"


def test_what_was_not_encrypted_is_not_believed(another_server, redis: Redis, keys):
    site = direct(another_server(**keys))
    good = site.app()
    before = set(strings(redis))
    app = site.app()
    (place,) = set(strings(redis)) - before
    client = {"client_id": app.client_id, "redirect_uris": [CALLBACK], "name": "Plain"}
    redis.client.set(place, json.dumps(client).encode(), keepttl=True)
    with site.agent() as agent:
        assert agent.page(good.authorize_url()).response.status_code == 200
        assert agent.page(app.authorize_url()).response.status_code >= 400


def test_a_value_that_was_moved_is_not_believed(another_server, redis: Redis, keys):
    site = direct(another_server(**keys))
    first = set(strings(redis))
    one = site.app(client_name="One")
    place_of_one = set(strings(redis)) - first
    second = set(strings(redis))
    other = site.app(client_name="Other")
    place_of_other = set(strings(redis)) - second
    assert len(place_of_one) == len(place_of_other) == 1
    redis.client.set(place_of_other.pop(), redis.client.get(place_of_one.pop()))
    with site.agent() as agent:
        assert agent.page(one.authorize_url()).response.status_code == 200
        assert agent.page(other.authorize_url()).response.status_code >= 400


def strings(redis: Redis) -> list[bytes]:
    """The places of the OAuth part's values."""
    found = redis.dump().items()
    return [place for place, value in found if isinstance(value, bytes) and SESSION not in place]


# --- keys


def renewed(keys: dict[str, str], name: str, new: str) -> dict[str, str]:
    """The new key in front of the old one."""
    return keys | {name: f"{new},{keys[name]}"}


def test_a_new_storage_key_takes_over(another_server, keys):
    old = another_server(**keys)
    tokens = direct(old).tokens()
    old.kill()
    new = Fernet.generate_key().decode()
    both = another_server(**renewed(keys, "STORAGE_ENCRYPTION_KEY", new))
    tokens = refreshed_at(both, tokens)
    both.kill()
    alone = another_server(**keys | {"STORAGE_ENCRYPTION_KEY": new})
    site = direct(alone)
    answer = on(alone, tokens).app.refresh(tokens.refresh)
    # What only the old key opens is lost with it; what was written since is not.
    assert answer.status_code == 200 or site.tokens()


def test_without_the_old_storage_key_a_login_is_lost_and_nothing_breaks(another_server, keys):
    old = another_server(**keys)
    tokens = direct(old).tokens()
    old.kill()
    other = another_server(**keys | {"STORAGE_ENCRYPTION_KEY": Fernet.generate_key().decode()})
    answer = on(other, tokens).app.refresh(tokens.refresh)
    assert answer.status_code in (400, 401, 503)
    direct(other).tokens()


def test_a_new_signing_key_takes_over(another_server, keys):
    old = another_server(**keys)
    tokens = direct(old).tokens()
    old.kill()
    both = another_server(**renewed(keys, "JWT_SIGNING_KEY", secrets.token_hex(32)))
    published = [it["kid"] for it in direct(both).get("/jwks.json").json()["keys"]]
    assert len(published) == 2
    assert header_of(tokens.access)["kid"] in published
    refreshed = refreshed_at(both, tokens)
    assert header_of(refreshed.access)["kid"] in published
    assert header_of(refreshed.access)["kid"] != header_of(tokens.access)["kid"]
    assert on(both, tokens).app.revoke(tokens.access).status_code == 200
    assert_oauth_error(on(both, refreshed).app.refresh(refreshed.refresh), 400, "invalid_grant")


def on(server, tokens: Tokens) -> Tokens:
    """The same login, at another replica."""
    site = direct(server)
    return Tokens(type(tokens.app)(site, tokens.app.client_id), tokens.answer)


def refreshed_at(server, tokens: Tokens) -> Tokens:
    """The login, refreshed there."""
    return on(server, tokens).app.refreshed(tokens.refresh)


# --- replicas


@pytest.fixture
def replicas(another_server, keys):
    return [another_server(**keys) for _ in range(2)]


def test_a_login_begun_on_one_replica_ends_on_the_other(replicas):
    # Every request goes to the next replica: register, authorize, consent, callback, token.
    for first in replicas, replicas[::-1]:
        site = direct(*first)
        tokens = site.tokens()
        for _ in range(3):
            tokens = tokens.app.refreshed(tokens.refresh)


def test_a_code_is_good_once_on_all_replicas(replicas):
    site = direct(*replicas)
    app = site.app()
    with site.agent() as agent:
        grant = app.log_in(agent)
    statuses = sorted(app.redeem(grant).status_code for _ in range(4))
    assert statuses == [200, 400, 400, 400]


def test_a_refresh_upstream_happens_once_on_all_replicas(replicas, upstream):
    site = direct(*replicas)
    with upstream.settings(accessTokenTTL=2):
        tokens = site.tokens()
        before = len(upstream.token_answers("refresh_token"))
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: tokens.app.refresh(tokens.refresh), range(8)))
        good = [it.json()["refresh_token"] for it in answers if it.status_code == 200]
        assert len(set(good)) == 1, [it.text for it in answers]
        assert len(upstream.token_answers("refresh_token")) - before <= 1
        tokens.app.refreshed(good[0])


def test_replicas_publish_the_same_keys(replicas):
    assert len({str(direct(it).get("/jwks.json").json()) for it in replicas}) == 1


def test_a_revocation_on_one_replica_holds_on_the_other(replicas):
    tokens = direct(replicas[0]).tokens()
    assert tokens.app.revoke(tokens.access).status_code == 200
    assert_oauth_error(on(replicas[1], tokens).app.refresh(tokens.refresh), 400, "invalid_grant")
    (session,) = replicas[1].sessions(client_id=tokens.app.client_id)
    assert session["revoked_at"] is not None


# --- restarts


@pytest.mark.parametrize("store", ["redis", "embedded"])
def test_a_login_survives_restarts_at_every_step(serve, redis, store):
    server = serve(redis=redis if store == "redis" else None)
    site = direct(server)
    app = site.app()
    server.restart()
    with site.agent() as agent:
        at = agent.open(app.authorize_url())
        for _ in count():
            server.restart()
            if not isinstance(at, Page):
                break
            at = agent.say_yes(at)
        answer = app.redeem_code(at)
    tokens = app.accepted(answer)
    server.restart()
    refreshed = app.refreshed(tokens.refresh)
    assert claims_of(refreshed.access)["sid"] == tokens.claims["sid"]


def test_while_redis_is_away_nothing_is_granted_and_nothing_is_lost(serve, tmp_path):
    with Redis(tmp_path) as redis:
        server = serve(redis=redis)
        site = direct(server)
        tokens = site.tokens()
        redis.stall()
        answer = tokens.app.refresh(tokens.refresh)
        assert_oauth_error(answer, 503, "temporarily_unavailable")
        assert site.register().status_code == 503
        with site.agent() as agent:
            assert agent.page(tokens.app.authorize_url()).response.status_code == 503
        redis.resume()
        eventually(lambda: server.call("GET", "/readyz").status_code == 200)
        tokens.app.refreshed(tokens.refresh)
