"""Other verifiers, told to accept what the filter is told to accept: PyJWT, joserfc, and Envoy's
own `jwt_authn`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jwt
from harness.tokens import ISSUER, RESOURCE, Key
from joserfc import jws
from joserfc.jwk import import_key
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry

from .mutations import keys

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "EdDSA"]
LEEWAY = 60

Verifier = Callable[[str], bool]


def pyjwt() -> Verifier:
    """PyJWT, which is handed the key that `kid` names, or without one each in turn."""
    by_kid = {key.kid: jwt.PyJWK(key.jwk()).key for key in keys()}

    def verify(token: str, key: Any) -> None:
        jwt.decode(
            token,
            key,
            algorithms=ALGORITHMS,
            audience=RESOURCE,
            issuer=ISSUER,
            leeway=LEEWAY,
            options={"require": ["exp", "iss", "aud"]},
        )

    return lambda token: _accepted(token, jwt.get_unverified_header, by_kid, verify)


def joserfc() -> Verifier:
    """joserfc, told to pass over header parameters that it does not know, as RFC 7515 asks."""
    by_kid = {key.kid: import_key(key.jwk()) for key in keys()}
    registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    rules = JWTClaimsRegistry(
        leeway=LEEWAY,
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": RESOURCE},
        exp={"essential": True},
    )

    def header(token: str) -> dict[str, Any]:
        return jws.extract_compact(token.encode()).headers()

    def verify(token: str, key: Any) -> None:
        verified = jws.deserialize_compact(token, key, algorithms=ALGORITHMS, registry=registry)
        rules.validate(json.loads(verified.payload))

    return lambda token: _accepted(token, header, by_kid, verify)


def _accepted(
    token: str,
    header: Callable[[str], dict[str, Any]],
    by_kid: dict[str | None, Any],
    verify: Callable[[str, Any], None],
) -> bool:
    """Whether a key verifies the token. Libraries raise much, and not all of it is their own."""
    try:
        named = header(token).get("kid")
        candidates = list(by_kid.values()) if named is None else [by_kid[named]]
    except Exception:
        return False
    for key in candidates:
        try:
            verify(token, key)
        except Exception:
            continue
        return True
    return False


def jwt_authn(signers: list[Key]) -> dict[str, Any]:
    """Envoy's own filter, as an HTTP filter of a listener."""
    package = "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3"
    provider = {
        "issuer": ISSUER,
        "audiences": [RESOURCE],
        "clock_skew_seconds": LEEWAY,
        "require_expiration": True,
        "local_jwks": {"inline_string": json.dumps({"keys": [key.jwk() for key in signers]})},
    }
    rule = {"match": {"prefix": "/"}, "requires": {"provider_name": "issuer"}}
    return {
        "name": "jwt_authn",
        "typed_config": {
            "@type": f"{package}.JwtAuthentication",
            "providers": {"issuer": provider},
            "rules": [rule],
        },
    }
