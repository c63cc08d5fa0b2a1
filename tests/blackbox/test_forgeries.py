"""Every forgery of `tests/forgeries` in a real Envoy: refused, for its reason, not forwarded."""

from __future__ import annotations

import json
import subprocess

import pytest
from harness.built import built
from harness.gateway import DENIALS
from harness.keyserver import KeyServer

DOCUMENT = json.loads(
    subprocess.run([built("FORGERIES_BIN")], check=True, capture_output=True).stdout
)
FORGERIES = DOCUMENT["forgeries"]


@pytest.fixture(scope="module")
def gateway(start):
    servers = {name: KeyServer(keys["keys"]) for name, keys in DOCUMENT["key_sets"].items()}
    return start({"main": DOCUMENT["config"]}, keyservers=servers)


def test_the_honest_tokens_pass(gateway):
    honest = [forgery for forgery in FORGERIES if forgery["reason"] == "allowed"]
    assert len(honest) == 8
    for forgery in honest:
        gateway.forwarded(token=forgery["token"])


@pytest.mark.parametrize(
    "reason", sorted({forgery["reason"] for forgery in FORGERIES} - {"allowed"})
)
def test_forgeries_are_refused_for_their_reason(gateway, reason):
    forgeries = [forgery for forgery in FORGERIES if forgery["reason"] == reason]
    before, reached = gateway.envoy.stats(), gateway.backend.requests
    wrong = []
    for forgery in forgeries:
        reply = gateway.send(token=forgery["token"])
        if reply.status != DENIALS[reason][0]:
            wrong.append(f"{forgery['name']}: {reply}")
    assert not wrong, wrong
    after = gateway.envoy.stats()
    counted = {name: after[name] - before.get(name, 0) for name in after if "denied." in name}
    assert {name: count for name, count in counted.items() if count} == {
        f"denied.{reason}": len(forgeries)
    }
    assert gateway.backend.requests == reached, "a forgery reached the backend"
