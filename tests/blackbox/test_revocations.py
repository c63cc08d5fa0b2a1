"""The revocation feed: what it names is refused at once, and what holds while it cannot be read.

The sidecar is a stand-in that counts and fails on command; Envoy is real and has two workers.
"""

import time

import pytest
from harness.fake_sidecar import HANG, FakeSidecar
from harness.gateway import config, eventually, issuer
from harness.stand import CLUSTER, MAIN, USER_ID, WORKERS, Login, Stand

from faults.model import BITES


def names_session(login):
    return {"session_id": login.session_id}


def names_user(_):
    return {"user_id": USER_ID, "issued_before": int(time.time())}


def names_client(_):
    return {"client_id": "client-1", "issued_before": int(time.time())}


@pytest.mark.parametrize("names", [names_session, names_user, names_client])
def test_a_revocation_bites_in_both_workers_within_a_second(start, names):
    stand = Stand(start, revocations="1s", cache="10m")
    login, bystander = stand.login(), stand.login(claims={"azp": "client-2"})
    stand.assert_allowed(login, bystander)
    lookups = stand.sidecar.lookups()

    took = stand.time_to_refuse(login, lambda: stand.sidecar.revoke(**names(login)))
    assert took <= BITES
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
    # One worker has refused it; the others come to the new cursor in their own time.
    twice = 2 * (WORKERS + MAIN)
    eventually(lambda: set(stand.sidecar.feed_reads[-twice:]) == {"1/ 1"})
    before = len(stand.sidecar.feed_reads)
    eventually(lambda: len(stand.sidecar.feed_reads) >= before + twice)
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
