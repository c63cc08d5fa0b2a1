"""What an operator sees: audit lines, metrics, and filter state in the access log."""

import time
import uuid

import pytest
from harness.gateway import config, eventually, issuer, resource
from harness.tokens import ISSUER, RESOURCE, tampered, token

USER_ID = "user-example-com-11b07dcc"


@pytest.fixture(scope="module")
def gateway(start):
    strict = issuer(max_token_lifetime="10m", clients=["client-1"])
    return start(
        {
            "main": config(public=["/healthz"]),
            "strict": config(issuers=[strict], resources=[resource(origins=["https://a.example"])]),
            "every": config(audit="every_request", public=["/healthz"]),
            "off": config(audit="off"),
            "fronted": config(issuers=[issuer(identity_issuer_claim="idp_iss")]),
            "uncached": config(token_cache=0),
        }
    )


def fresh(**changes) -> str:
    """A token that no cache has seen."""
    return token(jti=uuid.uuid4().hex, **changes)


def test_a_new_token_is_audited(gateway):
    line = gateway.audited("authenticated", token=fresh(), fields=[("x-request-id", "r-1")])
    assert line["user_id"] == USER_ID
    assert line["issuer"] == ISSUER
    assert "token_issuer" not in line
    assert line["subject"] == "auth0|user123"
    assert line["client_id"] == "client-1"
    assert line["resource"] == RESOURCE
    assert line["request_id"]
    assert len(line["session_id"]) == 22


def test_a_token_seen_before_is_not_audited_again(gateway):
    good = fresh()
    gateway.audited("authenticated", token=good)
    since = len(gateway.envoy.log())
    gateway.forwarded(token=good)
    time.sleep(0.3)
    assert gateway.audit(since) == []


def test_every_request_is_audited_where_configured(gateway):
    good = fresh()
    since = len(gateway.envoy.log())
    for _ in range(3):
        gateway.forwarded(token=good, listener="every")
    lines = eventually(lambda: (found := gateway.audit(since)) and len(found) >= 3 and found)
    assert [line["event"] for line in lines].count("authenticated") == 1
    assert [line["event"] for line in lines].count("allowed") >= 2
    assert {line["user_id"] for line in lines} == {USER_ID}


def test_nothing_is_audited_where_it_is_off(gateway):
    since = len(gateway.envoy.log())
    gateway.forwarded(token=fresh(), listener="off")
    assert gateway.send(listener="off").status == 401
    time.sleep(0.3)
    assert gateway.audit(since) == []


def test_the_issuer_of_the_token_is_audited_where_it_differs(gateway):
    good = fresh(idp_iss="https://idp.example/")
    line = gateway.audited("authenticated", token=good, listener="fronted")
    assert (line["issuer"], line["token_issuer"]) == ("https://idp.example/", ISSUER)


def now() -> int:
    return int(time.time())


# reason: how to earn it
CASES = {
    "missing_token": {},
    "malformed_request": {"path": "/mcp//x"},
    "malformed_token": {"token": lambda: "abc"},
    "algorithm_not_allowed": {"token": lambda: token(algorithm="ES384")},
    "wrong_type": {"token": lambda: fresh(header={"typ": "id+jwt"})},
    "unknown_issuer": {"token": lambda: fresh(iss="https://evil.example/")},
    "unknown_key": {"token": lambda: fresh(header={"kid": "nobody's"})},
    "bad_signature": {"token": lambda: tampered(fresh())},
    "expired": {"token": lambda: fresh(exp=now() - 600)},
    "not_yet_valid": {"token": lambda: fresh(nbf=now() + 600)},
    "wrong_audience": {"token": lambda: fresh(aud="https://other.example/")},
    "lifetime_too_long": {"token": fresh, "listener": "strict"},
    "client_not_allowed": {
        "token": lambda: fresh(azp="other", exp=now() + 300),
        "listener": "strict",
    },
    "insufficient_scope": {"token": lambda: fresh(scope="other")},
    "origin_not_allowed": {"fields": [("origin", "https://b.example")], "listener": "strict"},
    "unmatched_path": {"path": "/nowhere"},
    "method_not_allowed": {
        "path": "/.well-known/oauth-protected-resource/mcp",
        "method": "POST",
    },
}


def earned(reason: str) -> dict:
    """The arguments of a request that is refused for `reason`."""
    how = dict(CASES[reason])
    if "token" in how:
        how["token"] = how["token"]()
    return how


@pytest.mark.parametrize("reason", CASES)
def test_each_denial_is_audited_with_its_reason(gateway, reason):
    how = earned(reason)
    line = gateway.audited("denied", **how)
    assert line["reason"] == reason
    text = str(line)
    if len(how.get("token", "")) > 10:
        header, payload, signature = how["token"].split(".")
        assert not any(part in text for part in (payload, signature, header))


@pytest.mark.parametrize("reason", CASES)
def test_each_denial_is_counted_under_its_reason(gateway, reason):
    gateway.assert_denied(reason, **earned(reason))


@pytest.mark.parametrize("reason", CASES)
def test_each_denial_shows_its_reason_in_the_access_log(gateway, reason):
    assert logged(gateway, **earned(reason))["reason"] == reason


def test_no_part_of_a_token_is_ever_logged(gateway):
    good, bad = fresh(), tampered(fresh())
    gateway.send(token=good)
    gateway.audited("denied", token=bad)
    log = gateway.envoy.log()
    for secret in (*good.split(".")[1:], *bad.split(".")[1:]):
        assert secret not in log


def test_an_allowed_request_is_counted(gateway):
    good = fresh()
    before = gateway.envoy.stats()
    gateway.forwarded(token=good)
    gateway.forwarded(token=good)
    after = gateway.envoy.stats()
    moved = {n: c - before.get(n, 0) for n, c in after.items() if c != before.get(n, 0)}
    assert moved == {"allowed": 2, "token_cache.miss": 1, "token_cache.hit": 1}


def test_the_token_cache_can_be_turned_off(gateway):
    good = fresh()
    before = gateway.envoy.stats().get("token_cache.hit", 0)
    for _ in range(3):
        gateway.forwarded(token=good, listener="uncached")
    assert gateway.envoy.stats().get("token_cache.hit", 0) == before


# --- access log


def logged(gateway, fields=(), **how) -> dict:
    """The access log's entry of a request."""
    marker = uuid.uuid4().hex
    gateway.send(fields=[*fields, ("x-test-marker", marker)], **how)
    found = eventually(lambda: [e for e in gateway.envoy.access_log() if e["marker"] == marker])
    return found[0]


def test_the_user_id_is_in_the_access_log(gateway):
    good = fresh()
    for _ in range(2):  # verified, then from the cache
        entry = logged(gateway, token=good)
        assert (entry["user_id"], entry["reason"]) == (USER_ID, None)


def test_a_public_request_has_no_user_in_the_access_log(gateway):
    entry = logged(gateway, path="/healthz", fields=[("x-user-id", "forged")], token=fresh())
    assert entry["user_id"] is None
