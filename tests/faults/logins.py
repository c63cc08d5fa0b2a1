"""Logins and refreshes while Redis, the provider and `mcp-auth` fail.

Each person logs in, refreshes again and again, and tries again with what they have when something
fails, as a client does. What may not happen, whatever fails: a code gives tokens twice; a refresh
token is good once its successor was used; an answer is no OAuth answer and no page; a login is gone
although the person kept to the rules about trying again.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from harness.agent import Landing, Lost
from harness.authserver import AuthServer
from harness.gateway import eventually
from harness.oauth import App, Grant, Site
from harness.redis_server import Redis
from harness.upstream import Upstream

from .outages import Outage, Part, outages
from .wire import Loop, Wire

URL = "https://auth.example.com"
RACE = 10.0  # seconds for which the loser of a refresh may get the same successor
SLACK = 1.5  # of that, what a busy machine may take away
RECOVERS_WITHIN = 20.0
CALM = 1.5  # after each fault


class Restartable:
    """`mcp-auth` as something that fails."""

    def __init__(self, server: AuthServer) -> None:
        self.kill, self.open = server.kill, server.start
        self._server = server

    def stall(self) -> None:
        """Takes connections and answers nothing."""
        os.kill(self._server.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Goes on."""
        os.kill(self._server.pid, signal.SIGCONT)


class Gone(Exception):
    """A login is over."""


class Person:
    """Logs in and refreshes, again and again."""

    def __init__(self, world: LoginWorld, n: int) -> None:
        self._world, self._name = world, f"person-{n}@example.com"
        self._chance = random.Random(world.seed * 1000 + n)

    def go_on(self) -> None:
        """Until all is done."""
        while not self._world.done.is_set():
            try:
                self._log_in()
            except Gone:
                self._world.count["logins begun anew"] += 1
            except httpx.TransportError:
                self._world.count["no answer"] += 1
                self._world.done.wait(0.2)

    def _log_in(self) -> None:
        site = self._world.site()
        try:
            app = App(site, self._world.client_id)
            grant = self._grant(app)
            if grant is None:
                self._world.done.wait(0.2)
                return
            twice = self._chance.random() < 0.3
            token = self._redeem(app, grant, 2 if twice else 1)
            if token is not None and not twice:
                self._keep(app, token)
        finally:
            site.http.close()

    def _grant(self, app: App) -> Grant | None:
        """A code, or an end that tells the person something."""
        with app.site.agent(self._name) as agent:
            try:
                at = agent.wander(app.authorize_url(state=secrets.token_hex(8)))
            except Lost as lost:
                self._world.wrong(f"a login that leads nowhere: {lost}")
                return None
            if isinstance(at, Landing):
                if "code" in at.params:
                    self._world.count["codes"] += 1
                    return Grant(at.params["code"], at)
                self._world.count[f"OAuth error {at.params.get('error')}"] += 1
                if "error" not in at.params:
                    self._world.wrong(f"sent to the client with nothing: {at.url}")
                return None
            ours = urlsplit(str(at.url)).netloc == urlsplit(URL).netloc
            kind = at.response.headers.get("content-type", "")
            self._world.count[f"page {at.response.status_code}"] += 1
            if ours and (not kind.startswith("text/html") or at.response.status_code == 500):
                self._world.wrong(f"no page at {at.url}: {at.response.status_code} {at.text[:200]}")
            return None

    def _redeem(self, app: App, grant: Grant, times: int) -> str | None:
        """The refresh token for a code, which is redeemed so many times at once."""

        def once(_: int) -> str | None:
            try:
                answer = self._judged(app.redeem(grant))
            except httpx.TransportError:
                self._world.count["no answer"] += 1
                return None
            return answer.json()["refresh_token"] if answer.status_code == 200 else None

        with ThreadPoolExecutor(times) as pool:
            tokens = [it for it in pool.map(once, range(times)) if it is not None]
        self._world.count["codes redeemed twice at once" if times > 1 else "codes redeemed"] += 1
        if len(tokens) > 1:
            self._world.wrong("a code gave tokens twice")
        return tokens[0] if tokens else None

    def _keep(self, app: App, token: str) -> None:
        """Refreshes, for a while. Of what is used, one is tried again at the end."""
        used: list[str] = []
        for _ in range(self._chance.randrange(3, 10)):
            if self._world.done.wait(self._chance.random() * 0.2):
                return
            used.append(token)
            token = self._next(app, token)
        # The last but one is not the last whose successor was used.
        stolen = self._chance.choice(used[:-1])
        try:
            answer = self._judged(app.refresh(stolen))
        except httpx.TransportError:
            self._world.count["no answer"] += 1
            return
        self._world.count[f"used refresh tokens, tried again: {answer.status_code}"] += 1
        if answer.status_code == 200:
            self._world.wrong("a used refresh token was good")

    def _next(self, app: App, token: str) -> str:
        """The successor; what fails is tried again with the same token."""
        first_unknown = 0.0
        while True:
            if self._world.done.is_set():
                raise Gone
            sent = time.monotonic()
            try:
                answer = self._judged(app.refresh(token))
            except httpx.TransportError:
                self._world.count["no answer"] += 1
                first_unknown = first_unknown or sent
                self._world.done.wait(0.1)
                continue
            if answer.status_code == 200:
                self._world.count["refreshes"] += 1
                return answer.json()["refresh_token"]
            if answer.status_code == 400:
                # An answer that was lost may have been the successor, for which there is a time.
                waited = time.monotonic() - first_unknown if first_unknown else 0.0
                if waited < RACE - SLACK:
                    self._world.wrong(f"a login is gone after {waited:.1f} s: {answer.text}")
                else:
                    self._world.count["logins lost, answers missing for more than 10 s"] += 1
                raise Gone
            # 503: what it did is not known either.
            first_unknown = first_unknown or sent
            self._world.done.wait(0.1)

    def _judged(self, answer: httpx.Response) -> httpx.Response:
        """An answer of the token endpoint, as OAuth has them."""
        self._world.count[f"token endpoint {answer.status_code}"] += 1
        is_json = answer.headers.get("content-type", "").startswith("application/json")
        if answer.status_code not in (200, 400, 503) or not is_json:
            self._world.wrong(f"no OAuth answer: {answer.status_code} {answer.text[:200]}")
        return answer


class LoginWorld:
    """All of it; a context manager."""

    def __init__(self, folder: Path, seed: int, people: int) -> None:
        self.seed, self._people, self._folder = seed, people, folder
        self.chance = random.Random(seed)
        self.count: Counter = Counter()
        self.wrongs: Counter = Counter()
        self.done = threading.Event()

    def __enter__(self) -> LoginWorld:
        with ExitStack() as stack:
            loop = stack.enter_context(Loop())
            wires = {name: Wire(loop) for name in ("provider", "redis", "sidecar")}
            for wire in wires.values():
                stack.callback(wire.close)
            self._upstream = stack.enter_context(Upstream(self._folder))
            # An answer that is lost would be a refresh token of the provider that is lost.
            stack.enter_context(self._upstream.settings(rotate=False))
            wires["provider"].upstream = self._upstream.proxy.upstream_port
            redis = stack.enter_context(Redis(self._folder))
            wires["redis"].upstream = redis.port
            over = f"redis://127.0.0.1:{wires['redis'].port}"
            self.server = AuthServer(self._folder, self._upstream, URL, redis=redis, REDIS_URL=over)
            stack.enter_context(self.server)
            wires["sidecar"].upstream = self.server.port
            self._upstream.proxy.upstream_port = wires["provider"].port
            self._places = {
                URL: [wires["sidecar"].port],
                self._upstream.issuer: [self._upstream.proxy.port],
            }
            site = self.site()
            self.client_id = site.app().client_id
            site.http.close()
            self.parts = [
                Part("redis", redis, wires["redis"], http=False, feed=True),
                Part("provider", None, wires["provider"], http=True, feed=True),
                Part("sidecar", Restartable(self.server), wires["sidecar"], http=True, feed=True),
            ]
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self._open.close()

    def site(self) -> Site:
        """Where people go."""
        return Site(URL, self._places, self.server.resource)

    def wrong(self, what: str) -> None:
        """Something that may not happen."""
        self.wrongs[what] += 1

    def outages(self) -> list[Outage]:
        """What can go wrong. The provider is not ended: it would forget all logins by that. What
        stands before `mcp-auth` makes nothing up: people would get it."""
        without = {"provider killed", "provider stopped", "sidecar answers garbage"}
        return [it for it in outages(self.parts, with_packets=False) if str(it) not in without]

    def run(
        self, faults: Iterable[Outage], seconds: Callable[[], float], say: Callable[[str], None]
    ) -> None:
        """One fault after the other; after each, everybody's refreshes work again."""
        people = [Person(self, n) for n in range(self._people)]
        threads = [threading.Thread(target=it.go_on, daemon=True) for it in people]
        for thread in threads:
            thread.start()
        self._await_refreshes(self._people, RECOVERS_WITHIN)
        for fault in faults:
            with fault.lasting(self.chance):
                time.sleep(seconds())
            healed, before = time.monotonic(), self.count["refreshes"]
            try:
                self._await_refreshes(before + self._people, RECOVERS_WITHIN)
                say(f"{fault}: refreshes work {time.monotonic() - healed:.1f} s after it")
            except AssertionError:
                self.wrong(f"no refresh works {RECOVERS_WITHIN:.0f} s after: {fault}")
            time.sleep(CALM)
        self.done.set()
        for thread in threads:
            thread.join(60)
            if thread.is_alive():
                self.wrong("somebody waits for an answer for a minute")
        if "panicked at" in self.server.log():
            self.wrong("mcp-auth panicked")

    def _await_refreshes(self, more_than: int, timeout: float) -> None:
        eventually(lambda: self.count["refreshes"] > more_than, timeout)
