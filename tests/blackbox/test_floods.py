"""What one sender can use up, and what others notice of it. `make exhaustion` sends fifty times as
much.
"""

import pytest

from floods.__main__ import HEAD, row
from floods.attacks import ATTACKS

SHARE = 0.02


@pytest.mark.timeout(120)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_a_flood_stays_in_its_bounds_and_honest_users_are_served(tmp_path, attack, record_property):
    figures = attack(tmp_path, SHARE)
    record_property("counted", f"{HEAD}\n{row(figures)}")
    assert figures.breaches == [], row(figures)
    assert figures.sent > 5, "there was no flood"
    assert figures.honest > 20, "nobody else was there"
