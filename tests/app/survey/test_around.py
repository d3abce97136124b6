"""Exposures taken around one."""

import numpy as np
import pandas as pd
import pytest

from triptych.app.context import AppContext
from triptych.app.survey.around import around, in_same_field, middle_image, with_own
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import LabelStore

FIRST = 900001


@pytest.fixture
def app(fresh_survey):
    catalog = Catalog.open(fresh_survey)
    exposures = catalog.exposures()
    exposures["band"] = ["g", "g", "r", "g", "r", "g", "g", "g"]
    exposures["ra"] = [359.9, 0.1, 0.1, 50, 0.0, 0.0, 0.0, np.nan]
    exposures["dec"] = 0.0
    exposures["object"] = ["a", "a", "a", "b", "a", "a", "a", "a"]
    exposures.loc[6, "night"] = 20990101
    exposures.loc[7, "mjd_obs"] = np.nan
    catalog.write_tables(exposures=exposures)
    with LabelStore(catalog.labels_url()) as store:
        yield AppContext(catalog, store)


def test_same_night_and_same_field_or_band_in_order_of_time(app):
    found = around(app.survey(), FIRST + 1)
    assert [one["expnum"] - FIRST for one in found] == [0, 1, 2, 3, 4, 5]
    assert [one["minutes"] for one in found] == pytest.approx([-2.9, 0, 2.9, 5.8, 8.6, 11.5], abs=0.11)
    assert [one["same_band"] for one in found] == [True, True, False, True, False, True]
    assert [one["same_field"] for one in found] == [True, True, True, False, True, True]


def test_what_the_user_said_of_them_is_told(app):
    own = pd.DataFrame({"expnum": [FIRST], "judgement": ["bad"], "reasons": [("PSF",)]})
    found = {one["expnum"]: one["mine"] for one in with_own(around(app.survey(), FIRST + 1), own)}
    assert found.pop(FIRST) == {"judgement": "bad", "reasons": ["PSF"]}
    assert set(found.values()) == {None}


def test_an_exposure_alone_or_without_a_time_has_none(app):
    assert around(app.survey(), FIRST + 6) == []
    assert around(app.survey(), FIRST + 7) == []


def test_the_field_is_the_pointing_also_across_zero_and_else_the_name(app):
    exposures = app.survey().exposures
    assert in_same_field(exposures, exposures.iloc[1]).tolist() == [True, True, True, False, True, True, True, True]


def test_the_picture_is_of_the_ccd_in_the_middle(app):
    survey = app.survey()
    assert survey.ccd_of(middle_image(survey, FIRST))[1] in ("N4", "S4")
