"""Mutated tokens through the filter and three other verifiers: PyJWT, joserfc, and Envoy's own
`jwt_authn` in the same Envoy.

Whatever the filter accepts and another refuses has to have a reason in `JUSTIFIED`. That others
accept what the filter refuses is no concern here: `test_forgeries.py` and the core's tests say why.
2,000 tokens by default; `make differential` tries 50,000, or MUTATIONS=n from SEED=n.
"""

from __future__ import annotations

import collections
import json
import os
from typing import Any

import pytest
from differential import mutations, verifiers
from differential.connection import Connection
from harness.envoy import Listener
from harness.gateway import config, resource
from harness.keyserver import KeyServer
from harness.tokens import unb64

COUNT = int(os.environ.get("MUTATIONS") or 2_000)
SEED = int(os.environ.get("SEED") or 1)


def _key_parameters(header: dict[str, Any], _: dict[str, Any]) -> bool:
    """Parameters by which a token names or brings a key, of a form that they may not have.

    joserfc checks them. The filter reads none of them: a token does not choose its key.
    """
    return any(name in header for name in ("jku", "jwk", "x5u", "x5c", "cty"))


def _rsa_without_kid(header: dict[str, Any], _: dict[str, Any]) -> bool:
    """RSA signatures without `kid`, which `jwt_authn` refuses beside keys of other kinds."""
    return "kid" not in header and header["alg"][0] in "RP"


def _jti_beside_sid(_: dict[str, Any], claims: dict[str, Any]) -> bool:
    """A `jti` that is no string, beside a `sid`.

    The filter reads `jti` only where there is no `sid`; what it does not use may be anything.
    """
    return bool(claims.get("sid")) and not isinstance(claims.get("jti", ""), str)


JUSTIFIED = {
    "jwt_authn": [_rsa_without_kid, _jti_beside_sid],
    "PyJWT": [_jti_beside_sid],
    "joserfc": [_key_parameters, _jti_beside_sid],
}


@pytest.fixture(scope="module")
def gateway(start):
    signers = mutations.keys()
    return start(
        {
            "filter": Listener(config(resources=[resource(scopes=[])])),
            "jwt_authn": Listener(None, other=verifiers.jwt_authn(signers)),
        },
        keyservers={"keys": KeyServer([key.jwk() for key in signers])},
    )


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.timeout(1800)
def test_what_is_accepted_is_accepted_by_others_or_has_a_reason(gateway, record_property):
    ports = gateway.envoy.ports
    with Connection(ports["filter"]) as ours, Connection(ports["jwt_authn"]) as jwt_authn:
        others = {
            "jwt_authn": jwt_authn.accepts,
            "PyJWT": verifiers.pyjwt(),
            "joserfc": verifiers.joserfc(),
        }
        tried, refused, unexplained = _compare(ours.accepts, others)
    counted = [f"{count:7,} {what}" for what, count in (*tried.items(), *refused.items())]
    record_property("counted", "\n".join([f"{COUNT:7,} mutated tokens, seed {SEED}", *counted]))
    assert not unexplained, unexplained[:20]
    assert tried["accepted"] > COUNT / 10, "the mutations leave too little to compare"


def _compare(
    ours: verifiers.Verifier, others: dict[str, verifiers.Verifier]
) -> tuple[collections.Counter[str], collections.Counter[str], list[str]]:
    """How many were judged how, for what reasons we differ, and where there is none."""
    tried, refused, unexplained = collections.Counter(), collections.Counter(), []
    for kind, token in mutations.tokens(COUNT, SEED):
        by_others = {name: verifier(token) for name, verifier in others.items()}
        accepted = ours(token)
        tried["accepted" if accepted else "refused"] += 1
        tried["refused, though all others accept"] += not accepted and all(by_others.values())
        if accepted:
            for name in (name for name, ok in by_others.items() if not ok):
                if reason := _reason(name, token):
                    refused[f"accepted, though {name} refuses: {reason}"] += 1
                else:
                    unexplained.append(f"{name} refuses ({kind}): {token}")
    return tried, refused, unexplained


def _reason(name: str, token: str) -> str | None:
    """Why the filter accepts what this verifier refuses, in the first sentence of a rule."""
    header, claims = (json.loads(unb64(part)) for part in token.split(".")[:2])
    found = (rule for rule in JUSTIFIED[name] if rule(header, claims))
    rule = next(found, None)
    return rule and (rule.__doc__ or "").split("\n")[0]
