"""The made-up inspectors err as often as they are said to, and say the same each time."""

import numpy as np
import pytest

from triptych.app.demo import people
from triptych.app.demo.people import INSPECTORS, Inspector, Opinion, Planted
from triptych.pipeline.reasons import REASONS

MANY = 4000
NAMES = tuple(f"N{number}" for number in range(1, 61))
GHOST = Planted(60, ("Ghost_Scatter",), NAMES[:20])
PLAIN = Planted(60)


def opinions(one: Inspector, planted: Planted) -> list[Opinion]:
    return [one.says(expnum, planted, seed=0) for expnum in range(MANY)]


def share(said: list[Opinion], judgement: str) -> float:
    return float(np.mean([own.judgement == judgement for own in said]))


@pytest.mark.parametrize("one", INSPECTORS, ids=lambda one: one.name)
def test_errors_come_at_the_stated_rates(one):
    bad, good = opinions(one, GHOST), opinions(one, PLAIN)
    within = pytest.approx
    assert share(bad, "unsure") == within(one.unsure, abs=0.02)
    assert share(bad, "good") == within(one.misses * (1 - one.unsure), abs=0.025)
    assert share(good, "bad") == within(one.alarms * (1 - one.unsure), abs=0.02)
    named = [own for own in bad if own.judgement == "bad"]
    assert np.mean([own.reasons != ("Ghost_Scatter",) for own in named]) == within(people.MISNAMED, abs=0.02)
    assert np.mean([len(own.ccdnames) for own in named]) == within(20 * (1 - people.UNTICKED), abs=0.5)


@pytest.mark.parametrize("one", INSPECTORS, ids=lambda one: one.name)
def test_what_is_hard_to_see_is_got_wrong_more_often(one):
    small, odd = Planted(60, ("Bad_CCD",), NAMES[:1]), Planted(60, odd=True)
    assert share(opinions(one, small), "good") > 1.5 * share(opinions(one, GHOST), "good")
    assert share(opinions(one, odd), "bad") > 1.5 * share(opinions(one, PLAIN), "bad")
    assert share(opinions(one, odd), "unsure") > 1.5 * share(opinions(one, PLAIN), "unsure")


def test_the_same_is_said_again_and_nobody_says_what_another_does():
    said = {one.name: opinions(one, GHOST) for one in INSPECTORS}
    assert said == {one.name: opinions(one, GHOST) for one in INSPECTORS}
    assert said["vera"] != said["annie"]
    assert [one.says(1, GHOST, seed=1) for one in INSPECTORS] != [one.says(1, GHOST, seed=0) for one in INSPECTORS]


def test_reasons_are_known_seconds_plausible_and_a_whole_bad_exposure_needs_no_ticks():
    for planted in (GHOST, PLAIN, Planted(60, ("Clouds_transparency",), NAMES)):
        for own in opinions(INSPECTORS[0], planted):
            assert set(own.reasons) <= set(REASONS)
            assert bool(own.reasons) == (own.judgement == "bad")
            assert 0.5 < own.seconds < 90
            assert not own.ccdnames or planted is GHOST
