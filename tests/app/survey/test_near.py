"""Exposures to compare one with."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from triptych.app.survey.around import apart, nearby, separation

ROWS = [
    (1, "r", 57000.10, 20141208, 10.0, -5.0),
    (2, "r", 57000.11, 20141208, 80.0, -5.0),
    (3, "g", 57000.1001, 20141208, 80.0, -5.0),
    (4, "r", 57030.0, 20150107, 10.1, -5.1),
    (5, "g", 57031.0, 20150108, 10.0, -5.0),
    (6, "z", 57040.0, 20150117, 200.0, 10.0),
    (7, "r", 57020.0, 20141228, np.nan, np.nan),
]


@pytest.fixture
def survey():
    table = pd.DataFrame(ROWS, columns=["expnum", "band", "mjd_obs", "night", "ra", "dec"])
    table = table.assign(exptime=90.0, object="field").set_index("expnum", drop=False)
    return SimpleNamespace(exposures=table, pictured=table.index.to_numpy())


def test_the_most_alike_come_first_and_strangers_not_at_all(survey):
    near = nearby(survey, 1)
    assert [one["expnum"] for one in near] == [4, 2, 5, 3]
    assert [one["alike"] for one in near] == [
        "same field and band",
        "same night and band",
        "same field",
        "same night",
    ]
    assert near[1]["words"] == "same night and band, 14 min later, r 90 s"
    assert len(nearby(survey, 1, most=2)) == 2
    survey.pictured = survey.pictured[survey.pictured != 4]
    assert [one["expnum"] for one in nearby(survey, 1)] == [2, 5, 3]


def test_an_exposure_that_is_not_there_is_said(survey):
    with pytest.raises(KeyError, match="not in this run"):
        nearby(survey, 99)


def test_angles_and_times_in_words():
    assert separation(359.9, 0.0, [0.1], [0.0])[0] == pytest.approx(0.2)
    assert separation(0.0, 89.0, [180.0], [89.0])[0] == pytest.approx(2.0)
    assert [apart(minutes) for minutes in (3, -3, 600, 5000, np.nan)] == [
        "3 min later",
        "3 min before",
        "10 h later",
        "3 days later",
        "",
    ]
