"""The filter and the real sidecar together, over the embedded store and over a real Redis."""

import re
import threading
import time

import httpx
import pytest
from harness.gateway import eventually
from harness.sidecar import RealSidecar
from harness.stand import USER_ID, WORKERS, Login, Stand

from faults.model import BITES

REPORTED_EVERY = 60  # seconds, by each worker, while a session is in use


@pytest.fixture(scope="module", autouse=True)
def in_use(start, tmp_path_factory):
    """A session that is used without a pause from the first test on: the minute that has to pass
    before it is reported again is the other tests' too.
    """
    sidecar = RealSidecar(tmp_path_factory.mktemp("in-use"), "embedded")
    session = SessionInUse(start, sidecar)
    yield session
    session.leave()
    sidecar.close()


class SessionInUse:
    """One session that both workers see four times a second, and its sidecar."""

    def __init__(self, start, sidecar):
        self.sidecar = sidecar
        self._stand = stand_with(start, sidecar, "observe")
        self._login = Login()
        self._over = threading.Event()
        self.since = time.monotonic()
        self._user = threading.Thread(target=self._use)
        self._user.start()

    def _use(self):
        while not self._over.wait(0.25):
            self._stand.gateway.send(token=self._login.token)

    def leave(self):
        """Its user goes away."""
        self._over.set()
        self._user.join()

    def recorded(self):
        """What the sidecar knows of it."""
        answer = self.sidecar.call("GET", by_session(self._login))
        return answer.json() if answer.status_code == 200 else None

    def reports(self):
        """How often the filter has reported it, as the sidecar counts."""
        metrics = self.sidecar.call("GET", "/metrics").text
        counts = re.findall(r'session_id}",method="PUT",status="\d+"} (\d+)', metrics)
        return sum(map(int, counts))


@pytest.fixture(params=["embedded", "redis"])
def real(request, tmp_path):
    sidecar = RealSidecar(tmp_path, request.param)
    yield sidecar
    sidecar.close()


def stand_with(start, sidecar, mode="required", **sessions):
    return Stand(start, mode, sidecar, token=RealSidecar.TOKEN, cache="10m", **sessions)


def test_the_real_sidecar_takes_what_the_filter_reports(start, real):
    stand = stand_with(start, real, "observe")
    login = Login()
    stand.assert_allowed(login)
    path = f"/v1/sessions/{login.session_id}"
    eventually(lambda: real.call("GET", path).status_code == 200)
    session = real.call("GET", path).json()
    assert (session["user_id"], session["client_id"]) == (USER_ID, "client-1")
    assert session["scopes"] == ["mcp:read"]
    assert stand.gateway.envoy.stats()["session.failed"] == 0


def by_session(login):
    return f"/v1/sessions/{login.session_id}"


def by_user(_):
    return f"/v1/sessions?user_id={USER_ID}"


def by_client(_):
    return "/v1/sessions?client_id=client-1"


@pytest.mark.parametrize("by", [by_session, by_user, by_client])
def test_an_operators_revocation_bites_in_both_workers_within_a_second(start, real, by):
    stand = stand_with(start, real, revocations="1s")
    login = stand.login()
    stand.assert_allowed(login)
    took = stand.time_to_refuse(login, lambda: real.call("DELETE", by(login)).raise_for_status())
    assert took <= BITES
    stand.assert_denied("session_revoked", login)


def test_a_restart_of_the_real_sidecar_loses_no_revocation(start, real):
    stand = stand_with(start, real, revocations="250ms")
    before, after, other = (stand.login(claims={"azp": "client-2"}) for _ in range(3))
    stand.assert_allowed(before, after, other)
    real.call("DELETE", by_session(before)).raise_for_status()
    stand.eventually(401, before)
    real.kill()
    stand.assert_allowed(other)
    real.open()
    real.call("DELETE", by_session(after)).raise_for_status()
    stand.eventually(401, after)
    stand.assert_denied("session_revoked", before)
    stand.assert_allowed(other)


@pytest.mark.timeout(120)
def test_the_last_sight_of_a_session_in_use_is_told_once_a_minute_by_each_worker(in_use):
    session = eventually(in_use.recorded)
    assert in_use.reports() <= WORKERS * (1 + (time.monotonic() - in_use.since) // REPORTED_EVERY)

    def seen_again():
        session = in_use.recorded()
        return session["last_seen_at"] >= session["created_at"] + REPORTED_EVERY - 1

    eventually(seen_again, timeout=REPORTED_EVERY + 10)
    told = in_use.reports()
    assert told > WORKERS
    assert told <= WORKERS * (1 + (time.monotonic() - in_use.since) // REPORTED_EVERY)
    assert in_use.recorded()["created_at"] == session["created_at"]


def test_what_is_logged_of_a_request_carries_its_trace(tmp_path):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    sidecar = RealSidecar(tmp_path, "embedded")
    try:
        answer = httpx.delete(
            f"http://127.0.0.1:{sidecar.port}/v1/sessions/traced-session-0000000",
            headers={
                "authorization": f"Bearer {sidecar.TOKEN}",
                "traceparent": f"00-{trace}-00f067aa0ba902b7-01",
            },
            trust_env=False,
        )
        assert answer.status_code == 204, answer.text
        (line,) = [it for it in sidecar.log().splitlines() if "revoked a session" in it]
        assert trace in line
    finally:
        sidecar.close()
