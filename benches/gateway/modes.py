"""The modes that are compared, each a listener of the same Envoy with the load that it gets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.envoy import Listener
from harness.gateway import config, issuer
from harness.tokens import ISSUER, RESOURCE, key, token

from .loads import Load, many, one

SIDECAR = "mcp-auth"
USER_ID = "user-example-com-11b07dcc"  # of the default token
HEADERS = {
    "x-user-id": "user_id",
    "x-user-name": "username",
    "x-user-issuer": "issuer",
    "x-user-subject": "subject",
    "x-user-scopes": "scopes",
}
# The native filter has no user id; it copies another claim.
CLAIMS = {
    "x-user-id": "sub",
    "x-user-name": "preferred_username",
    "x-user-issuer": "iss",
    "x-user-subject": "azp",
    "x-user-scopes": "scope",
}


@dataclass(frozen=True)
class Mode:
    """`native` is the mode it is held against, `most` times whose added CPU is the goal."""

    label: str
    listener: Listener
    load: Load
    native: str | None = None
    most: float | None = None


class UnknownMode(Exception):
    """A mode was asked for that there is not."""


def modes(folder: Path, goes: int, seconds: int, only: list[str] | None) -> dict[str, Mode]:
    """The modes by name, all or these; `none` is what the others are measured from."""
    hot = one(folder, "RS256", token())
    wants_mixed = only is None or any(name.endswith("mixed") for name in only)
    mixed = many(folder, goes, seconds) if wants_mixed else hot
    session = one(folder, "session", token(sid="bench"))
    found = {
        "none": Mode("no filter", Listener(None), hot),
        "native-cached": Mode("jwt_authn, cached", native("RS256", cache=True), hot),
        "cached": Mode("mcp-auth, cached", ours("RS256"), hot, "native-cached", 1.5),
        "sessions": Mode(
            "mcp-auth, cached, session required",
            ours("RS256", "required"),
            session,
            "native-cached",
        ),
        "native-mixed": Mode("jwt_authn, mixed", native("RS256", cache=True), mixed),
        "mixed": Mode("mcp-auth, mixed", ours("RS256"), mixed, "native-mixed"),
    }
    goals = {"RS256": 0.85, "ES256": 0.95, "EdDSA": 1.8, "PS256": None}
    for algorithm, most in goals.items():
        load = one(folder, algorithm, token(algorithm=algorithm))
        like, name = f"native-{algorithm}", f"uncached-{algorithm}"
        found[like] = Mode(f"jwt_authn, {algorithm}", native(algorithm), load)
        uncached = ours(algorithm, token_cache=0)
        found[name] = Mode(f"mcp-auth, uncached, {algorithm}", uncached, load, like, most)
    if only is None:
        return found
    if unknown := [name for name in only if name not in found]:
        raise UnknownMode(f"no mode is called {unknown[0]}; there are {', '.join(found)}")
    natives = [found[name].native for name in only]
    return {name: mode for name, mode in found.items() if name in ["none", *only, *natives]}


def ours(algorithm: str, session: str = "off", **changes: Any) -> Listener:
    """The filter, told to do as little beside as the native one: it writes no audit lines."""
    own = issuer(session=session)
    own["jwks"] = {"keys": [key(algorithm).jwk()]}
    if session != "off":
        changes["sessions"] = {"cluster": SIDECAR, "timeout": "1s"}
    return Listener(
        config(issuers=[own], identity_headers=HEADERS, audit="off", **changes),
    )


def native(algorithm: str, cache: bool = False) -> Listener:
    """Envoy's own filter, with five headers too."""
    package = "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3"
    provider = {
        "issuer": ISSUER,
        "audiences": [RESOURCE],
        "local_jwks": {"inline_string": json.dumps({"keys": [key(algorithm).jwk()]})},
        "claim_to_headers": [
            {"header_name": header, "claim_name": claim} for header, claim in CLAIMS.items()
        ],
    }
    if cache:
        provider["jwt_cache_config"] = {"jwt_cache_size": 10_000}
    rule = {"match": {"prefix": "/"}, "requires": {"provider_name": "issuer"}}
    return Listener(
        None,
        other={
            "name": "jwt_authn",
            "typed_config": {
                "@type": f"{package}.JwtAuthentication",
                "providers": {"issuer": provider},
                "rules": [rule],
            },
        },
    )
