"""Key sets: fetching, sharing, rotation, floods, outages. The fetches are counted at the server."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness.gateway import config, eventually, issuer
from harness.keyserver import KeyServer
from harness.tokens import key, tampered, token

# Each worker has a VM of its own, and so has Envoy's main thread.
MAIN = 1


def with_jwks(**jwks) -> dict:
    return config(issuers=[issuer(jwks=jwks)])


def fetched(gateway) -> int:
    """Waits until the fetches at start are over; their number."""
    eventually(lambda: gateway.keys.fetches >= gateway.concurrency)
    time.sleep(0.5)
    return gateway.keys.fetches


# --- start and sharing


def test_fifty_cold_requests_share_one_fetch_a_worker(start):
    slow = KeyServer([key().jwk()])
    slow.delay = 1.5
    gateway = start({"cold": with_jwks(timeout="5s")}, keyservers={"keys": slow}, concurrency=2)
    good = token()
    with ThreadPoolExecutor(50) as pool:
        replies = list(pool.map(lambda _: gateway.send(token=good), range(50)))
    assert [reply.status for reply in replies] == [200] * 50
    assert 1 <= slow.fetches <= gateway.concurrency + MAIN


def test_keys_are_fetched_before_the_first_request(start):
    gateway = start({"main": config()})
    eventually(lambda: gateway.keys.fetches >= 1)
    before = fetched(gateway)
    gateway.forwarded(token=token())
    assert gateway.keys.fetches == before
    assert gateway.envoy.stats()["jwks.fetch_ok"] >= 1


def test_keys_are_refreshed_in_the_background(start):
    gateway = start({"main": with_jwks(refresh="1s")})
    before = fetched(gateway)
    eventually(lambda: gateway.keys.fetches >= before + 2)


def test_keys_in_the_configuration_are_never_fetched(start):
    given = issuer()
    given["jwks"] = {"keys": [key().jwk()]}
    gateway = start({"main": config(issuers=[given])})
    gateway.forwarded(token=token())
    gateway.assert_denied("unknown_key", token=token(key("RS256", "other")))
    assert gateway.keys.fetches == 0


# --- unknown keys and rotation


def test_a_rotated_key_passes_without_a_restart(start):
    gateway = start({"main": with_jwks(cooldown="1s")})
    gateway.forwarded(token=token())
    new = key("RS256", "rotated")
    gateway.keys.keys = [key().jwk(), new.jwk()]
    eventually(lambda: gateway.send(token=token(new)).status == 200, every=0.3)
    gateway.forwarded(token=token())


def test_the_request_that_brings_the_new_key_up_is_served_itself(start):
    gateway = start({"main": with_jwks(cooldown="1s")})
    fetched(gateway)
    time.sleep(1.1)
    new = key("RS256", "rotated")
    gateway.keys.keys = [new.jwk()]
    gateway.forwarded(token=token(new))


def test_a_key_that_was_withdrawn_invalidates_what_it_signed(start):
    gateway = start({"main": with_jwks(refresh="1s", cooldown="1s")})
    old = token()
    gateway.forwarded(token=old)
    gateway.keys.keys = [key("RS256", "rotated").jwk()]
    eventually(lambda: gateway.send(token=old).status == 401, every=0.3)
    gateway.assert_denied("unknown_key", token=old)


def test_a_key_replaced_under_its_kid_invalidates_what_it_signed(start):
    gateway = start({"main": with_jwks(refresh="1s")})
    old = token()
    gateway.forwarded(token=old)
    gateway.keys.keys = [key("RS256", "rotated").jwk(kid=key().kid)]
    eventually(lambda: gateway.send(token=old).status == 401, every=0.3)


def test_a_flood_of_random_kids_costs_one_fetch_a_worker_and_cooldown(start):
    gateway = start({"main": with_jwks(cooldown="60s")}, concurrency=2)
    gateway.forwarded(token=token())
    before = fetched(gateway)

    def random(_: int) -> int:
        return gateway.send(token=token(header={"kid": uuid.uuid4().hex})).status

    with ThreadPoolExecutor(20) as pool:
        statuses = set(pool.map(random, range(200)))
    assert statuses == {401}
    assert gateway.keys.fetches - before <= gateway.concurrency
    gateway.forwarded(token=token())


def test_the_cooldown_holds_after_successful_fetches_and_ends(start):
    gateway = start({"main": with_jwks(cooldown="2s")})
    before = fetched(gateway)
    time.sleep(2.1)
    for _ in range(10):
        gateway.assert_denied("unknown_key", token=token(header={"kid": uuid.uuid4().hex}))
    assert gateway.keys.fetches - before == 1
    time.sleep(2.1)
    gateway.assert_denied("unknown_key", token=token(header={"kid": uuid.uuid4().hex}))
    assert gateway.keys.fetches - before == 2


def test_a_forged_signature_causes_no_fetch(start):
    gateway = start({"main": with_jwks(cooldown="1s")})
    before = fetched(gateway)
    time.sleep(1.1)
    for number in range(5):
        gateway.assert_denied("bad_signature", token=tampered(token(jti=str(number))))
    assert gateway.keys.fetches == before


# --- outages

OUTAGES = {
    "refuses": lambda server: server.close(),
    "fails": lambda server: setattr(server, "status", 500),
    "redirects": lambda server: setattr(server, "status", 302),
    "garbage": lambda server: setattr(server, "body", b"<html>sorry</html>"),
    "no keys": lambda server: setattr(server, "body", b'{"keys": []}'),
    "no set": lambda server: setattr(server, "body", b'{"keys": {}}'),
    "empty": lambda server: setattr(server, "body", b""),
    "large": lambda server: setattr(server, "body", b" " * (40 << 20)),
    "hangs": lambda server: setattr(server, "hang", True),
    "slow": lambda server: setattr(server, "delay", 3.0),
}


def heal(server: KeyServer) -> None:
    """Undoes every outage."""
    server.close()
    server.status, server.body, server.hang, server.delay = 200, None, False, 0.0
    server.open()


def broken(outage: str) -> KeyServer:
    server = KeyServer([key().jwk()])
    OUTAGES[outage](server)
    return server


@pytest.mark.parametrize("outage", OUTAGES)
def test_without_keys_a_request_is_told_to_come_back_and_recovery_needs_no_restart(start, outage):
    server = broken(outage)
    gateway = start({"main": with_jwks(timeout="1s", cooldown="1s")}, keyservers={"keys": server})
    asked = time.monotonic()
    gateway.assert_denied("jwks_unavailable", token=token())
    assert time.monotonic() - asked < 2.5, "waited longer than the configured timeout"
    eventually(lambda: gateway.envoy.stats().get("jwks.fetch_failed", 0) >= 1)
    assert gateway.backend.requests == 0
    heal(server)
    eventually(lambda: gateway.send(token=token()).status == 200, timeout=30, every=0.3)


def test_an_unavailable_provider_is_asked_rarely(start):
    server = broken("fails")
    gateway = start({"main": with_jwks(cooldown="10s")}, keyservers={"keys": server})
    fetched(gateway)
    before = server.fetches
    for _ in range(100):
        assert gateway.send(token=token()).status == 503
    assert server.fetches - before <= 3


@pytest.mark.parametrize("outage", OUTAGES)
def test_stale_keys_are_kept_while_refreshes_fail(start, outage):
    gateway = start({"main": with_jwks(refresh="1s", timeout="1s", cooldown="1s")})
    gateway.forwarded(token=token())
    OUTAGES[outage](gateway.keys)
    eventually(lambda: gateway.envoy.stats().get("jwks.fetch_failed", 0) >= 1)
    time.sleep(0.5)
    gateway.forwarded(token=token(jti="after the outage began"))
    # Keys held, refetch failed: a kid that they do not have is a bad token, not an outage.
    gateway.assert_denied("unknown_key", token=token(key("RS256", "other")))


def test_a_bad_token_is_refused_without_keys_where_they_make_no_difference(start):
    gateway = start({"main": config()}, keyservers={"keys": broken("refuses")})
    gateway.assert_denied("missing_token")
    gateway.assert_denied("malformed_token", token="abc")
    gateway.assert_denied("unknown_issuer", token=token(iss="https://evil.example/"))


# --- odd keys

ODD_KEYS = [
    1,
    None,
    "key",
    [],
    {},
    {"kty": "unheard-of", "kid": "a"},
    {"kty": "RSA", "kid": "b"},
    {"kty": "RSA", "kid": "c", "n": "!!", "e": "AQAB"},
    {"kty": "EC", "kid": "d", "crv": "P-256", "x": "AA", "y": "AA"},
    {"kty": "EC", "kid": "e", "crv": "secp256k1", "x": "AA", "y": "AA"},
    {"kty": "OKP", "kid": "f", "crv": "X25519", "x": "AA"},
    {"kty": "oct", "kid": "g", "k": "AA"},
    {"kty": 7, "kid": 7},
]


def test_an_odd_key_costs_only_itself(start):
    server = KeyServer([*ODD_KEYS, key().jwk(), *ODD_KEYS])
    gateway = start({"main": config()}, keyservers={"keys": server})
    gateway.forwarded(token=token())


def test_unknown_members_of_a_key_do_no_harm(start):
    server = KeyServer([key().jwk(x5c=["MIIB"], x5t="a", oth=None, future={"a": [1]})])
    gateway = start({"main": config()}, keyservers={"keys": server})
    gateway.forwarded(token=token())


def test_each_issuer_has_keys_of_its_own(start):
    other = "https://other.example/"
    second = issuer(issuer=other, jwks={"cluster": "second"})
    gateway = start(
        {"main": config(issuers=[issuer(), second])},
        keyservers={"second": KeyServer([key("RS256", "second").jwk(kid=key().kid)])},
    )
    gateway.forwarded(token=token())
    gateway.assert_denied("bad_signature", token=token(iss=other))


def test_an_outage_of_one_issuer_is_none_of_another(start):
    second = issuer(issuer="https://other.example/", jwks={"cluster": "second", "timeout": "1s"})
    gateway = start(
        {"main": config(issuers=[issuer(), second])}, keyservers={"second": broken("hangs")}
    )
    gateway.forwarded(token=token())
    gateway.assert_denied("jwks_unavailable", token=token(iss="https://other.example/"))
    gateway.forwarded(token=token(jti="2"))
