"""The stand: Envoy with the filter, the sidecar over Redis, the provider, wires between them, and
everybody who uses it.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness.backend import Backend
from harness.envoy import Envoy, Listener
from harness.gateway import config, eventually, issuer
from harness.sidecar import RealSidecar

from . import packets
from .callers import Caller, Probe
from .memory import Memory
from .model import (
    FEED_EVERY,
    KEYS_TIMEOUT,
    LEEWAY,
    REFRESH,
    Answer,
    History,
    Policy,
    Token,
)
from .outages import Outage, Part, outages
from .people import People
from .provider import Provider
from .wire import Loop, Wire

WORKERS = 2
CLUSTER = "mcp-auth"
JWKS = "/.well-known/jwks.json"
FEED = "/v1/revocations"
RECOVERS_WITHIN = 10.0  # after a fault has ended: until all can be read again
SETTLES = 2.5  # what is left after that of what was under way
SHORTEST, LONGEST = 4.5, 8.0  # of a fault
DENIES_AFTER = 2.0

POLICIES = (
    Policy("keys only"),
    Policy("observe", "observe", timeout=0.5),
    Policy("required", "required", timeout=0.5, cache=2),
    Policy("required, deny", "required", timeout=0.5, cache=600, denies_after=DENIES_AFTER),
)


class WatchedProvider:
    """The provider, whose keys are others after each start: which, is written down."""

    def __init__(self, provider: Provider, people: People) -> None:
        self._provider, self._people = provider, people
        self.stall, self.resume = provider.stall, provider.resume

    def kill(self) -> None:
        """Ends it."""
        self._people.note_keys_may_go()
        self._provider.kill()

    def open(self) -> None:
        """Starts it."""
        began = time.monotonic()
        self._provider.open()
        self._people.note_keys(began)


class World:
    """All of it; a context manager."""

    def __init__(self, folder: Path, seed: int, tokens: int, callers: int, pause: float) -> None:
        self.folder = folder
        self.chance = random.Random(seed)
        self.history = History()
        self.answers: list[Answer] = []
        self.spans: list[tuple[Outage, float, float, float]] = []  # began, ended, readable again
        self.broken: list[str] = []  # what must not happen, beside wrong answers
        self._seed, self._size, self._callers, self._pause = seed, tokens, callers, pause
        self._done = threading.Event()

    def __enter__(self) -> World:
        with ExitStack() as stack:
            self._build(stack)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._open.close()

    def _build(self, stack: ExitStack) -> None:
        loop = self.loop = stack.enter_context(Loop())
        wires = {name: Wire(loop) for name in ("provider", "redis", "sidecar")}
        for wire in wires.values():
            stack.callback(wire.close)

        self.provider = Provider(self.folder, f"http://127.0.0.1:{wires['provider'].port}/")
        stack.enter_context(self.provider)
        wires["provider"].upstream = self.provider.port

        def over(port: int) -> int:
            wires["redis"].upstream = port
            return wires["redis"].port

        self.sidecar = RealSidecar(self.folder, "redis", over)
        stack.callback(self.sidecar.close)
        wires["sidecar"].upstream = self.sidecar.port

        self.people = People(self._size, self.provider, self.sidecar, self.history, self._seed)
        provider = WatchedProvider(self.provider, self.people)
        self.parts = [
            Part("provider", provider, wires["provider"], http=True, feed=False),
            Part("redis", self.sidecar.redis, wires["redis"], http=False, feed=True),
            Part("sidecar", self.sidecar, wires["sidecar"], http=True, feed=True),
        ]
        listeners = {it.name: Listener(self._config(it)) for it in POLICIES}
        upstreams = {
            "keys": wires["provider"].port,
            CLUSTER: wires["sidecar"].port,
            "backend": stack.enter_context(Backend()).port,
        }
        envoy = Envoy(self.folder / "envoy", listeners, upstreams, WORKERS)
        self.envoy = stack.enter_context(envoy)
        self.people.note_keys(time.monotonic())
        self.people.tend()
        feed, keys = wires["sidecar"].port, wires["provider"].port
        self._probes = (
            Probe(feed, FEED, RealSidecar.TOKEN, "cursor", self.history.feed),
            Probe(keys, JWKS, "", "keys", self.history.keys),
        )
        processes = {"envoy": envoy, "sidecar": self.sidecar, "redis": self.sidecar.redis}
        self.memory = Memory({name: lambda it=it: it.pid for name, it in processes.items()})

    def _caller(self, n: int) -> Caller:
        ports = {it: self.envoy.ports[it.name] for it in POLICIES}
        chance = random.Random(self._seed * 1000 + n)

        def pick(policy: Policy) -> Token:
            while True:
                kind, token = self.people.pick(chance)
                # To be seen would give them a session.
                if not (policy.session == "observe" and kind == "stranger"):
                    return token

        return Caller(ports, pick, self.answers, chance, self._pause)

    def _config(self, policy: Policy) -> dict:
        jwks = {
            "refresh": f"{REFRESH:.0f}s",
            "cooldown": "1s",
            "timeout": f"{KEYS_TIMEOUT:.0f}s",
            "uri": self.provider.issuer.rstrip("/") + JWKS,
        }
        issuers = [
            issuer(
                issuer=self.provider.issuer,
                session=policy.session,
                leeway=f"{LEEWAY:.0f}s",
                jwks=jwks,
            )
        ]
        if policy.session == "off":
            return config(issuers=issuers, audit="off")
        settings = {
            "cluster": CLUSTER,
            "token": RealSidecar.TOKEN,
            "timeout": f"{policy.timeout * 1000:.0f}ms",
            "revocations": f"{FEED_EVERY:.0f}s",
        }
        if policy.cache:
            settings["cache"] = f"{policy.cache:.0f}s"
        if policy.denies_after is not None:
            settings |= {"on_feed_loss": "deny", "feed_loss_after": f"{policy.denies_after:.0f}s"}
        return config(issuers=issuers, sessions=settings, audit="off")

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Everybody does their part meanwhile."""
        callers = [self._caller(n) for n in range(self._callers)]
        with (
            self.loop.busy([it.ask_on_and_on for it in (*callers, *self._probes)]) as broken,
            ThreadPoolExecutor(1) as pool,
            self.memory,
        ):
            tending = pool.submit(self._tend)
            try:
                yield
            finally:
                self._done.set()
            tending.result()
        self.broken += [f"a part of the test broke: {it!r}" for it in broken]

    def run(self, seconds: float, every: list[Outage], say: Callable[[str], None]) -> None:
        """Brings on faults in random order, for about so long; then calm."""
        end = time.monotonic() + seconds
        self.calm()
        queue: list[Outage] = []
        while time.monotonic() < end:
            if not queue:
                queue = self.chance.sample(every, len(every))
            self.suffer(queue.pop(), self.chance.uniform(SHORTEST, LONGEST))
            outage, began, ended, readable = self.spans[-1]
            say(
                f"{len(self.spans)}: {outage}, {ended - began:.1f} s; all readable again after "
                f"{readable - ended:.1f} s; {len(self.answers)} answers so far"
            )
            if self.chance.random() < 0.25:
                self.rotate()
            if self.broken:
                say(f"BROKEN: {self.broken[-1]}")

    def suffer(self, outage: Outage, seconds: float) -> None:
        """One fault for so long; waits until all can be read again."""
        before = time.monotonic()
        with outage.lasting(self.chance):
            began = time.monotonic()
            time.sleep(seconds)
            ended = time.monotonic()
        lifted = time.monotonic()
        if outage.cuts:
            self.history.cuts.append((began, ended))
        try:
            eventually(
                lambda: all(it.ok_sent > lifted for it in self._probes), RECOVERS_WITHIN * 2, 0.02
            )
        except AssertionError:
            self.broken.append(f"not readable {RECOVERS_WITHIN * 2} s after: {outage}")
        readable = max(lifted, *(it.ok_since for it in self._probes))
        if readable - lifted > RECOVERS_WITHIN:
            self.broken.append(f"readable only {readable - lifted:.1f} s after: {outage}")
        self.spans.append((outage, before, lifted, readable))
        self._look()
        time.sleep(SETTLES + self.chance.random() * 2)

    def calm(self) -> None:
        """Waits until everything works and every worker knows the keys."""
        eventually(lambda: all(it.ok_since for it in self._probes))
        time.sleep(REFRESH)

    def rotate(self) -> None:
        """The provider gets new keys; half of the time the old ones stay good."""
        began = time.monotonic()
        self.people.note_keys_may_go()
        self.provider.rotate(keep_old=self.chance.random() < 0.5)
        self.people.note_keys(began)

    def _tend(self) -> None:
        while not self._done.is_set():
            self.people.revoke()
            self.people.tend(40)
            self._done.wait(0.4)

    def _look(self) -> None:
        """Whether everybody is alive and well."""
        for name, it in (("envoy", self.envoy), ("sidecar", self.sidecar)):
            if not it.is_running():
                self.broken.append(f"{name} has ended")
            log = it.log()
            for word in ("panicked at", "VM failure", "Uncaught RuntimeError", "[critical]"):
                if word in log:
                    at = log.index(word)
                    self.broken.append(f"{name}: {log[max(0, at - 200) : at + 300]!r}")

    def outages(self) -> list[Outage]:
        """All that can go wrong here."""
        return outages(self.parts, packets.why_not() is None)

    def by_fault(self) -> dict[str, list[Answer]]:
        """The answers to what was asked during each fault, and without any."""
        found: dict[str, list[Answer]] = {"no fault": []}
        spans = sorted((began, ended, str(outage)) for outage, began, ended, _ in self.spans)
        at = 0
        for it in sorted(self.answers, key=lambda answer: answer.sent):
            while at < len(spans) and spans[at][1] < it.sent:
                at += 1
            inside = at < len(spans) and spans[at][0] <= it.sent
            found.setdefault(spans[at][2] if inside else "no fault", []).append(it)
        return dict(sorted(found.items()))

    def wrong(self) -> Counter:
        """How many answers were wrong, by kind and sentence; the first of each is in `examples`."""
        count: Counter = Counter()
        self.examples: dict[tuple[str, str], Answer] = {}
        for kind, sentence, it in self.history.verdicts(self.answers):
            count[kind, sentence] += 1
            self.examples.setdefault((kind, sentence), it)
        return count
