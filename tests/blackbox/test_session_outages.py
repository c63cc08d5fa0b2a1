"""Redis and the sidecar are killed and stalled under load; each answer is held against who was
allowed at that time. The counts are shown at the end of the run.
"""

import hashlib
import http.client
import itertools
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from harness import client
from harness.gateway import Gateway, config, eventually, issuer
from harness.sidecar import RealSidecar
from harness.stand import CLUSTER, WORKERS, Login
from harness.tokens import ISSUER
from harness.verdict import BITES_WITHIN, BUSY, Asked, History, Policy, Probe, Revocation

LOGINS = 120
STRANGERS = 4  # good tokens without a session
CALLERS = 12
PAUSE = 0.02  # of a caller between requests
OUTAGE = 4.0
CALM = BITES_WITHIN + 1

POLICIES = {
    "required": Policy(timeout=0.5, cache=2, denies_after=None),
    "required, deny": Policy(timeout=0.5, cache=600, denies_after=2),
    "observe": Policy(timeout=0.5, cache=None, denies_after=None),
}
SETTINGS = {
    "required": {"cache": "2s"},
    "required, deny": {"cache": "10m", "on_feed_loss": "deny", "feed_loss_after": "2s"},
    "observe": {},
}


def kill_redis(sidecar):
    sidecar.redis.kill()
    yield
    sidecar.redis.open()


def kill_sidecar(sidecar):
    sidecar.kill()
    yield
    sidecar.open()


def stall_redis(sidecar):
    sidecar.redis.stall()
    yield
    sidecar.redis.resume()


def stall_sidecar(sidecar):
    sidecar.stall()
    yield
    sidecar.resume()


@pytest.mark.timeout(180)
def test_outages_under_load_let_nobody_in_who_is_revoked(start, tmp_path, record_property):
    sidecar = RealSidecar(tmp_path, "redis")
    try:
        world = World(sidecar, start)
        with world.busy():
            time.sleep(CALM)
            for outage in (kill_redis, kill_sidecar, stall_redis, stall_sidecar):
                world.suffer(outage)
                time.sleep(CALM)
    finally:
        sidecar.close()

    answers, history = list(world.answers), world.history
    for line in world.summary():
        record_property("counted", line)
    assert history.faults(answers) == []
    for name, (began, ended) in world.outages.items():
        during = [asked for asked in answers if began < asked.sent < ended]
        unavailable = Counter(asked.policy for asked in during if asked.status == 503)
        assert unavailable[POLICIES["required"]], f"{name}: what was remembered aged out"
        assert unavailable[POLICIES["required, deny"]], f"{name}: the feed was lost"
        assert sum(asked.status == 200 for asked in during), f"{name}: what is left serves on"
    revoked = [r for r in history.revocations.values() if r.done is not None]
    assert len(revoked) > 20
    refused = Counter(asked.policy for asked in answers if asked.status == 401)
    assert all(refused[policy] > 20 for policy in POLICIES.values()), refused


class World:
    """Callers, an operator who revokes, and somebody who looks whether the feed can be read."""

    def __init__(self, sidecar, start):
        self.sidecar = sidecar
        self.gateway: Gateway = start(
            {name: listener(name) for name in POLICIES},
            keyservers={CLUSTER: sidecar},
            concurrency=WORKERS,
        )
        self.logins = {str(n): Login(preferred_username=f"user-{n}") for n in range(LOGINS)}
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self._record, self.logins))
        self.history = History(known=set(self.logins))
        self.live = list(self.logins)
        self.strangers = [f"stranger-{n}" for n in range(STRANGERS)]
        self.logins |= {name: Login(preferred_username=name) for name in self.strangers}
        self.lately = list(self.strangers)  # those who should not get in are asked for most
        self.answers: list[Asked] = []
        self.outages: dict[str, tuple[float, float]] = {}
        self.recoveries: dict[str, float] = {}
        self._done = threading.Event()
        self._operator = threading.Lock()

    @contextmanager
    def busy(self):
        """Everybody does their part meanwhile; fails if one of them broke."""
        parts = [self._call] * CALLERS + [self._probe, self._revoke_on_and_on]
        with ThreadPoolExecutor(len(parts)) as pool:
            running = [pool.submit(part) for part in parts]
            try:
                yield
            finally:
                self._done.set()
        for part in running:
            part.result()

    def suffer(self, outage):
        """Revokes somebody and cuts the feed at once; waits until it can be read again."""
        with self._operator:
            for _ in range(3):
                self._revoke(self.live.pop())
            cut = outage(self.sidecar)
            next(cut)
            began = time.monotonic()
        time.sleep(OUTAGE)
        ended = time.monotonic()
        next(cut, None)
        eventually(lambda: self.history.probes[-1].ok and self.history.probes[-1].sent > ended)
        name = outage.__name__.replace("_", " ")
        self.outages[name] = (began, ended)
        self.recoveries[name] = self.history.probes[-1].answered - ended

    def summary(self):
        """What was answered in each outage and between them."""
        spans = {"otherwise": lambda sent: not any(b < sent < e for b, e in self.outages.values())}
        for name, (began, ended) in self.outages.items():
            spans[name] = lambda sent, began=began, ended=ended: began < sent < ended
        for (name, within), policy in itertools.product(spans.items(), POLICIES):
            asked = [a for a in self.answers if within(a.sent) and a.policy == POLICIES[policy]]
            count = Counter(a.status for a in asked)
            stale = sum(self.history.is_stale(a) for a in asked)
            slowest = max(a.answered - a.sent for a in asked)
            yield (
                f"{name}; {policy}: {len(asked)} answers: {count[200]} let in ({stale} revoked, "
                f"while it could not be known), {count[401]} refused, {count[503]} unavailable; "
                f"slowest {slowest:.2f} s"
            )
        yield from (f"{name}: readable after {s:.2f} s" for name, s in self.recoveries.items())

    def _call(self):
        chance = random.Random()
        while not self._done.is_set():
            name = chance.choice(list(POLICIES))
            login = chance.choice(self.lately[-12:] if chance.random() < 0.5 else self.live)
            if name == "observe" and login in self.strangers:
                continue  # to be seen would give them a session
            sent = time.monotonic()
            try:
                token = self.logins[login].token
                status = self.gateway.send(token=token, listener=name, timeout=5).status
            except (OSError, http.client.HTTPException):
                status = 0
            self.answers.append(Asked(POLICIES[name], login, sent, time.monotonic(), status))
            time.sleep(PAUSE)

    def _probe(self):
        while not self._done.is_set():
            sent = time.monotonic()
            ok = self._sidecar("GET", "/v1/revocations", timeout=0.25) == 200
            self.history.probes.append(Probe(sent, time.monotonic(), ok))
            time.sleep(0.05)

    def _revoke_on_and_on(self):
        while not self._done.is_set():
            undone = [name for name, r in self.history.revocations.items() if r.done is None]
            with self._operator:
                self._revoke(undone[0] if undone else self.live.pop())
            time.sleep(0.5)

    def _revoke(self, login):
        by_user = int(login) % 2
        user, session = user_id(f"user-{login}"), self.logins[login].session_id
        path = f"/v1/sessions?user_id={user}" if by_user else f"/v1/sessions/{session}"
        revocation = Revocation(time.monotonic())
        revocation = self.history.revocations.setdefault(login, revocation)
        if login not in self.lately:
            self.lately.append(login)
        if self._sidecar("DELETE", path, timeout=1) in (200, 204):
            revocation.done = time.monotonic()

    def _record(self, login):
        self.sidecar.record(self.logins[login].session_id, user_id(f"user-{login}"))

    def _sidecar(self, method, path, timeout):
        """The status of a call of the internal API; 0 if there is none."""
        fields = [("authorization", f"Bearer {RealSidecar.TOKEN}")]
        try:
            return client.http1(
                self.sidecar.port, method, path, fields, host="localhost", timeout=timeout
            ).status
        except (OSError, http.client.HTTPException):
            return 0


def listener(name):
    mode = name.partition(",")[0]
    settings = {"cluster": CLUSTER, "token": RealSidecar.TOKEN, "timeout": "500ms"} | SETTINGS[name]
    return config(issuers=[issuer(session=mode)], sessions=settings, audit="off")


def user_id(username):
    digest = hashlib.sha256(f"{username}:{ISSUER}".encode()).hexdigest()
    return f"{username}-{digest[:8]}"


# --- the judge itself


LOSS = Policy(timeout=1, cache=600, denies_after=2)
REQUIRED, OBSERVED = POLICIES["required"], POLICIES["observe"]


@pytest.fixture
def history():
    """A feed that is readable but from 10 to 20; `gone` is revoked at 9.5, `alive` is not."""
    times = [n / 10 for n in range(300)]
    probes = [Probe(at, at + 0.05, not 10 <= at < 20) for at in times]
    return History({"alive", "gone"}, {"gone": Revocation(9.4, 9.5)}, probes)


@pytest.mark.parametrize(
    ("policy", "login", "sent", "status", "fault"),
    [
        (REQUIRED, "alive", 5, 200, None),
        (REQUIRED, "alive", 5, 401, "nobody revoked"),
        (REQUIRED, "alive", 5, 503, "all was up"),
        (REQUIRED, "alive", 5, 500, "nobody expects"),
        (REQUIRED, "alive", 5, 0, "in time"),
        (REQUIRED, "alive", 15, 503, None),
        (OBSERVED, "alive", 15, 503, "needs nothing"),
        (REQUIRED, "stranger", 5, 200, "without a session"),
        (REQUIRED, "stranger", 5, 401, None),
        (REQUIRED, "gone", 9, 200, None),
        (REQUIRED, "gone", 9, 401, "nobody revoked"),
        (REQUIRED, "gone", 11, 200, None),
        (REQUIRED, "gone", 9.5 + 2 + 0.5 + BUSY + 0.1, 200, "older than the cache"),
        (OBSERVED, "gone", 19, 200, None),
        (OBSERVED, "gone", 20 + BITES_WITHIN - 0.1, 200, None),
        (OBSERVED, "gone", 20 + BITES_WITHIN + 0.1, 200, "could be read"),
        (OBSERVED, "gone", 25, 401, None),
        (LOSS, "alive", 12, 200, None),
        (LOSS, "alive", 10 + 2 + BUSY + 0.1, 200, "the feed was lost"),
        (LOSS, "alive", 15, 503, None),
        (LOSS, "alive", 20, 200, None),
    ],
)
def test_the_judge_knows_right_from_wrong(history, policy, login, sent, status, fault):
    found = history.faults([Asked(policy, login, sent, sent + 0.01, status)])
    assert (fault in found[0]) if fault else found == [], found


def test_the_judge_finds_an_answer_that_took_too_long(history):
    assert "in time" in history.faults([Asked(REQUIRED, "alive", 5, 5 + 0.5 + 1.6, 200)])[0]
