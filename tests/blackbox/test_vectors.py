"""Outsiders' signature vectors (Wycheproof) through both ways in which the filter verifies: the
host's function in a real Envoy, and the computation in WebAssembly.

A probe filter that has the filter's own picking in it tells what each makes of a signature; see
`tests/verifier-probe`. That the computation is right natively is told by `tests/signature-vectors`.
"""

from __future__ import annotations

import json
import subprocess

import pytest
from harness import client
from harness.built import built
from harness.envoy import Envoy, Listener

BY_COMPUTATION = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "EdDSA"]
BY_THE_HOST_ALONE = ["ES384", "ES512"]


def groups() -> dict[str, list[dict]]:
    """The vectors by algorithm."""
    program = built("SIGNATURE_VECTORS_BIN")
    lines = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    by_algorithm: dict[str, list[dict]] = {}
    for line in lines.splitlines():
        group = json.loads(line)
        by_algorithm.setdefault(group["alg"], []).append(group)
    return by_algorithm


GROUPS = groups()


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    listener = Listener({}, module=built("VERIFIER_PROBE_WASM"))
    with Envoy(tmp_path_factory.mktemp("envoy"), {"probe": listener}, {"backend": 9}) as envoy:
        yield envoy


def verdicts(probe: Envoy, group: dict) -> dict[str, list[bool]]:
    """What the two verifiers accept."""
    port = probe.ports["probe"]
    reply = client.http1(port, "POST", body=json.dumps(group).encode(), timeout=120)
    assert reply.status == 200, reply
    return reply.json()


def expected(group: dict) -> list[bool]:
    return [case["valid"] for case in group["cases"]]


def test_no_algorithm_is_left_out():
    assert sorted(GROUPS) == sorted(BY_COMPUTATION + BY_THE_HOST_ALONE)
    assert sum(len(group["cases"]) for groups in GROUPS.values() for group in groups) > 4000


@pytest.mark.parametrize("algorithm", BY_COMPUTATION)
def test_host_and_computation_accept_what_is_right_and_nothing_else(probe, algorithm):
    for group in GROUPS[algorithm]:
        told = verdicts(probe, group)
        assert told["picked"] == expected(group), differing(group, told["picked"])
        assert told["software"] == expected(group), differing(group, told["software"])


@pytest.mark.parametrize("algorithm", BY_THE_HOST_ALONE)
def test_the_larger_curves_are_verified_by_the_host_alone(probe, algorithm):
    for group in GROUPS[algorithm]:
        told = verdicts(probe, group)
        assert told["picked"] == expected(group), differing(group, told["picked"])
        assert not any(told["software"])


def test_the_host_is_what_was_picked(probe):
    verdicts(probe, GROUPS["RS256"][0])
    assert "signatures of RS* and ES* are verified by the host" in probe.log()


def differing(group: dict, told: list[bool]) -> list[str]:
    """The cases that were judged otherwise."""
    pairs = zip(group["cases"], told, strict=True)
    return [f"{group['set']} {c['id']}: {c['comment']}" for c, t in pairs if t != c["valid"]]
