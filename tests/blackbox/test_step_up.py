"""What a request needs besides scopes: claims, a recent login, a strong one; and scopes implied."""

import time

import pytest
from harness.gateway import assert_reply_is, config, resource
from harness.tokens import token

TRACE = [
    ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ("tracestate", "vendor=a,other=b"),
]


@pytest.fixture(scope="module")
def gateway(start):
    def needing(**needs):
        return config(resources=[resource(**needs)])

    return start(
        {
            "claims": needing(claims={"department": ["eng", "ops"]}),
            "age": needing(max_age="10m"),
            "acr": needing(acr_values=["urn:example:mfa"]),
            "implied": needing(scopes=["mcp:read"])
            | {"scope_implies": {"mcp:write": ["mcp:read"]}},
        }
    )


@pytest.mark.parametrize(
    ("listener", "good", "bad", "reason"),
    [
        ("claims", {"department": "eng"}, {"department": "sales"}, "claim_not_allowed"),
        ("claims", {"department": ["x", "ops"]}, {}, "claim_not_allowed"),
        ("acr", {"acr": "urn:example:mfa"}, {"acr": "0"}, "insufficient_user_authentication"),
        ("implied", {"scope": "mcp:write"}, {"scope": "other"}, "insufficient_scope"),
    ],
)
def test_what_is_needed_is_asked_for(gateway, listener, good, bad, reason):
    assert gateway.send(token=token(**good), listener=listener).status == 200
    assert_reply_is(gateway.send(token=token(**bad), listener=listener), reason)


def test_an_old_login_is_asked_to_be_done_anew(gateway):
    now = int(time.time())
    recent = token(auth_time=now - 60)
    old = token(auth_time=now - 3600)
    assert gateway.send(token=recent, listener="age").status == 200
    reply = gateway.send(token=old, listener="age")
    assert_reply_is(reply, "insufficient_user_authentication")
    assert reply.challenge().params["max_age"] == "600"


def test_trace_context_goes_on_as_it_came(gateway):
    seen = gateway.forwarded(token=token(department="eng"), fields=TRACE, listener="claims")
    for name, value in TRACE:
        assert seen.values(name) == [value]
