"""The whole path of an MCP client's login, over plain HTTP.

`Site` is a public face of the authorization server, `App` an MCP client registered there, `Stack`
everything behind a real Envoy: filter, authorization server, provider upstream, MCP server.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from . import client, stats
from .agent import Agent, Landing, Reach
from .authserver import AuthServer, ReservedPort
from .backend import Backend, Seen, seen
from .client import Reply
from .envoy import Envoy, Listener
from .gateway import eventually
from .redis_server import Redis
from .tokens import unb64
from .upstream import AUDIENCE, JWKS, Upstream

CALLBACK = "http://127.0.0.1:7777/callback"
PUBLIC = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/jwks.json",
    "/register",
    "/authorize",
    "/consent",
    "/auth/callback",
    "/token",
    "/revoke",
    "/introspect",
    "/logout",
]
SOON = 1.25  # seconds after which the filter has heard of a revocation
VERIFIER = "v" * 43  # the shortest that RFC 7636 allows


class Site:
    """Where the authorization server is reached: its base URL, and the ports behind the names."""

    def __init__(self, url: str, places: Mapping[str, Sequence[int]], resource: str) -> None:
        self.url = url  # the issuer
        self.base = url.rstrip("/")
        self.resource = resource
        self.places = dict(places)
        self.http = httpx.Client(transport=self.reach(), timeout=30, trust_env=False)

    def reach(self, **headers: str) -> Reach:
        """A way there; these headers are put into every request."""
        return Reach(self.places, headers)

    def agent(self, user: str = "user@example.com") -> Agent:
        """A new browser profile."""
        return Agent(self.reach, user)

    def get(self, path: str, **how: Any) -> httpx.Response:
        """A request under the base URL."""
        return self.http.get(f"{self.base}{path}", **how)

    def post(self, path: str, form: Mapping[str, Any] | None = None, **how: Any) -> httpx.Response:
        """A form for an address under the base URL."""
        return self.http.post(f"{self.base}{path}", data=form, **how)

    def metadata(self) -> dict[str, Any]:
        """The RFC 8414 document, from the path-inserted place."""
        base = httpx.URL(self.url)
        path = "/.well-known/oauth-authorization-server" + base.path.rstrip("/")
        answer = self.http.get(base.copy_with(path=path))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def register(self, **metadata: Any) -> httpx.Response:
        """Dynamic registration (RFC 7591), `redirect_uris` and a name unless given."""
        told = {"redirect_uris": [CALLBACK], "client_name": "A test client"} | metadata
        told = {name: value for name, value in told.items() if value is not None}
        return self.http.post(f"{self.base}/register", json=told)

    def app(self, **metadata: Any) -> App:
        """A client that has just been registered."""
        answer = self.register(**metadata)
        assert answer.status_code == 201, answer.text
        return App(self, answer.json()["client_id"], answer.json()["redirect_uris"][0])

    def tokens(self, user: str = "user@example.com", **asked: str | None) -> Tokens:
        """What a new client has after the login of this user."""
        with self.agent(user) as agent:
            return self.app().tokens(agent, **asked)


@dataclass(frozen=True)
class Grant:
    """A code, and what has to go with it."""

    code: str
    landing: Landing
    verifier: str = VERIFIER


@dataclass(frozen=True)
class Tokens:
    """A good answer of the token endpoint, and whose it is."""

    app: App
    answer: dict[str, Any]

    @property
    def access(self) -> str:
        """The access token."""
        return self.answer["access_token"]

    @property
    def refresh(self) -> str:
        """The refresh token."""
        return self.answer["refresh_token"]

    @property
    def claims(self) -> dict[str, Any]:
        """What the access token says."""
        return claims_of(self.access)

    @property
    def session_id(self) -> str:
        """The id of the login's session (contract, "Session id")."""
        text = f"{self.claims['iss']}\0{self.claims['sid']}".encode()
        return base64.urlsafe_b64encode(hashlib.sha256(text).digest()[:16]).rstrip(b"=").decode()


@dataclass(frozen=True)
class App:
    """A public MCP client."""

    site: Site
    client_id: str
    redirect_uri: str = CALLBACK

    def authorize_url(self, **changes: str | None) -> str:
        """A good authorization request but for the changes (None: left out)."""
        return f"{self.site.base}/authorize?{urlencode(self.request(**changes))}"

    def request(self, **changes: str | None) -> dict[str, str]:
        """The parameters of an authorization request."""
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": "mcp:read",
            "state": "state-of-the-client",
            "code_challenge": challenge(VERIFIER),
            "code_challenge_method": "S256",
            "resource": self.site.resource,
        } | changes
        return {name: value for name, value in asked.items() if value is not None}

    def log_in(self, agent: Agent, **changes: str | None) -> Grant:
        """Takes the agent through consent and login; a code it must become."""
        landing = agent.log_in(self.authorize_url(**changes))
        assert "code" in landing.params, f"no code: {landing.url}"
        return Grant(landing.params["code"], landing)

    def redeem(self, grant: Grant, **changes: str | None) -> httpx.Response:
        """Exchanges the code."""
        form = {
            "grant_type": "authorization_code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "code": grant.code,
            "code_verifier": grant.verifier,
            "resource": self.site.resource,
        } | changes
        return self.site.post("/token", {n: v for n, v in form.items() if v is not None})

    def redeem_code(self, landing: Landing, **changes: str | None) -> httpx.Response:
        """Exchanges the code with which a browser landed."""
        return self.redeem(Grant(landing.params["code"], landing), **changes)

    def refresh(self, refresh_token: str, /, **changes: str | None) -> httpx.Response:
        """Exchanges a refresh token."""
        form = {
            "grant_type": "refresh_token",
            "client_id": self.client_id,
            "refresh_token": refresh_token,
        } | changes
        return self.site.post("/token", {n: v for n, v in form.items() if v is not None})

    def refreshed(self, refresh_token: str, **changes: str | None) -> Tokens:
        """The same; it must work."""
        return self.accepted(self.refresh(refresh_token, **changes))

    def revoke(self, token: str, /, **changes: str | None) -> httpx.Response:
        """Revocation (RFC 7009)."""
        form = {"token": token, "client_id": self.client_id} | changes
        return self.site.post("/revoke", {n: v for n, v in form.items() if v is not None})

    def tokens(self, agent: Agent, **changes: str | None) -> Tokens:
        """What the client has after a login."""
        given = {"resource": changes["resource"]} if "resource" in changes else {}
        return self.accepted(self.redeem(self.log_in(agent, **changes), **given))

    def accepted(self, answer: httpx.Response) -> Tokens:
        """The tokens in an answer, which must be a good one."""
        assert answer.status_code == 200, answer.text
        return Tokens(self, answer.json())


class Stack:
    """Everything, behind one Envoy; a context manager.

    The filter knows two issuers: mcp-auth, which stands in front of the provider, and the provider
    itself. `backend` is an echo server unless `backend_port` leads to another.
    """

    def __init__(
        self,
        folder: Path,
        upstream: Upstream,
        redis: Redis | None = None,
        backend_port: int | None = None,
        **environment: str | None,
    ) -> None:
        self.folder = folder
        self.upstream = upstream
        self._place = ReservedPort()
        self.url = f"http://127.0.0.1:{self._place.port}"
        self.resource = f"{self.url}/mcp"
        self.other_resource = f"{self.url}/other"
        self.backend = Backend()
        self._backend_port = backend_port or self.backend.port
        settings = {"MCP_RESOURCES": f"{self.resource},{self.other_resource}"} | environment
        self.server = AuthServer(folder, upstream, self.url, redis=redis, **settings)

    def __enter__(self) -> Stack:
        with ExitStack() as stack:
            stack.callback(self._place.close)
            stack.callback(self.backend.close)
            stack.enter_context(self.server)
            listener = Listener(
                self._filter(),
                port=self._place.port,
                routes=tuple((path, "mcp-auth-public") for path in PUBLIC),
            )
            ports = {
                "backend": self._backend_port,
                "mcp-auth": self.server.internal_port,
                "mcp-auth-public": self.server.port,
                "upstream": self.upstream.proxy.port,
            }
            self.envoy = stack.enter_context(Envoy(self.folder, {"main": listener}, ports, 2))
            places = {
                self.url: [self._place.port],
                self.upstream.issuer: [self.upstream.proxy.port],
            }
            self.site = Site(self.url, places, self.resource)
            stack.callback(self.site.http.close)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def token_calls(self) -> int:
        """How often the token endpoint was asked, as Envoy has logged."""
        return sum(line["path"] == "/token" for line in self.envoy.access_log())

    def call(self, token: str | None = None, path: str = "/mcp", **how: Any) -> Reply:
        """A request to an MCP server behind the gateway."""
        fields = [] if token is None else [("authorization", f"Bearer {token}")]
        return client.http1(self._place.port, path=path, fields=fields, **how)

    def passed(self, token: str, path: str = "/mcp") -> Seen:
        """A request that must reach the echo server, and what that saw."""
        return seen(self.call(token, path))

    def assert_revoked(self, tokens: Tokens) -> None:
        """Both workers come to refuse the access token.

        How soon is told by `test_revocations.py` and `test_sidecar.py`, where nothing else runs.
        """
        eventually(lambda: {self.call(tokens.access).status for _ in range(10)} == {401})
        assert self.denied(tokens.access) == "session_revoked"

    def denied(self, token: str, path: str = "/mcp") -> str:
        """The reason for which a request is refused, as the filter counts it."""
        before = stats.read(self.envoy.admin_port)
        reply = self.call(token, path)
        assert reply.status in (401, 403), reply
        after = stats.read(self.envoy.admin_port)
        moved = [n for n, count in after.items() if count != before.get(n, 0)]
        reasons = [n.removeprefix("denied.") for n in moved if n.startswith("denied.")]
        assert len(reasons) == 1, moved
        return reasons[0]

    def _filter(self) -> dict[str, Any]:
        mcp_auth = {
            "issuer": self.url,
            "jwks": {"uri": f"{self.url}/jwks.json", "cluster": "mcp-auth-public"},
            "identity_issuer_claim": "idp_iss",
            "session": "required",
        }
        provider = {
            "issuer": self.upstream.issuer,
            "audiences": [AUDIENCE],
            "jwks": {"uri": f"{self.upstream.issuer}{JWKS}", "cluster": "upstream"},
        }
        return {
            "issuers": [mcp_auth, provider],
            "resources": [
                {
                    "path": "/mcp",
                    "resource": self.resource,
                    "issuers": [self.url, provider["issuer"]],
                },
                {"path": "/other", "resource": self.other_resource, "scopes": ["mcp:write"]},
            ],
            "public": PUBLIC,
            "sessions": {
                "cluster": "mcp-auth",
                "token": self.server.environment["MCP_AUTH_TOKEN"],
                "timeout": "2s",
            },
        }


def direct(*servers: AuthServer) -> Site:
    """The public face of one server or several replicas, taken in turn, without an Envoy."""
    first = servers[0]
    origin = str(httpx.URL(first.url).copy_with(path="/")).rstrip("/")
    places = {
        origin: [server.port for server in servers],
        first.upstream.issuer: [first.upstream.proxy.port],
    }
    return Site(first.url, places, first.resource)


def challenge(verifier: str) -> str:
    """The S256 challenge (RFC 7636)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def claims_of(token: str) -> dict[str, Any]:
    """What a JWT says, unverified."""
    return json.loads(unb64(token.split(".")[1]))


def header_of(token: str) -> dict[str, Any]:
    """The header of a JWT."""
    return json.loads(unb64(token.split(".")[0]))


def random_verifier() -> str:
    """A verifier of its own."""
    return secrets.token_urlsafe(48)


def assert_oauth_error(answer: httpx.Response, status: int, *errors: str) -> dict[str, Any]:
    """Holds an answer against RFC 6749, section 5.2: JSON, one of these codes, not to be stored."""
    assert answer.status_code == status, f"{answer.status_code} {answer.text}"
    assert answer.headers["content-type"].split(";")[0] == "application/json", answer.headers
    assert "no-store" in answer.headers.get("cache-control", ""), answer.headers
    body = answer.json()
    assert body["error"] in errors, body
    assert isinstance(body.get("error_description", ""), str)
    return body
