"""Probability cuts and calibration."""

import numpy as np
import pandas as pd
import pytest

from triptych.pipeline.classifier.metrics import calibration, cut_metrics, reliability


def predicted(rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["reason", "probability", "p_good", "p_PSF"])


def test_a_cut_says_what_survives_it():
    truth = pd.Series([("PSF",), ("PSF",), ("good",), ("good",)])
    prediction = predicted([("PSF", 1, 0, 1), ("good", 0.6, 0.6, 0.4), ("good", 0.95, 0.95, 0), ("PSF", 0.9, 0.1, 0.9)])
    found = cut_metrics(truth, prediction, 0.9)
    assert (found["n"], found["share"]) == (2, 0.5)
    assert found["surviving"] == {"PSF": 0.5, "good": 0.5}
    assert found["macro_f1"] == found["accuracy"] == 1
    nothing = cut_metrics(truth, prediction, 1.0)
    assert (nothing["n"], nothing["macro_f1"], nothing["surviving"]["PSF"]) == (0, 0, 0)


def test_calibration_of_honest_and_of_boastful_probabilities():
    rng = np.random.default_rng(0)
    probability = rng.random(20_000)
    honest = calibration(probability, rng.random(20_000) < probability)
    assert len(honest["bins"]) == 10
    assert honest["expected_calibration_error"] < 0.02
    assert sum(row["n"] for row in honest["bins"]) == honest["n"] == 20_000
    boastful = calibration(np.ones(100), np.arange(100) < 60)
    assert boastful["expected_calibration_error"] == pytest.approx(0.4)
    assert boastful["bins"] == [{"low": 0.9, "high": 1, "n": 100, "mean_probability": 1, "share_right": 0.6}]
    assert calibration(np.empty(0), np.empty(0, bool))["expected_calibration_error"] == 0


def test_an_image_with_several_labels_is_right_with_any_of_them():
    truth = pd.Series([("PSF", "Noise"), ("good",)])
    found = reliability(truth, predicted([("PSF", 1, 0, 1), ("PSF", 1, 0, 1)]))
    assert found["label"]["expected_calibration_error"] == 0.5
    assert found["bad"]["bins"][0]["share_right"] == 0.5
