"""Whole exposures: curves, thresholds, calibration, and whether the exposure has the named reason."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss

from triptych.pipeline.evaluation.exposure_metrics import (
    average_precision,
    best_threshold,
    judged,
    precision_recall,
    rule_metrics,
    scored_exposures,
    thinned,
)
from triptych.pipeline.image_ids import image_id_of


def drawn(n: int = 300, seed: int = 0):
    rng = np.random.default_rng(seed)
    probability = rng.integers(0, 20, n) / 20
    return probability, rng.random(n) < probability


def test_the_curve_is_what_every_threshold_gives():
    probability, bad = drawn()
    curve = precision_recall(probability, bad)
    assert len(curve) == 20
    for row in curve.itertuples():
        sent = probability > row.threshold
        assert (probability >= row.threshold).sum() == row.n or row.threshold == 0
        assert sent.sum() == row.n or row.threshold == 0
        if row.threshold > 0:
            assert row.precision == pytest.approx(bad[sent].mean())
            assert row.recall == pytest.approx(bad[sent].sum() / bad.sum())
    assert curve.recall.iloc[-1] == 1
    assert average_precision(curve) == pytest.approx(average_precision_score(bad, probability))
    best = best_threshold(curve)
    every = [
        min(bad[probability > t].mean(), (bad & (probability > t)).sum() / bad.sum()) for t in np.arange(0, 0.9, 0.02)
    ]
    assert min(best["precision"], best["recall"]) == pytest.approx(max(every))


def test_a_long_curve_keeps_its_ends_when_thinned():
    curve = precision_recall(np.linspace(0, 1, 5000), np.arange(5000) % 2 == 0)
    few = thinned(curve, 100)
    assert len(few["recall"]) == 100
    assert (few["recall"][0], few["recall"][-1]) == (curve.recall.iloc[0], 1)


def test_figures_of_a_rule():
    probability, bad = drawn()
    own = pd.DataFrame({"bad_probability": probability, "bad": bad, "sent": probability > 0.5})
    own["true_reasons"] = [("PSF",) if hit else () for hit in bad]
    own["named"] = bad & (np.arange(len(bad)) % 2 == 0)
    found = rule_metrics(own)
    assert found["precision"] == pytest.approx(bad[probability > 0.5].mean())
    assert found["calibration"]["brier"] == pytest.approx(brier_score_loss(bad, probability))
    assert found["calibration"]["expected_calibration_error"] < 0.1
    asked = own[own.bad & own.sent]
    assert (found["reason"]["n"], found["reason"]["right"]) == (len(asked), asked.named.sum())
    assert found["reason"]["by_reason"] == {
        "PSF": {"n": int(bad.sum()), "sent": len(asked), "named": int(asked.named.sum())}
    }


@pytest.mark.parametrize("bad", [True, False])
def test_exposures_of_one_kind_have_figures_too(bad):
    own = pd.DataFrame({"bad_probability": [0.5, 0.5], "bad": bad, "sent": False, "named": False})
    own["true_reasons"] = [("PSF",) if bad else ()] * 2
    found = rule_metrics(own)
    assert found["average_precision"] == found["best"]["recall"] == float(bad)
    assert found["precision"] == found["reason"]["share"] == 0
    assert rule_metrics(own[:0])["best"]["n"] == 0


def test_the_first_named_reason_is_compared_with_those_of_the_exposure():
    rows = [
        (e, image_id_of(e, c), reason) for e, reason in ((1, "PSF"), (2, "Noise"), (3, "good")) for c in range(1, 5)
    ]
    prediction = pd.DataFrame(rows, columns=["expnum", "image_id", "reason"]).assign(probability=1.0)
    prediction["p_good"] = (prediction.reason == "good").astype(float)
    for name in ("PSF", "Noise"):
        prediction[f"p_{name}"] = (prediction.reason == name).astype(float)
    prediction["exposure_probability"] = 1 - prediction.p_good
    training = pd.DataFrame({"expnum": [1, 1, 2, 3], "reasons": [("PSF", "Wonky"), ("good",), ("PSF",), ("good",)]})
    scored = scored_exposures(prediction, prediction.image_id)
    found = judged(scored, {1: True, 2: True, 3: False}, training)["published"]
    assert found.true_reasons.tolist() == [("PSF", "Wonky"), ("PSF",), ()]
    assert found.named.tolist() == [True, False, False]
    assert found.sent.tolist() == [True, True, False]
    assert judged(scored, {3: False}, training)["paper"].expnum.tolist() == [3]
