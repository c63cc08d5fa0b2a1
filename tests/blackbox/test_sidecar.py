"""The filter and the real sidecar together, over the embedded store and over a real Redis."""

import pytest
from harness.gateway import eventually
from harness.sidecar import RealSidecar
from harness.stand import USER_ID, Login, Stand
from harness.verdict import BITES_WITHIN


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
    assert took <= BITES_WITHIN
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
