"""Where a flood takes place: a gateway of its own, honest users, and what is measured meanwhile."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.backend import Backend
from harness.envoy import Envoy, Listener
from harness.gateway import config, issuer, resource
from harness.keyserver import KeyServer
from harness.sidecar import RealSidecar
from harness.stand import session_id
from harness.stats import cluster_requests
from harness.tokens import ISSUER, key, token

from faults.callers import Caller, read
from faults.memory import Memory
from faults.model import Answer, Policy, Token
from faults.people import user_id
from faults.wire import Loop

WORKERS = 2
VMS = WORKERS + 1  # Envoy's main thread has one too
CLUSTER = "mcp-auth"
COOLDOWN = 1
HONEST, PAUSE = 8, 0.05  # callers, and what each waits between requests
SENDERS = 48
GIVES_UP = 15.0
LISTENERS = ("keys only", "required", "observe", "calls", "registration")


@dataclass
class Figures:
    """What came of a flood."""

    name: str
    sent: int = 0
    seconds: float = 0.0
    statuses: Counter = field(default_factory=Counter)
    honest: int = 0
    honest_served: int = 0
    honest_slowest: float = 0.0
    grown: dict[str, float] = field(default_factory=dict)  # MiB at most, over what it was before
    calls: dict[str, int] = field(default_factory=dict)  # upstream, by what
    breaches: list[str] = field(default_factory=list)

    def bound(self, what: str, value: float, most: float) -> None:
        """Holds a figure against its bound."""
        if value > most:
            self.breaches.append(f"{what}: {value:.0f}, more than {most:.0f}")


class Ground:
    """The gateway with its servers; a context manager."""

    def __init__(self, folder: Path, sidecar: Any = None, routes: dict[str, int] | None = None):
        """`sidecar` is one in place of the real one; `routes` are prefixes that lead elsewhere."""
        self._folder, self._sidecar, self._routes = folder, sidecar, routes or {}
        folder.mkdir(exist_ok=True)

    def __enter__(self) -> Ground:
        with ExitStack() as stack:
            self._build(stack)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _build(self, stack: ExitStack) -> None:
        self.loop = stack.enter_context(Loop())
        self.keys = stack.enter_context(KeyServer([key().jwk(), key("ES256").jwk()]))
        backend = stack.enter_context(Backend())
        self.sidecar = self._sidecar or RealSidecar(self._folder, "redis")
        stack.callback(self.sidecar.close)
        upstreams = {"keys": self.keys.port, CLUSTER: self.sidecar.port, "backend": backend.port}
        upstreams |= {f"route-{n}": port for n, port in enumerate(self._routes.values())}
        # Only that listener lets them through without a token.
        routes = tuple((prefix, f"route-{n}") for n, prefix in enumerate(self._routes))
        listeners = {
            name: Listener(_config(name), hold_headers=name == "calls", routes=routes)
            for name in LISTENERS
        }
        self.envoy = stack.enter_context(
            Envoy(self._folder / "envoy", listeners, upstreams, WORKERS)
        )
        self._honest = [self._honest_user(n) for n in range(20)]
        pids = {"envoy": lambda: self.envoy.pid}
        if isinstance(self.sidecar, RealSidecar):
            pids["sidecar"] = lambda: self.sidecar.pid
        self.pids = pids

    def _honest_user(self, n: int) -> Token:
        name = f"honest-{n}"
        user = user_id(name, ISSUER)
        self.sidecar.record(session_id(name), user)
        text = token(preferred_username=name, sub=name, sid=name, scope="mcp:read mcp:write")
        return Token(text, user, name, "", True, time.monotonic() + 3600)

    @contextmanager
    def measured(self, name: str, listener: str) -> Iterator[Figures]:
        """While this lasts, honest users ask on, and everything is counted."""
        figures = Figures(name)
        policy = Policy(listener)
        answers: list[Answer] = []
        ports = {policy: self.envoy.ports[listener]}
        chance = random.Random(1)
        callers = [
            Caller(ports, lambda _: chance.choice(self._honest), answers, chance, PAUSE)
            for _ in range(HONEST)
        ]
        with self.loop.busy([it.ask_on_and_on for it in callers]) as broken:
            yield from self._watch(figures, answers)
        figures.breaches += [f"a part of the test broke: {it!r}" for it in broken]

    def _watch(self, figures: Figures, answers: list[Answer]) -> Iterator[Figures]:
        time.sleep(1.5)  # they have been everywhere before it begins
        quiet = len(answers)
        keys, calls = self.keys.fetches, cluster_requests(self.envoy.admin_port, CLUSTER)
        with Memory(self.pids, every=0.1) as memory:
            time.sleep(0.3)
            began = time.monotonic()
            try:
                yield figures
            finally:
                figures.seconds = time.monotonic() - began
                time.sleep(0.3)
        during = answers[quiet:]
        figures.honest = len(during)
        figures.honest_served = sum(
            it.status == 200 and it.user_id == it.token.user_id for it in during
        )
        figures.honest_slowest = max(it.answered - it.sent for it in during)
        figures.grown = {it: memory.most(it) - memory.first(it) for it in memory.samples}
        figures.calls = {
            "provider": self.keys.fetches - keys,
            "sidecar": cluster_requests(self.envoy.admin_port, CLUSTER) - calls,
        }
        if not self.envoy.is_running():
            figures.breaches.append("envoy has ended")
        if figures.honest_served < figures.honest:
            figures.breaches.append(
                f"honest users: {figures.honest - figures.honest_served} of {figures.honest} "
                "requests were not served"
            )

    def send(self, figures: Figures, port: int, requests: Iterable[bytes]) -> None:
        """Sends all of these, as fast as it can be done."""
        self.loop.run(_send_all(figures, port, iter(requests)))


def _config(listener: str) -> dict:
    jwks = {"cooldown": f"{COOLDOWN}s"}
    if listener == "keys only":
        return config(issuers=[issuer(jwks=jwks)], audit="off")
    if listener == "registration":
        return config(issuers=[issuer(jwks=jwks)], public=["/register"], audit="off")
    if listener == "calls":
        tools = [{"name": "delete_*", "scopes": ["mcp:write"]}]
        rules = [resource(tools=tools)]
        return config(issuers=[issuer(jwks=jwks)], resources=rules, body_access=True, audit="off")
    settings = {"cluster": CLUSTER, "token": RealSidecar.TOKEN, "timeout": "1s"}
    return config(issuers=[issuer(jwks=jwks, session=listener)], sessions=settings, audit="off")


async def _send_all(figures: Figures, port: int, requests: Iterator[bytes]) -> None:
    async def sender() -> None:
        reader = writer = None
        for request in requests:
            figures.sent += 1
            try:
                async with asyncio.timeout(GIVES_UP):
                    if writer is None:
                        reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.write(request)
                    status, _ = await read(reader)
            except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError):
                status = 0
            figures.statuses[status] += 1
            # Envoy closes the connection behind some refusals of its own.
            if status in (0, 400, 413, 431) and writer is not None:
                writer.close()
                writer = None
        if writer is not None:
            writer.close()

    await asyncio.gather(*(sender() for _ in range(SENDERS)))
