"""The bootstrap over exposures."""

import numpy as np
import pandas as pd
import pytest

from triptych.pipeline.classifier.metrics import ccd_metrics
from triptych.pipeline.evaluation.bootstrap import RESAMPLES, draws, interval, resampled, spread

CCDS = 10


def made(n_exposures: int, seed: int = 0):
    """Exposures of CCDS images each. For a fifth of the exposures, all images are predicted wrongly."""
    rng = np.random.default_rng(seed)
    bad = np.arange(n_exposures) % 2 == 0
    right = rng.random(n_exposures) < 0.8
    said = np.where(right, bad, ~bad)
    expnum = np.repeat(np.arange(n_exposures), CCDS)
    truth = pd.DataFrame({"expnum": expnum, "reasons": [("PSF",) if bad[e] else ("good",) for e in expnum]})
    prediction = pd.DataFrame({"reason": np.where(said[expnum], "PSF", "good")})
    prediction["p_PSF"] = said[expnum].astype(float)
    prediction["p_good"] = 1 - prediction.p_PSF
    probability = np.where(said, 0.9, 0.1)
    found = pd.DataFrame({"expnum": np.arange(n_exposures), "bad_probability": probability, "sent": said, "bad": bad})
    return truth, prediction, {"published": found}


def test_the_first_value_is_the_figure_itself():
    truth, prediction, found = made(60)
    figures = resampled(truth, prediction, found)
    ccd = ccd_metrics(truth.reasons, prediction)
    own = found["published"]
    assert figures["macro_f1"][0] == pytest.approx(ccd["macro_f1"])
    assert figures["bad_f1"][0] == pytest.approx(ccd["bad"]["f1"])
    assert figures["published.precision"][0] == pytest.approx(own.bad[own.sent].mean())
    assert figures["published.recall"][0] == pytest.approx(own.sent[own.bad].mean())
    assert figures["published.best"][0] == pytest.approx(min(own.bad[own.sent].mean(), own.sent[own.bad].mean()))
    assert all(values.shape == (RESAMPLES + 1,) for values in figures.values())


def test_the_spread_is_that_of_exposures_and_not_of_images():
    """Recall over n bad exposures has the binomial spread of n draws, no matter how many CCDs each exposure has."""
    truth, prediction, found = made(400)
    figures = resampled(truth, prediction, found)
    row = interval(figures["published.recall"])
    assert row["standard_error"] == pytest.approx(np.sqrt(row["value"] * (1 - row["value"]) / 200), rel=0.15)
    assert row["low"] < row["value"] < row["high"]
    ccd = interval(figures["bad_f1"])
    assert ccd["standard_error"] > 0.5 * row["standard_error"]


def test_the_same_seed_draws_the_same_exposures():
    np.testing.assert_array_equal(draws(30, seed=4), draws(30, seed=4))
    assert not np.array_equal(draws(30, seed=4), draws(30, seed=5))
    assert (draws(30).sum(axis=1) == 30).all()
    truth, prediction, found = made(40)
    once = spread(resampled(truth, prediction, found, seed=1), n_exposures=40, seed=1)
    assert once == spread(resampled(truth, prediction, found, seed=1), n_exposures=40, seed=1)
    assert once["n"] == 40


def test_a_label_that_a_resample_does_not_hold_is_left_out_of_its_average():
    truth = pd.DataFrame({"expnum": [1, 2], "reasons": [("PSF",), ("good",)]})
    prediction = pd.DataFrame({"reason": ["PSF", "good"], "p_PSF": [1.0, 0.0], "p_good": [0.0, 1.0]})
    assert (resampled(truth, prediction, {})["macro_f1"] == 1).all()
