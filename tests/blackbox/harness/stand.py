"""A gateway with two workers in front of a sidecar, and logins whose sessions it asks for."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .fake_sidecar import FakeSidecar
from .gateway import Gateway, config, eventually, issuer
from .sidecar import RealSidecar
from .tokens import ISSUER, b64, token

CLUSTER = "mcp-auth"
WORKERS = 2
MAIN = 1  # Envoy's main thread has a VM too, and reads the feed
BOTH = 20  # requests on as many connections: they reach both workers, but for 1 case in 500,000
USER_ID = "user-example-com-11b07dcc"  # of the default token


class Stand:
    """A gateway with two workers, each with a memory of its own, and its sidecar."""

    def __init__(
        self,
        start: Callable[..., Gateway],
        mode: str = "required",
        sidecar: FakeSidecar | RealSidecar | None = None,
        **sessions: str,
    ) -> None:
        self.sidecar = sidecar or FakeSidecar()
        settings = {"cluster": CLUSTER, "timeout": "1s"} | sessions
        self.gateway = start(
            {"main": config(issuers=[issuer(session=mode)], sessions=settings)},
            keyservers={CLUSTER: self.sidecar},
            concurrency=WORKERS,
        )

    def login(
        self, user_id: str = USER_ID, claims: dict[str, Any] | None = None, **session: Any
    ) -> Login:
        """A token whose session the sidecar knows."""
        login = Login(**claims or {})
        self.sidecar.record(login.session_id, user_id, **session)
        return login

    def statuses(self, login: Login, count: int = BOTH) -> set[int]:
        """What requests at once are answered."""
        with ThreadPoolExecutor(count) as pool:
            sent = pool.map(lambda _: self.gateway.send(token=login.token), range(count))
            return {reply.status for reply in sent}

    def assert_allowed(self, *logins: Login) -> None:
        """Both workers let each of these in; from here on they have it in memory."""
        for login in logins:
            assert self.statuses(login) == {200}

    def assert_denied(self, reason: str, login: Login) -> None:
        """A request is refused for `reason`, with the answer of the contract."""
        self.gateway.assert_denied(reason, token=login.token)

    def eventually(self, status: int, login: Login, timeout: float = 10) -> None:
        """Waits until both workers answer so."""
        eventually(lambda: self.statuses(login) == {status}, timeout)

    def time_to_refuse(self, login: Login, revoke: Callable[[], Any]) -> float:
        """Revokes under load; the seconds until the last request that was still let in was sent."""
        began = time.monotonic()
        revoke()

        def poll(_: int) -> float:
            latest = began
            while (now := time.monotonic()) < began + 2.5:
                if self.gateway.send(token=login.token).status == 200:
                    latest = now
            return latest

        with ThreadPoolExecutor(8) as pool:
            return max(pool.map(poll, range(8))) - began

    def moved(self, before: dict[str, int]) -> dict[str, int]:
        """The metrics that moved since."""
        after = self.gateway.envoy.stats().items()
        return {n: count - before.get(n, 0) for n, count in after if count != before.get(n, 0)}


class Login:
    """A token of a session that no cache has seen."""

    def __init__(self, **changes: Any) -> None:
        tail = uuid.uuid4().hex
        self.token = token(**{"jti": tail} | changes)
        self.session_id = session_id(changes.get("sid") or changes.get("jti") or tail)


def session_id(tail: str, issuer: str = ISSUER) -> str:
    """The id of a session by its token's `sid`, else `jti`, else the token itself."""
    return b64(hashlib.sha256(f"{issuer}\0{tail}".encode()).digest()[:16])
