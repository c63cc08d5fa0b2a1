"""Mutated tokens, from a seed: texts changed after signing, headers and claims changed before it.

A change before signing is one that an issuer could be talked into; there the verifiers differ by
how they read JSON and claims, not by how they verify.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from harness.tokens import ISSUER, RESOURCE, Key, b64, claims, craft, default_header, key, unb64

# RSA signs slowly, so it comes up seldom.
ALGORITHMS = ["ES256", "EdDSA"] * 8 + ["RS256", "PS256", "RS512"]
LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ {}[]":,\\%~*'
VALUES = [
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        0.5,
        1e3,
        2**53,
        2**64,
        1e300,
        "",
        " ",
        "0",
        "null",
        "é",
        "\u0000",
    ),
    *([], {}, [None], [[]], {"a": 1}, [RESOURCE], [RESOURCE, 1], [ISSUER], RESOURCE, ISSUER),
    *("none", "HS256", "ES256", "EdDSA", "RS256", "JWT", "at+jwt", "ES256-1", "Ed25519-1"),
    *(1_600_000_000, 4_000_000_000, 4_000_000_000.5, "4000000000", "1600000000"),
]
HEADERS = ["alg", "kid", "typ", "cty", "crit", "b64", "zip", "jwk", "jku", "x5c", "x5u", "iss", "x"]
CLAIMS = ["iss", "aud", "exp", "nbf", "iat", "sub", "jti", "sid", "azp", "client_id", "x"]


def keys() -> list[Key]:
    """The keys that verify."""
    return [key(algorithm) for algorithm in ("ES256", "EdDSA", "RS256")]


def tokens(count: int, seed: int) -> Iterator[tuple[str, str]]:
    """So many mutated tokens, with the kind of change."""
    chance = random.Random(seed)
    kinds: dict[str, Callable[[random.Random], str]] = {
        "text": _text_changed,
        "bytes": _bytes_changed,
        "header": _header_changed,
        "claims": _claims_changed,
        "json": _json_changed,
        "parts": _parts_exchanged,
    }
    for _ in range(count):
        kind = chance.choice(list(kinds))
        yield kind, kinds[kind](chance)


def _good(chance: random.Random) -> tuple[Key, str, dict[str, Any], dict[str, Any]]:
    algorithm = chance.choice(ALGORITHMS)
    signer = key("RS256" if algorithm[1] == "S" and algorithm[0] in "RP" else algorithm)
    header = default_header(signer, algorithm)
    return signer, algorithm, header, claims()


def _text_changed(chance: random.Random) -> str:
    """Letters of the token changed, put in, left out, doubled."""
    return _edited(chance, craft(*_good(chance)))


def _bytes_changed(chance: random.Random) -> str:
    """Bytes of one part changed, encoded again."""
    parts = craft(*_good(chance)).split(".")
    at = chance.randrange(3)
    raw = bytearray(unb64(parts[at]))
    for _ in range(chance.randint(1, 3)):
        where = chance.randrange(len(raw))
        raw[where] ^= 1 << chance.randrange(8)
    parts[at] = b64(bytes(raw))
    return ".".join(parts)


def _header_changed(chance: random.Random) -> str:
    signer, algorithm, header, payload = _good(chance)
    return craft(signer, algorithm, _changed(chance, header, HEADERS), payload)


def _claims_changed(chance: random.Random) -> str:
    signer, algorithm, header, payload = _good(chance)
    return craft(signer, algorithm, header, _changed(chance, payload, CLAIMS))


def _json_changed(chance: random.Random) -> str:
    """The text of header or claims edited, then signed."""
    signer, algorithm, header, payload = _good(chance)
    texts = [json.dumps(header), json.dumps(payload)]
    at = chance.randrange(2)
    texts[at] = _edited(chance, texts[at])
    return craft(signer, algorithm, *texts)


def _parts_exchanged(chance: random.Random) -> str:
    """Parts of two tokens put together."""
    one, other = (craft(*_good(chance)).split(".") for _ in range(2))
    return ".".join(chance.choice(pair) for pair in zip(one, other, strict=True))


def _changed(chance: random.Random, members: dict[str, Any], names: list[str]) -> dict[str, Any]:
    members = copy.deepcopy(members)
    for _ in range(chance.randint(1, 2)):
        name = chance.choice(names)
        if chance.random() < 0.2:
            members.pop(name, None)
        else:
            members[name] = chance.choice(VALUES)
    return members


def _edited(chance: random.Random, text: str) -> str:
    letters = list(text)
    for _ in range(chance.randint(1, 3)):
        where = chance.randrange(len(letters))
        match chance.randrange(5):
            case 0:
                letters[where] = chance.choice(LETTERS)
            case 1:
                letters.insert(where, chance.choice(LETTERS))
            case 2:
                del letters[where]
            case 3:
                letters[where:where] = letters[where : where + chance.randint(1, 20)]
            case 4:
                letters[where] = letters[where].swapcase()
    return "".join(letters)
