"""Sessions: required, observed or off; the revocation feed; outages of the sidecar.

The sidecar is a stand-in that counts and fails on command; Envoy is real and has two workers.
"""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness.gateway import config, eventually, issuer
from harness.sidecar import (
    BOTH,
    CLUSTER,
    HANG,
    USER_ID,
    WORKERS,
    FakeSidecar,
    Login,
    RealSidecar,
    Stand,
)
from harness.tokens import ISSUER, tampered, token

MAIN = 1  # Envoy's main thread has a VM too, and reads the feed
SOON = 0.5  # for a busy machine

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


# --- the revocation feed


def names_session(login):
    return {"session_id": login.session_id}


def names_user(_):
    return {"user_id": USER_ID, "issued_before": int(time.time())}


def names_client(_):
    return {"client_id": "client-1", "issued_before": int(time.time())}


def time_to_refuse(stand, login, revoke) -> float:
    """Revokes under load; the seconds until the last request that was still let in was sent."""
    began = time.monotonic()
    revoke()

    def poll(_) -> float:
        latest = began
        while (now := time.monotonic()) < began + 2.5:
            if stand.gateway.send(token=login.token).status == 200:
                latest = now
        return latest

    with ThreadPoolExecutor(8) as pool:
        return max(pool.map(poll, range(8))) - began


@pytest.mark.parametrize("names", [names_session, names_user, names_client])
def test_a_revocation_bites_in_both_workers_within_a_second(start, names):
    stand = Stand(start, revocations="1s", cache="10m")
    login, bystander = stand.login(), stand.login(claims={"azp": "client-2"})
    stand.assert_allowed(login, bystander)
    lookups = stand.sidecar.lookups()

    took = time_to_refuse(stand, login, lambda: stand.sidecar.revoke(**names(login)))
    assert took <= 1.25 + SOON
    stand.assert_denied("session_revoked", login)
    assert stand.sidecar.lookups() == lookups, "both were known: nothing was to be looked up"
    if names is not names_user:
        stand.assert_allowed(bystander)


@pytest.mark.parametrize("by", ["user_id", "client_id"])
def test_a_token_issued_after_the_revocation_passes(start, by):
    stand = Stand(start, "observe", revocations="250ms")
    issued = int(time.time()) - 10
    old, same, newer = (Login(iat=issued + late) for late in (-1, 0, 1))
    stand.assert_allowed(old, same, newer)
    name = {"user_id": USER_ID, "client_id": "client-1"}[by]
    stand.sidecar.revoke(**{by: name, "issued_before": issued})
    stand.eventually(401, old)
    stand.assert_denied("session_revoked", old)
    stand.assert_denied("session_revoked", same)
    stand.assert_allowed(newer)


def test_a_token_without_iat_counts_as_issued_before(start):
    stand = Stand(start, "observe", revocations="250ms")
    login = Login(iat=None)
    stand.assert_allowed(login)
    stand.sidecar.revoke(user_id=USER_ID, issued_before=1)
    stand.eventually(401, login)
    stand.assert_denied("session_revoked", login)


def test_a_revoked_user_is_refused_with_tokens_never_seen(start):
    stand = Stand(start, "observe", revocations="250ms")
    seen = Login(iat=int(time.time()) - 60)
    stand.sidecar.revoke(user_id=USER_ID, issued_before=int(time.time()) - 30)
    stand.eventually(401, seen)
    stand.assert_denied("session_revoked", Login(iat=int(time.time()) - 60))


def test_the_latest_revocation_of_a_user_counts(start):
    stand = Stand(start, "observe", revocations="250ms")
    issued = int(time.time()) - 10
    login = Login(iat=issued)
    stand.sidecar.revoke(user_id=USER_ID, issued_before=issued)
    stand.sidecar.revoke(user_id=USER_ID, issued_before=issued - 5)
    stand.eventually(401, login)
    eventually(lambda: stand.sidecar.feed_reads[-1] is not None)
    stand.assert_denied("session_revoked", login)


def test_further_pages_are_read_at_once(start):
    sidecar = FakeSidecar()
    sidecar.page_size = 5
    logins = [Login() for _ in range(51)]
    for login in logins:
        sidecar.revoke(session_id=login.session_id)
    stand = Stand(start, "observe", sidecar=sidecar, revocations="60s")
    stand.eventually(401, logins[-1], timeout=5)
    for login in logins:
        stand.assert_denied("session_revoked", login)


def test_the_feed_is_read_on_from_where_it_was(start):
    stand = Stand(start, "observe", revocations="250ms")
    login = Login()
    stand.sidecar.revoke(session_id=login.session_id)
    stand.eventually(401, login)
    before = len(stand.sidecar.feed_reads)
    eventually(lambda: len(stand.sidecar.feed_reads) >= before + 6)
    assert set(stand.sidecar.feed_reads[before:]) == {"1/ 1"}


def test_the_feed_is_read_as_often_as_configured(start):
    stand = Stand(start, "observe", revocations="500ms")
    eventually(lambda: stand.sidecar.feed_reads)
    before = len(stand.sidecar.feed_reads)
    time.sleep(3)
    reads = (len(stand.sidecar.feed_reads) - before) / (WORKERS + MAIN)
    assert 3 <= reads <= 8


def test_a_lost_cursor_starts_the_feed_again_and_what_was_known_stays(start):
    stand = Stand(start, "observe", revocations="500ms")
    before, after = Login(), Login()
    stand.sidecar.revoke(session_id=before.session_id)
    stand.eventually(401, before)
    stand.sidecar.lose_feed()
    stand.sidecar.revoke(session_id=after.session_id)
    stand.eventually(401, after, timeout=3)
    stand.assert_denied("session_revoked", after)
    stand.assert_denied("session_revoked", before)


def test_the_entries_of_the_feed_are_a_gauge(start):
    stand = Stand(start, "observe", revocations="250ms")
    assert stand.gateway.envoy.stats()["revocation.entries"] == 0
    stand.sidecar.revoke(session_id=Login().session_id)
    stand.sidecar.revoke(user_id="somebody", issued_before=1)
    stand.sidecar.revoke(user_id="somebody", issued_before=2)
    stand.sidecar.revoke(client_id="some-client", issued_before=1)
    eventually(lambda: stand.gateway.envoy.stats()["revocation.entries"] == 3)


def test_an_entry_that_has_expired_leaves(start):
    stand = Stand(start, "observe", revocations="250ms")
    stand.sidecar.revoke(session_id=Login().session_id, expires_at=int(time.time()) + 3)
    eventually(lambda: stand.gateway.envoy.stats()["revocation.entries"] == 1)
    eventually(lambda: stand.gateway.envoy.stats()["revocation.entries"] == 0, timeout=20)


# --- the feed cannot be read

CUTS = {
    "refuses": lambda sidecar: sidecar.close(),
    "fails": lambda sidecar: setattr(sidecar, "feed_fault", 500),
    "unauthorized": lambda sidecar: setattr(sidecar, "feed_fault", 401),
    "garbage": lambda sidecar: setattr(sidecar, "feed_fault", b"<html>sorry</html>"),
    "hangs": lambda sidecar: setattr(sidecar, "feed_fault", HANG),
}


def audited(stand, event) -> int:
    """How many audit lines tell of this event."""
    return [line["event"] for line in stand.gateway.audit()].count(event)


@pytest.mark.parametrize(
    ("mode", "cut"), [*(("required", cut) for cut in CUTS), ("observe", "fails")]
)
def test_a_lost_feed_denies_where_configured_and_recovery_needs_no_restart(start, mode, cut):
    stand = Stand(
        start, mode, revocations="250ms", on_feed_loss="deny", feed_loss_after="2s", cache="10m"
    )
    login = stand.login()
    stand.assert_allowed(login)
    eventually(lambda: stand.sidecar.feed_reads)
    CUTS[cut](stand.sidecar)
    began = time.monotonic()
    stand.assert_allowed(login)
    assert time.monotonic() - began < 1.5, "the machine is too slow for this test"
    stand.eventually(503, login, timeout=6)
    assert time.monotonic() - began > 1.5, "denied before feed_loss_after"
    stand.assert_denied("sessions_unavailable", login)
    eventually(lambda: audited(stand, "revocation_feed_lost") >= WORKERS)
    assert stand.gateway.envoy.stats()["session.failed"] >= 1
    stand.sidecar.heal()
    stand.eventually(200, login)


@pytest.mark.parametrize("cut", CUTS)
def test_a_lost_feed_allows_by_default_and_what_it_named_stays_refused(start, cut):
    stand = Stand(start, revocations="250ms", feed_loss_after="1s", cache="10m")
    revoked, login = stand.login(), stand.login()
    stand.assert_allowed(revoked, login)
    stand.sidecar.revoke(session_id=revoked.session_id)
    stand.eventually(401, revoked)
    CUTS[cut](stand.sidecar)
    eventually(lambda: audited(stand, "revocation_feed_lost") >= WORKERS)
    stand.assert_allowed(login)
    stand.assert_denied("session_revoked", revoked)


def test_a_lost_feed_is_audited_once_a_loss(start):
    stand = Stand(start, "observe", revocations="250ms", feed_loss_after="1s")
    stand.assert_allowed(Login())
    stand.sidecar.close()
    eventually(lambda: audited(stand, "revocation_feed_lost") >= WORKERS)
    time.sleep(1.5)
    assert audited(stand, "revocation_feed_lost") <= WORKERS + MAIN


def test_a_feed_that_never_was_is_lost_too(start):
    sidecar = FakeSidecar()
    sidecar.feed_fault = 500
    stand = Stand(
        start,
        "observe",
        sidecar=sidecar,
        revocations="250ms",
        on_feed_loss="deny",
        feed_loss_after="2s",
    )
    login = Login()
    stand.eventually(503, login)
    stand.assert_denied("sessions_unavailable", login)


def test_a_revocation_made_during_a_cut_bites_as_soon_as_it_is_over(start):
    stand = Stand(start, revocations="250ms", cache="10m")
    login = stand.login()
    stand.assert_allowed(login)
    stand.sidecar.close()
    stand.sidecar.revoke(session_id=login.session_id)
    stand.assert_allowed(login)
    stand.sidecar.heal()
    stand.eventually(401, login, timeout=3)
    stand.assert_denied("session_revoked", login)


def test_a_lost_feed_is_none_of_the_tokens_without_sessions(start):
    other = "https://other.example/"
    second = issuer(issuer=other, session="off")
    first = issuer(session="observe")
    settings = {"cluster": CLUSTER, "on_feed_loss": "deny", "feed_loss_after": "1s"}
    sidecar = FakeSidecar()
    sidecar.close()
    gateway = start(
        {"main": config(issuers=[first, second], public=["/healthz"], sessions=settings)},
        keyservers={CLUSTER: sidecar},
    )
    eventually(lambda: gateway.send(token=Login().token).status == 503)
    gateway.assert_denied("sessions_unavailable", token=Login().token)
    gateway.forwarded(token=Login(iss=other).token)
    gateway.forwarded("/healthz", token=Login().token)


# --- the real sidecar


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
    took = time_to_refuse(stand, login, lambda: real.call("DELETE", by(login)).raise_for_status())
    assert took <= 1.25 + SOON
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
