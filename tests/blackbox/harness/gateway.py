"""The whole stand: Envoy with the filter, a key server, a backend; and what an answer must be.

`DENIALS` is the table of the contract: the status, the challenge's `error` and the further
obligations of each reason. `Gateway.assert_denied` holds an answer against its row.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from . import client
from .backend import Backend, Seen, seen
from .client import Reply
from .envoy import Envoy, Listener
from .keyserver import KeyServer
from .tokens import ISSUER, RESOURCE, key

METADATA = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"

# reason: (status, `error` of challenge and body; None: no `error` is prescribed)
DENIALS: dict[str, tuple[int, str | None]] = {
    "missing_token": (401, None),
    "malformed_request": (400, "invalid_request"),
    "malformed_token": (401, "invalid_token"),
    "algorithm_not_allowed": (401, "invalid_token"),
    "wrong_type": (401, "invalid_token"),
    "unknown_issuer": (401, "invalid_token"),
    "unknown_key": (401, "invalid_token"),
    "bad_signature": (401, "invalid_token"),
    "expired": (401, "invalid_token"),
    "not_yet_valid": (401, "invalid_token"),
    "wrong_audience": (401, "invalid_token"),
    "lifetime_too_long": (401, "invalid_token"),
    "client_not_allowed": (401, "invalid_token"),
    "insufficient_scope": (403, "insufficient_scope"),
    "origin_not_allowed": (403, None),
    "unmatched_path": (404, None),
    "method_not_allowed": (405, None),
    "jwks_unavailable": (503, None),
    "session_not_found": (401, "invalid_token"),
    "session_revoked": (401, "invalid_token"),
    "sessions_unavailable": (503, None),
    "session_of_another_user": (404, None),
    "claim_not_allowed": (403, None),
    "insufficient_user_authentication": (401, "insufficient_user_authentication"),
    "body_too_large": (413, None),
    "body_timeout": (408, None),
    "too_many_bodies": (503, None),
}


def issuer(uri: str = "https://tenant.auth0.com/jwks.json", **changes: Any) -> dict[str, Any]:
    """An issuer of the filter's configuration; `jwks` merges into the default one."""
    jwks = {"uri": uri, "cluster": "keys"} | changes.pop("jwks", {})
    return {"issuer": ISSUER, "jwks": jwks} | changes


def resource(**changes: Any) -> dict[str, Any]:
    """A resource of the filter's configuration."""
    return {"path": "/mcp", "resource": RESOURCE, "scopes": ["mcp:read"]} | changes


def config(**changes: Any) -> dict[str, Any]:
    """A filter configuration with one issuer and one resource."""
    return {"issuers": [issuer()], "resources": [resource()]} | changes


class Gateway:
    """An Envoy with one listener for each of `configs`; a context manager.

    Every cluster that a configuration may name is a key server in `keyservers`; `keys` is always
    there and serves the default RSA key. `backend_port` is that of another MCP server.
    """

    def __init__(
        self,
        folder: Path,
        configs: dict[str, Listener | dict[str, Any]],
        keyservers: dict[str, KeyServer] | None = None,
        concurrency: int = 1,
        backend_port: int | None = None,
    ) -> None:
        self.folder = folder
        self.listeners = {
            name: given if isinstance(given, Listener) else Listener(given)
            for name, given in configs.items()
        }
        self.keyservers = {"keys": KeyServer([key().jwk()])} | (keyservers or {})
        self.concurrency = concurrency
        self.backend = Backend()
        self.backend_port = backend_port or self.backend.port
        self.default = next(iter(self.listeners))

    def __enter__(self) -> Gateway:
        with ExitStack() as stack:
            for server in (self.backend, *self.keyservers.values()):
                stack.callback(server.close)
            upstreams = {name: server.port for name, server in self.keyservers.items()}
            upstreams["backend"] = self.backend_port
            self.envoy = stack.enter_context(
                Envoy(self.folder, self.listeners, upstreams, self.concurrency)
            )
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def keys(self) -> KeyServer:
        """The default key server."""
        return self.keyservers["keys"]

    def send(
        self,
        path: str = "/mcp",
        token: str | None = None,
        fields: client.Fields = (),
        listener: str | None = None,
        over: Callable[..., Reply] = client.http1,
        **how: Any,
    ) -> Reply:
        """One request through Envoy; `token` goes into Authorization."""
        fields = [*fields]
        if token is not None:
            fields.append(("authorization", f"Bearer {token}"))
        port = self.envoy.ports[listener or self.default]
        return over(port, path=path, fields=fields, **how)

    def forwarded(self, *arguments: Any, **how: Any) -> Seen:
        """Sends a request that must reach the backend, and returns what the backend saw."""
        return seen(self.send(*arguments, **how))

    def assert_denied(self, reason: str, *arguments: Any, **how: Any) -> Reply:
        """Sends a request that must be refused for `reason`, with the answer of the contract."""
        denied = f"denied.{reason}"
        before, reached = self.envoy.stats(), self.backend.requests
        reply = self.send(*arguments, **how)
        assert_reply_is(reply, reason)
        assert self.backend.requests == reached, "a refused request reached the backend"
        after = self.envoy.stats()
        changed = {
            name: count - before.get(name, 0)
            for name, count in after.items()
            if name.startswith(("denied.", "allowed")) and count != before.get(name, 0)
        }
        assert changed == {denied: 1}, f"metrics that moved: {changed}"
        return reply

    def audit(self, since: int = 0, listener: str | None = None) -> list[dict[str, Any]]:
        """The audit lines in Envoy's log after its first `since` bytes."""
        marker = f" {listener}" if listener else ""
        events = []
        for line in self.envoy.log()[since:].splitlines():
            before, brace, rest = line.partition("{")
            if brace and "wasm log" in before and marker in before:
                events.append(json.loads(brace + rest))
        return [event for event in events if "event" in event]

    def audited(self, event: str, *arguments: Any, **how: Any) -> dict[str, Any]:
        """Sends a request and returns its one audit line, which must be an `event`."""
        since = len(self.envoy.log())
        self.send(*arguments, **how)
        lines = eventually(lambda: self.audit(since))
        assert [line["event"] for line in lines] == [event], lines
        return lines[0]


def assert_reply_is(reply: Reply, reason: str) -> None:
    """Holds an answer against its row of the contract."""
    status, error = DENIALS[reason]
    assert reply.status == status, f"{reason}: {reply}"
    assert reply.header("content-type") == "application/json"
    assert reply.header("cache-control") == "no-store"
    body = reply.json()
    assert body.keys() == {"error", "error_description"}, body
    assert all(isinstance(value, str) and value for value in body.values()), body

    if status == 503:
        assert int(reply.header("retry-after") or 0) > 0, f"no Retry-After: {reply}"
    challenge = reply.challenge()
    if status != 401 and error is None:
        assert challenge is None, f"{reason} needs no challenge: {challenge}"
        return
    assert challenge is not None, f"{reason} without a challenge: {reply}"
    assert challenge.scheme == "Bearer"
    assert challenge.params.get("error") == error
    if error is not None:
        assert body["error"] == error, "body and challenge disagree"
    if status in (401, 403):
        assert "resource_metadata" in challenge.params, challenge


def eventually(probe: Callable[[], Any], timeout: float = 10, every: float = 0.05) -> Any:
    """The first true value of `probe`; fails the test if none comes in time."""
    end = time.monotonic() + timeout
    while True:
        if found := probe():
            return found
        assert time.monotonic() < end, f"still {found!r} after {timeout} s"
        time.sleep(every)
