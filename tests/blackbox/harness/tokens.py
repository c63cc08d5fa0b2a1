"""Keys, and tokens good and bad.

`Key` wraps joserfc's keys and algorithms; the token's parts are put together here, so that a test
can break any of them and still sign what it broke.
"""

from __future__ import annotations

import base64
import functools
import hmac
import json
import time
from typing import Any

from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

RESOURCE = "https://mcp.example.com/mcp"
ISSUER = "https://tenant.auth0.com/"

DEFAULT_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "EdDSA"]
CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519"}


class Key:
    """A signing key with the `kid` that its JWKS gives it."""

    def __init__(self, kid: str | None, inner: Any) -> None:
        self.kid = kid
        self.inner = inner

    def jwk(self, **members: Any) -> dict[str, Any]:
        """The public JWK; `members` are set in it, those that are None left out."""
        jwk = self.inner.as_dict(private=False) | {"kid": self.kid, "use": "sig"} | members
        return {name: value for name, value in jwk.items() if value is not None}

    def sign(self, algorithm: str, text: bytes) -> bytes:
        """The JWS signature."""
        return JWSRegistry.algorithms[algorithm].sign(text, self.inner)


class HmacKey(Key):
    """Any bytes as a shared secret, a public key among them, which libraries rightly refuse."""

    def __init__(self, secret: bytes) -> None:
        super().__init__(None, secret)

    def sign(self, algorithm: str, text: bytes) -> bytes:
        """HMAC with SHA-256, whatever it is called."""
        return hmac.digest(self.inner, text, "sha256")


def key(algorithm: str = "RS256", name: str = "1", bits: int = 2048) -> Key:
    """The one key of this name and kind in this test run; its `kid` is made of both."""
    kind = CURVES.get(algorithm) or ("oct" if algorithm.startswith("HS") else f"RSA-{bits}")
    return _made(kind, name)


@functools.cache  # making an RSA key takes long
def _made(kind: str, name: str) -> Key:
    kid = f"{kind}-{name}"
    if kind == "oct":
        return Key(kid, OctKey.generate_key(256))
    if kind == "Ed25519":
        return Key(kid, OKPKey.generate_key(kind))
    if kind.startswith("RSA-"):
        return Key(kid, RSAKey.generate_key(int(kind.removeprefix("RSA-"))))
    return Key(kid, ECKey.generate_key(kind))


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of a good token; a change to None leaves the claim out."""
    now = int(time.time())
    good = {
        "iss": ISSUER,
        "sub": "auth0|user123",
        "aud": RESOURCE,
        "iat": now,
        "exp": now + 3600,
        "preferred_username": "user@example.com",
        "email": "user@example.com",
        "azp": "client-1",
        "scope": "mcp:read",
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def token(
    signer: Key | None = None,
    algorithm: str = "RS256",
    header: dict[str, Any] | None = None,
    **changes: Any,
) -> str:
    """A signed token: good, but for `header` and `changes` (None leaves a member out)."""
    signer = signer or key(algorithm)
    return craft(signer, algorithm, default_header(signer, algorithm, header), claims(**changes))


def default_header(
    signer: Key, algorithm: str, changes: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The header of a good token."""
    header = {"alg": algorithm, "typ": "JWT", "kid": signer.kid} | (changes or {})
    return {name: value for name, value in header.items() if value is not None}


def craft(signer: Key, algorithm: str, header: dict | str | bytes, payload: Any) -> str:
    """Signs the two parts as they are; text and bytes go in unchanged, all else as JSON."""
    text = f"{b64(_bytes(header))}.{b64(_bytes(payload))}"
    return f"{text}.{b64(signer.sign(algorithm, text.encode()))}"


def b64(data: bytes) -> str:
    """Unpadded base64url."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """The bytes of unpadded base64url."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def tampered(good: str) -> str:
    """The token with one bit of its signature turned over."""
    text, _, signature = good.rpartition(".")
    raw = bytearray(unb64(signature))
    raw[len(raw) // 2] ^= 1
    return f"{text}.{b64(bytes(raw))}"


def _bytes(part: Any) -> bytes:
    if isinstance(part, bytes):
        return part
    if isinstance(part, str):
        return part.encode()
    return json.dumps(part, ensure_ascii=False).encode()
