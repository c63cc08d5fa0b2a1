"""Sessions: required, observed or off; the sidecar answers, or does not.

The sidecar is a stand-in that counts and fails on command; Envoy is real and has two workers.
"""

import time
import uuid

import pytest
from harness.fake_sidecar import HANG, FakeSidecar
from harness.gateway import config, eventually, issuer
from harness.stand import BOTH, CLUSTER, MAIN, USER_ID, WORKERS, Login, Stand
from harness.tokens import ISSUER, tampered, token

FAULTS = {
    "refuses": lambda sidecar: sidecar.close(),
    "fails": lambda sidecar: setattr(sidecar, "fault", 500),
    "unauthorized": lambda sidecar: setattr(sidecar, "fault", 401),
    "garbage": lambda sidecar: setattr(sidecar, "fault", b"<html>sorry</html>"),
    "no session": lambda sidecar: setattr(sidecar, "fault", b"{}"),
    "empty": lambda sidecar: setattr(sidecar, "fault", b""),
    "hangs": lambda sidecar: setattr(sidecar, "fault", HANG),
}


@pytest.fixture(scope="module")
def required(start):
    return Stand(start)


@pytest.fixture(scope="module")
def observing(start):
    return Stand(start, "observe")


# --- required


def test_an_unknown_session_is_refused(required):
    login = Login()
    required.assert_denied("session_not_found", login)
    assert required.sidecar.lookups(login.session_id) == 1


def test_a_known_session_passes_and_the_server_is_told_its_id(required):
    login = required.login()
    seen = required.gateway.forwarded(token=login.token)
    assert seen.header("x-session-id") == login.session_id
    assert seen.header("x-user-id") == USER_ID


def test_tokens_of_one_sid_are_one_session(required):
    sid = uuid.uuid4().hex
    first = required.login(claims={"sid": sid, "jti": "1"})
    second = Login(sid=sid, jti="2")
    for login in (first, second):
        seen = required.gateway.forwarded(token=login.token)
        assert seen.header("x-session-id") == first.session_id


def test_a_session_that_is_recorded_later_passes_soon(required):
    login = Login()
    required.assert_denied("session_not_found", login)
    required.sidecar.record(login.session_id, USER_ID)
    required.eventually(200, login, timeout=3)


def test_the_session_of_another_user_is_refused(required):
    required.assert_denied("session_not_found", required.login(user_id="somebody-else-00000000"))


def test_an_expired_session_is_refused(required):
    login = required.login(expires_at=int(time.time()) - 1)
    required.assert_denied("session_not_found", login)


def test_a_session_that_expires_while_it_is_remembered_is_refused(required):
    login = required.login(expires_at=int(time.time()) + 3)
    required.assert_allowed(login)
    required.eventually(401, login, timeout=5)
    required.assert_denied("session_not_found", login)


def test_a_revoked_session_is_refused(required):
    login = required.login(revoked_at=int(time.time()))
    required.assert_denied("session_revoked", login)


def test_a_session_revoked_before_it_was_seen_is_refused(required):
    login = Login()
    revoked = {"session_id": login.session_id, "revoked_at": int(time.time())}
    required.sidecar.sessions[login.session_id] = revoked
    required.assert_denied("session_revoked", login)


def test_the_answer_about_another_session_is_not_taken(required):
    login, other = Login(), required.login()
    required.sidecar.sessions[login.session_id] = required.sidecar.sessions[other.session_id]
    required.assert_denied("sessions_unavailable", login)


def test_a_bad_token_is_refused_without_a_lookup(required):
    before = len(required.sidecar.calls) - len(required.sidecar.feed_reads)
    expired = int(time.time()) - 600
    required.gateway.assert_denied("expired", token=token(exp=expired))
    required.gateway.assert_denied("bad_signature", token=tampered(token()))
    assert len(required.sidecar.calls) - len(required.sidecar.feed_reads) == before


def test_a_denied_session_is_audited_with_its_id(required):
    login = Login()
    line = required.gateway.audited("denied", token=login.token)
    assert (line["reason"], line["session_id"]) == ("session_not_found", login.session_id)
    assert line["user_id"] == USER_ID


def test_fifty_requests_at_once_share_one_lookup_a_worker(start):
    stand = Stand(start, timeout="5s")
    login = stand.login()
    stand.sidecar.delay = 1.0
    assert stand.statuses(login, 50) == {200}
    assert 1 <= stand.sidecar.lookups(login.session_id) <= WORKERS


def test_an_answer_is_remembered(required):
    login = required.login()
    before = required.gateway.envoy.stats()
    for _ in range(3):
        required.assert_allowed(login)
    lookups = required.sidecar.lookups(login.session_id)
    assert lookups <= WORKERS
    moved = required.moved(before)
    assert moved["allowed"] == 3 * BOTH
    assert moved["session.hit"] + moved["session.miss"] == 3 * BOTH
    assert moved["session.hit"] >= 2 * BOTH


def test_an_answer_is_remembered_no_longer_than_the_cache_says(start):
    stand = Stand(start, cache="2s")
    login = stand.login()
    stand.assert_allowed(login)
    before = stand.sidecar.lookups()
    stand.sidecar.record(login.session_id, USER_ID, revoked_at=int(time.time()))
    time.sleep(2.1)
    stand.assert_denied("session_revoked", login)
    assert stand.sidecar.lookups() == before + 1


@pytest.mark.parametrize("mode", ["required", "observe"])
def test_the_sidecar_is_told_its_token_and_never_the_clients(start, mode):
    stand = Stand(start, mode, FakeSidecar(token="s3cr3t"), token="s3cr3t")
    login = stand.login()
    stand.assert_allowed(login)
    calls = {"required": stand.sidecar.lookups, "observe": stand.sidecar.reports}[mode]
    eventually(calls)
    eventually(lambda: stand.sidecar.feed_reads)
    assert {call.authorization for call in stand.sidecar.calls} == {"Bearer s3cr3t"}
    assert "s3cr3t" not in stand.gateway.envoy.log()


# --- required, and the sidecar does not answer


@pytest.mark.parametrize("fault", FAULTS)
def test_without_an_answer_a_request_is_told_to_come_back_and_recovery_needs_no_restart(
    start, fault
):
    stand = Stand(start)
    login = stand.login()
    FAULTS[fault](stand.sidecar)
    asked = time.monotonic()
    stand.assert_denied("sessions_unavailable", login)
    assert time.monotonic() - asked <= 1 + 1.5, "waited longer than the configured timeout"
    assert stand.gateway.envoy.stats()["session.failed"] >= 1
    stand.sidecar.heal()
    stand.eventually(200, login)


def test_requests_at_once_all_give_up_in_time(start):
    stand = Stand(start)
    login = stand.login()
    stand.sidecar.fault = HANG
    asked = time.monotonic()
    assert stand.statuses(login, 50) == {503}
    assert time.monotonic() - asked <= 1 + 1.5


def test_a_remembered_session_passes_through_an_outage_until_it_ages_out(start):
    stand = Stand(start, cache="3s")
    login = stand.login()
    stand.assert_allowed(login)
    stand.sidecar.close()
    stand.assert_allowed(login)
    time.sleep(3.1)
    stand.assert_denied("sessions_unavailable", login)


# --- observe


def test_a_session_is_reported_once_a_worker_as_the_contract_has_it(observing):
    login = Login(sid=uuid.uuid4().hex)
    leeway = 60
    expires_at = int(time.time()) + 3600 + leeway
    for _ in range(2):
        observing.assert_allowed(login)
    eventually(lambda: observing.sidecar.reports(login.session_id))
    time.sleep(0.5)
    reports = observing.sidecar.reports(login.session_id)
    assert len(reports) <= WORKERS
    for report in reports:
        body = report.body
        assert abs(body.pop("expires_at") - expires_at) <= 5
        assert body.pop("session_id", login.session_id) == login.session_id
        assert body == {
            "user_id": USER_ID,
            "username": "user@example.com",
            "issuer": ISSUER,
            "token_issuer": ISSUER,
            "subject": "auth0|user123",
            "client_id": "client-1",
            "scopes": ["mcp:read"],
        }


def test_the_identity_provider_is_reported_where_another_issued_the_token(start):
    sidecar = FakeSidecar()
    fronted = issuer(session="observe", identity_issuer_claim="idp_iss")
    gateway = start(
        {"main": config(issuers=[fronted], sessions={"cluster": CLUSTER})},
        keyservers={CLUSTER: sidecar},
    )
    login = Login(idp_iss="https://idp.example/")
    gateway.forwarded(token=login.token)
    report = eventually(lambda: sidecar.reports(login.session_id))[0]
    assert report.body["issuer"] == "https://idp.example/"
    assert report.body["token_issuer"] == ISSUER


def test_an_observed_session_is_never_looked_up(observing):
    login = Login()
    observing.assert_allowed(login)
    eventually(lambda: observing.sidecar.reports(login.session_id))
    assert observing.sidecar.lookups() == 0


def test_a_refused_token_is_not_reported(observing):
    login = Login(aud="https://other.example/")
    observing.assert_denied("wrong_audience", login)
    observing.assert_allowed(Login())
    time.sleep(0.3)
    assert observing.sidecar.reports(login.session_id) == []


def test_a_sidecar_that_hangs_delays_no_observed_request(start):
    stand = Stand(start, "observe", timeout="5s")
    stand.assert_allowed(Login())
    stand.sidecar.fault = HANG
    for _ in range(10):
        login = Login()
        asked = time.monotonic()
        stand.gateway.forwarded(token=login.token)
        assert time.monotonic() - asked < 0.5
    eventually(lambda: stand.sidecar.reports(login.session_id))


@pytest.mark.parametrize("fault", ["refuses", "fails", "unauthorized", "hangs"])
def test_a_dead_sidecar_changes_nothing_for_observed_sessions_but_a_metric(start, fault):
    # The feed is read once, before: only the report can fail.
    stand = Stand(start, "observe", revocations="60s")
    eventually(lambda: len(stand.sidecar.feed_reads) == WORKERS + MAIN)
    stand.assert_allowed(Login())
    eventually(lambda: len(stand.sidecar.reports()) == WORKERS)
    FAULTS[fault](stand.sidecar)
    before = stand.gateway.envoy.stats()
    stand.gateway.forwarded(token=Login().token)
    eventually(lambda: stand.moved(before).get("session.failed"))
    assert stand.moved(before) == {"allowed": 1, "token_cache.miss": 1, "session.failed": 1}


def test_a_revoked_session_is_refused_where_sessions_are_observed_too(observing):
    login = Login()
    observing.assert_allowed(login)
    observing.sidecar.revoke(session_id=login.session_id)
    observing.eventually(401, login, timeout=3)
    observing.assert_denied("session_revoked", login)


# --- off


def test_where_sessions_are_off_nothing_is_asked_or_told_and_no_revocation_binds(start):
    stand = Stand(start, "off")
    login = Login()
    stand.sidecar.revoke(session_id=login.session_id)
    stand.sidecar.revoke(user_id=USER_ID, issued_before=int(time.time()) + 60)
    time.sleep(1.5)
    stand.assert_allowed(login)
    time.sleep(0.3)
    assert stand.sidecar.lookups() == 0
    assert stand.sidecar.reports() == []
