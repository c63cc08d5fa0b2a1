"""Redis, the sidecar and the provider fail under load; each answer is held against who was allowed
at that time. `make faults` does it for longer, with everything that can go wrong.
"""

from collections import Counter

import pytest

from faults.logins import LoginWorld
from faults.model import BITES, KEYS_KNOWN, LATE, Answer, Event, History, Token
from faults.world import POLICIES, World

SECONDS = 4.0
FAULTS = (
    "redis killed",
    "sidecar stopped",
    "provider answers garbage",
)


@pytest.mark.timeout(180)
def test_faults_under_load_let_nobody_in_who_should_not_be(tmp_path, record_property):
    with World(tmp_path, seed=1, tokens=300, callers=12, pause=0.02) as world:
        by_name = {str(it): it for it in world.outages()}
        with world.busy():
            world.calm()
            world.rotate()
            for name in FAULTS:
                world.suffer(by_name[name], SECONDS)
        wrong = world.wrong()

    for name, some in world.by_fault().items():
        count = Counter(it.status for it in some)
        late = sum(map(world.history.is_late, some))
        record_property(
            "counted",
            f"{name}: {len(some)} answers: {count[200]} let in ({late} while it could not be known "
            f"that they should not be), {count[401]} refused, {count[503]} unavailable",
        )
    assert not wrong, [(it, world.examples[it]) for it in wrong]
    assert world.broken == []
    for outage, began, ended, _ in world.spans:
        during = [it for it in world.answers if began < it.sent < ended]
        assert sum(it.status == 200 for it in during) > 20, f"{outage}: what is left serves on"
        unavailable = {it.policy.name for it in during if it.status == 503}
        assert not outage.cuts or unavailable == {"required", "required, deny"}, outage
    asked = Counter((it.policy.name, it.status) for it in world.answers)
    assert all(asked[it.name, status] > 50 for it in POLICIES for status in (200, 401)), asked
    assert sum(it.done < float("inf") for it in world.history.revoked.values()) > 20
    assert len(world.history.published) > 2, "nobody changed the keys"


LOGIN_FAULTS = ("redis killed", "provider far too slow", "sidecar killed")


@pytest.mark.timeout(180)
def test_logins_and_refreshes_outlive_faults(tmp_path, record_property):
    with LoginWorld(tmp_path, seed=1, people=8) as world:
        by_name = {str(it): it for it in world.outages()}
        world.run([by_name[name] for name in LOGIN_FAULTS], lambda: 2.0, lambda _: None)
    record_property("counted", f"logins under faults: {dict(sorted(world.count.items()))}")
    assert world.wrongs == {}
    assert world.count["refreshes"] > 40
    assert world.count["codes redeemed"] > 5
    assert world.count["token endpoint 503"] + world.count["no answer"] > 20, "nothing failed"


# --- the judge itself

KEYS, OBSERVE, REQUIRED, DENY = POLICIES
USER = "user-1"


def token(login: str = "alive", kid: str = "k", genuine: bool = True, expires: float = 1000):
    return Token("", USER, login, kid, genuine, expires)


GONE, STRANGER, NEW = token("gone"), token("stranger"), token("new")
OLD_KEY, NEW_KEY = token(kid="old"), token(kid="new")
FORGED, BRIEF = token(genuine=False), token(expires=8)


@pytest.fixture
def history() -> History:
    """All can be read but from 10 to 20, which cuts the feed. Somebody is revoked at 9.5, and one
    key replaced by another at 9.
    """
    found = History(
        sessions={"alive": Event(0, 0), "gone": Event(0, 0)},
        revoked={"gone": Event(9.4, 9.5)},
        published={"k": Event(0, 0), "old": Event(0, 0), "new": Event(8.9, 9)},
        withdrawn={"old": Event(8.9, 9)},
        cuts=[(10, 20)],
    )
    for at in range(400):
        for what in (found.feed, found.keys):
            what.probed(at / 10, at / 10 + 0.05, not 100 <= at < 200)
    return found


@pytest.mark.parametrize(
    ("policy", "who", "sent", "status", "wrong"),
    [
        # Good tokens
        (KEYS, token(), 5, 200, None),
        (KEYS, token(), 8, 401, "it was good"),
        (KEYS, token(), 5, 500, "nobody expects"),
        (KEYS, token(), 5, 0, "in time"),
        (KEYS, token(), 15, 503, "needs nothing"),
        (OBSERVE, token(), 15, 503, "needs nothing"),
        (REQUIRED, token(), 5, 503, "all was up"),
        (REQUIRED, token(), 15, 503, None),
        (REQUIRED, token(), 25, 503, "all was up"),
        # Bad ones
        (KEYS, FORGED, 5, 200, "a forgery"),
        (KEYS, FORGED, 5, 401, None),
        (KEYS, BRIEF, 7, 401, "it was good"),
        (KEYS, BRIEF, 8.5, 200, None),
        (KEYS, BRIEF, 8.5, 401, None),
        (KEYS, BRIEF, 9.9, 200, "expired"),
        # Keys
        (KEYS, OLD_KEY, 8, 401, "it was good"),
        (KEYS, OLD_KEY, 9.5, 200, None),
        (KEYS, OLD_KEY, 19, 200, None),
        (KEYS, OLD_KEY, 20.1 + KEYS_KNOWN - 0.2, 200, None),
        (KEYS, OLD_KEY, 20.1 + KEYS_KNOWN + 0.2, 200, "key was withdrawn"),
        (KEYS, OLD_KEY, 30, 401, None),
        (KEYS, NEW_KEY, 19, 401, None),
        (KEYS, NEW_KEY, 20.1 + KEYS_KNOWN + 0.2, 401, "it was good"),
        # Sessions
        (REQUIRED, STRANGER, 5, 200, "without a session"),
        (REQUIRED, STRANGER, 5, 401, None),
        (KEYS, STRANGER, 8, 401, "it was good"),
        (KEYS, GONE, 30, 200, None),
        (KEYS, GONE, 30, 401, "it was good"),
        (REQUIRED, GONE, 9, 200, None),
        (REQUIRED, GONE, 9, 401, "it was good"),
        (REQUIRED, GONE, 11, 200, None),
        (REQUIRED, GONE, 9.5 + 2 + 0.5 + LATE + 0.1, 200, "older than the cache"),
        (OBSERVE, GONE, 19, 200, None),
        (OBSERVE, GONE, 20.1 + BITES - 0.2, 200, None),
        (OBSERVE, GONE, 20.1 + BITES + 0.2, 200, "revocation could be read"),
        (OBSERVE, GONE, 25, 401, None),
        (DENY, token(), 12, 200, None),
        (DENY, token(), 10 + 1 + 2 + LATE + 0.1, 200, "the feed was lost"),
        (DENY, token(), 15, 503, None),
        (DENY, token(), 20, 200, None),
    ],
)
def test_the_judge_knows_right_from_wrong(history, policy, who, sent, status, wrong):
    answer = Answer(policy, who, sent, sent + 0.01, status, USER)
    found = history.verdict(answer)
    assert (wrong in found[1]) if wrong else found is None, found


def test_the_judge_finds_who_was_taken_for_somebody_else(history):
    found = history.verdict(Answer(KEYS, token(), 5, 5.01, 200, "user-2"))
    assert found == ("allow", "let in as somebody else")


def test_the_judge_finds_an_answer_that_took_too_long(history):
    took = 1 + REQUIRED.timeout + 1.6
    assert history.verdict(Answer(REQUIRED, token(), 5, 5 + took, 200, USER))[0] == "hung"


def test_the_judge_blames_nobody_while_the_gateway_stands_still(history):
    denied = Answer(REQUIRED, token(), 8, 8.6, 503)
    stuck = Answer(KEYS, token(), 8.1, 8.6, 200, USER)
    elsewhere = Answer(KEYS, token(), 7.1, 7.6, 200, USER)
    waited_for_keys = Answer(KEYS, NEW_KEY, 8.1, 8.6, 200, USER)
    assert list(history.verdicts([denied, stuck])) == []
    for other in (elsewhere, waited_for_keys):
        assert [it for _, _, it in history.verdicts([denied, other])] == [denied]


def test_the_judge_counts_as_readable_only_what_was_so_in_a_row(history):
    assert history.feed.for_(5, since=0, until=9)
    assert not history.feed.for_(5, since=6, until=22)
    assert not history.feed.for_(1, since=12, until=20)
    assert history.feed.for_(5, since=12, until=26)
