"""The probability that an exposure is bad, from its CCDs."""

import numpy as np
import pandas as pd
import pytest

from triptych.pipeline.camera import camera
from triptych.pipeline.classifier.exposure_calibration import (
    FEWEST,
    ExposureView,
    describe,
    exposure_probability,
    learn_view,
)
from triptych.pipeline.classifier.metrics import calibration
from triptych.pipeline.focal_plane import centres
from triptych.pipeline.image_ids import image_id_of

CCDNUMS = np.array([number for number in range(1, 63) if number != 61])


def keys_of(n: int, first: int = 1) -> pd.DataFrame:
    expnums = np.repeat(np.arange(first, first + n), len(CCDNUMS))
    return pd.DataFrame({"image_id": image_id_of(expnums, np.tile(CCDNUMS, n)), "expnum": expnums})


def nearest_to(place: int, n: int) -> np.ndarray:
    """Places in CCDNUMS of the n CCDs nearest to one CCD, starting with that CCD."""
    where = centres(camera("decam"), CCDNUMS)
    return np.argsort(((where - where[place]) ** 2).sum(1), kind="stable")[:n]


def exposures(n: int, seed: int = 0):
    """(n, n_ccd) p_good of exposures and whether they are bad: good ones have at most one doubtful CCD, bad ones have
    doubtful CCDs side by side; both kinds overlap."""
    rng = np.random.default_rng(seed)
    p_good, bad = rng.beta(12, 1, (n, len(CCDNUMS))), rng.random(n) < 0.5
    for own, is_bad in zip(p_good, bad, strict=True):
        hit = nearest_to(rng.integers(len(CCDNUMS)), rng.integers(1, 12) if is_bad else rng.integers(0, 3))
        own[hit] = rng.beta(1, 2 if is_bad else 1, len(hit))
    return p_good, bad


@pytest.fixture(scope="module")
def view():
    p_good, bad = exposures(400)
    return learn_view(p_good.ravel(), keys_of(400), dict(enumerate(bad, start=1)), "decam")


def chance(view, p_good) -> float:
    return exposure_probability(view, np.asarray(p_good), keys_of(1), "decam")[0]


def with_bad(places, p: float = 0.1) -> np.ndarray:
    p_good = np.full(len(CCDNUMS), 0.95)
    p_good[places] = p
    return p_good


def test_more_bad_ccds_make_an_exposure_worse(view):
    chances = [chance(view, with_bad(nearest_to(30, n))) for n in (0, 1, 2, 5, 10)]
    assert (np.diff(chances) > 0).all()
    assert chances[0] < 0.2
    assert min(chances[-1], chance(view, with_bad(range(len(CCDNUMS))))) > 0.9


def test_bad_ccds_side_by_side_are_worse_than_scattered_ones(view):
    together = nearest_to(30, 4)
    apart = [0, 12, 40, 59]
    assert chance(view, with_bad(together)) > chance(view, with_bad(apart))


def test_six_numbers_per_exposure_in_the_order_of_exposures():
    p_good = np.concatenate([with_bad([3], 0.2), with_bad(range(5), 0.4)])
    expnums, numbers = describe(p_good, keys_of(2), "decam")
    assert expnums.tolist() == [1, 2]
    chances = 1 / (1 + np.exp(-numbers))
    np.testing.assert_allclose(chances[0, :3], [0.8, 0.05, 0.05])
    np.testing.assert_allclose(chances[1, :3], [0.6, 0.6, 0.6])
    np.testing.assert_allclose(chances[:, 4], [(0.8 + 60 * 0.05) / 61, (5 * 0.6 + 56 * 0.05) / 61])
    assert (chances[:, 3] < chances[:, 0]).all()
    assert (chances[:, 3] > chances[:, 4]).all()
    np.testing.assert_allclose(chances[:, 5], 0.5)
    _, numbers = describe(p_good, keys_of(2), "decam", np.array([0.2, 1.0]))
    np.testing.assert_allclose(1 / (1 + np.exp(-numbers[:, 5])), [0.2, 0.999])


def test_the_order_of_images_does_not_matter(view):
    p_good, _ = exposures(5, seed=3)
    keys, order = keys_of(5), np.random.default_rng(0).permutation(5 * len(CCDNUMS))
    whole = exposure_probability(view, p_good.ravel(), keys, "decam")
    mixed = exposure_probability(view, p_good.ravel()[order], keys.iloc[order].reset_index(drop=True), "decam")
    np.testing.assert_allclose(mixed, whole[order], rtol=1e-5)
    assert (pd.Series(whole).groupby(keys.expnum).nunique() == 1).all()


def test_a_learnt_view_can_be_believed(view):
    p_good, bad = exposures(2000, seed=1)
    said = exposure_probability(view, p_good.ravel(), keys_of(2000), "decam")[:: len(CCDNUMS)]
    assert ((said > 0.5) == bad).mean() > 0.8
    assert calibration(said, bad)["expected_calibration_error"] < 0.06
    assert view.taught == 400


def test_the_focal_plane_as_one_vector_is_heard_as_far_as_it_knows():
    """CCDs without information but a whole with it; then a whole without information."""
    rng = np.random.default_rng(0)
    bad = rng.random(200) < 0.5
    nothing, keys = rng.beta(12, 1, (200, len(CCDNUMS))).ravel(), keys_of(200)
    knows, guesses = np.clip(0.7 * bad + rng.uniform(0, 0.3, 200), 0.01, 0.99), rng.random(200)
    right = {}
    for name, whole in (("knows", knows), ("guesses", guesses), ("none", None)):
        view = learn_view(nothing, keys, dict(enumerate(bad.tolist(), start=1)), "decam", whole)
        said = exposure_probability(view, nothing, keys, "decam", whole)[:: len(CCDNUMS)]
        right[name] = ((said > 0.5) == bad).mean()
    assert right["knows"] > 0.95
    assert max(right["guesses"], right["none"]) < 0.7


def test_with_too_few_answers_the_second_worst_ccd_decides():
    p_good, _ = exposures(8)
    answers = {expnum: expnum <= FEWEST - 1 for expnum in range(1, 9)}
    view = learn_view(p_good.ravel(), keys_of(8), answers, "decam")
    assert view == ExposureView()
    assert view.taught == 0
    assert chance(view, with_bad([7], 0.001)) == pytest.approx(0.05)
    assert chance(view, with_bad([7, 20], 0.2)) == pytest.approx(0.8)
    taught = learn_view(p_good.ravel(), keys_of(8), answers | {FEWEST: True}, "decam")
    assert taught.taught == 8


def test_answers_about_exposures_that_are_not_there_do_not_count():
    p_good, bad = exposures(20)
    answers = dict(enumerate(bad.tolist(), start=1))
    known = learn_view(p_good.ravel(), keys_of(20), answers, "decam")
    more = learn_view(p_good.ravel(), keys_of(20), answers | {999: True, 998: False}, "decam")
    assert known == more


def test_an_exposure_of_one_ccd():
    keys = pd.DataFrame({"image_id": [512], "expnum": [5]})
    assert exposure_probability(ExposureView(), np.array([0.3]), keys, "decam")[0] == pytest.approx(0.7)
    assert exposure_probability(ExposureView(), np.array([0.0]), keys, "decam")[0] == pytest.approx(0.999)
