"""Images that join the training set without a label, and images that are thinned out."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from triptych.pipeline.errors import BadInput, UnknownName
from triptych.pipeline.image_ids import image_id_of
from triptych.pipeline.labels.recipe import Recipe, balanced, galactic_latitude, with_good_pool
from triptych.pipeline.labels.training_set import COLUMNS, TrainingSet
from triptych.pipeline.reasons import GOOD

NAMES = ("N1", "N2", "S1", "S2")
NUMBERS = (32, 33, 25, 26)


def run(n: int = 6):
    """Exposures 1, 2, ... of four CCDs. Even numbers are in the Galactic plane, the others at the Galactic pole."""
    exposures = pd.DataFrame({"expnum": range(1, n + 1), "camera": "decam"})
    exposures["ra"] = np.where(exposures.expnum % 2, 192.86, 266.4)
    exposures["dec"] = np.where(exposures.expnum % 2, 27.13, -28.94)
    ccds = pd.DataFrame(
        [(image_id_of(e, c), e, name) for e in exposures.expnum for c, name in zip(NUMBERS, NAMES, strict=True)],
        columns=["image_id", "expnum", "ccdname"],
    )
    return ccds, exposures


def labelled() -> TrainingSet:
    row = (132, 1, "N1", ("PSF",), "list", "label_list", "label_list", 0.8)
    return TrainingSet(pd.DataFrame([row], columns=list(COLUMNS)), {1: True}, Counter(), Counter())


def pooled(recipe: Recipe, survey=None, **options) -> TrainingSet:
    ccds, exposures = run()
    listed = {("decam", 1), ("decam", 3)}
    return with_good_pool(labelled(), recipe, ccds=ccds, exposures=exposures, listed=listed, survey=survey, **options)


def survey_table(rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["camera", "image_id", "ccd_cuts", "ebv"])


def test_galactic_latitude_of_known_places():
    np.testing.assert_allclose(
        galactic_latitude([192.85948, 266.405, 0.0], [27.12825, -28.936, 0.0]), [90, 0, -60.19], atol=0.02
    )


def test_exposures_in_no_list_far_from_the_plane_are_good():
    found = pooled(Recipe(good_pool="unlisted", good_ccds=0))
    assert found.table.image_id.tolist() == [132, 525, 526, 532, 533]
    assert set(found.table.reasons[1:]) == {(GOOD,)}
    assert set(found.table.provenance[1:]) == {"unlisted"}
    assert found.answers == {1: True, 5: False}
    assert pooled(Recipe()).table.equals(labelled().table)


def test_cuts_and_extinction_of_the_table_decide_ccd_by_ccd_or_as_published():
    survey = survey_table(
        [
            ("decam", 232, 0, 0.02),  # in the plane, and yet without dust
            ("decam", 233, 0, 0.30),
            ("decam", 225, 512, 0.02),
            ("decam", 532, 0, np.nan),  # no extinction known: far from the plane
            ("decam", 533, 1, np.nan),
        ]
    )
    strict = pooled(Recipe(good_pool="unlisted", good_ccds=0), survey)
    assert strict.table.image_id.tolist() == [132, 232, 532]
    assert strict.left_out["unlisted CCDs that survey-ccds cuts"] == 2
    assert strict.left_out["unlisted CCDs that survey-ccds does not hold"] > 0
    as_published = pooled(Recipe(good_pool="published", good_ccds=0), survey)
    assert set(as_published.table.expnum) == {1, 2, 5}
    assert len(as_published.table) == 9


def test_the_draw_is_seeded_and_of_the_asked_size():
    recipe = Recipe(good_pool="unlisted", good_exposures=1, good_ccds=2)
    assert len(pooled(recipe).table) == 3
    pd.testing.assert_frame_equal(pooled(recipe, seed=4).table, pooled(recipe, seed=4).table)
    draws = {tuple(pooled(recipe, seed=seed).table.image_id) for seed in range(8)}
    assert len(draws) > 1


def test_balance_leaves_out_the_published_shares_and_weights_make_up_for_them():
    reasons = [("Clouds_transparency",)] * 60 + [("Ghost_Scatter",)] * 20 + [("NObjects",)] * 40 + [("PSF",)] * 7
    table = pd.DataFrame({"image_id": range(127), "reasons": reasons})
    kept = balanced(table, Recipe(balance="published", upweight=True))
    counts = kept.reasons.str[0].value_counts().to_dict()
    assert counts == {"Clouds_transparency": 20, "Ghost_Scatter": 10, "NObjects": 30, "PSF": 7}
    weights = kept.groupby(kept.reasons.str[0]).weight.sum()
    assert weights.to_dict() == pytest.approx(
        {"Clouds_transparency": 60, "Ghost_Scatter": 20, "NObjects": 40, "PSF": 7}
    )
    assert kept.index.tolist() == kept.image_id.tolist()
    pd.testing.assert_frame_equal(kept, balanced(table, Recipe(balance="published", upweight=True)))
    assert balanced(table, Recipe()) is table


def test_an_image_that_loses_one_of_two_labels_keeps_the_other():
    table = pd.DataFrame({"image_id": range(6), "reasons": [("Clouds_transparency", "PSF")] * 6})
    kept = balanced(table, Recipe(balance="published"))
    assert Counter(kept.reasons) == {("PSF",): 4, ("Clouds_transparency", "PSF"): 2}


def test_what_cannot_be_is_said():
    with pytest.raises(UnknownName, match="Did you mean 'unlisted'"):
        Recipe(good_pool="unlistd")
    with pytest.raises(BadInput, match="--balance published"):
        Recipe(upweight=True)
