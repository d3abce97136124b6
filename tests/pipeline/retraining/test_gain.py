"""Figures before and after a retraining, on exposures that teach nothing."""

import json

import numpy as np
import pandas as pd
import pytest

from tests import vectors
from triptych.pipeline.image_ids import image_id_of
from triptych.pipeline.retraining import gain
from triptych.pipeline.store.store import LabelStore, Vote, open_store


@pytest.fixture
def run(tmp_path):
    catalog, truth = vectors.make(tmp_path / "run")
    with open_store(catalog) as store:
        vectors.teach(store, truth)
        yield catalog, store, truth


def predicted(expnums, bad, reason="PSF") -> pd.DataFrame:
    """One CCD of each exposure; bad : which of them the prediction calls bad."""
    chance = np.where(bad, 0.9, 0.1)
    return pd.DataFrame(
        {
            "image_id": [image_id_of(e, 1) for e in expnums],
            "expnum": expnums,
            "reason": np.where(bad, reason, "good"),
            "probability": np.maximum(chance, 1 - chance),
            "p_good": 1 - chance,
            f"p_{reason}": chance,
            "exposure_probability": chance,
        }
    )


def held(expnums, bad) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "expnum": expnums,
            "kind": "control",
            "bad": bad,
            "reasons": [("PSF",) if own else () for own in bad],
            "source": "majority of amy, ben",
        }
    )


def test_what_is_drawn_measures_and_without_it_all_that_is_labelled(run):
    catalog, store, truth = run
    found = gain.held_out(catalog, store, "majority")
    assert set(found.kind) == {"labelled"}
    assert found.expnum.tolist() == sorted(truth.expnum.unique())
    bad = truth[truth.reason != "good"].groupby("expnum").reason.agg(lambda own: (own.iloc[0],))
    assert found.bad.tolist() == found.expnum.isin(bad.index).tolist()
    assert found.reasons[found.bad].tolist() == bad.tolist()
    store.draw("decam", "known", [{"expnum": 1, "judgement": "good"}, {"expnum": 900, "judgement": "good"}])
    store.draw("decam", "control", [{"expnum": 1}, {"expnum": 3}])
    found = gain.held_out(catalog, store, "majority")
    assert found[["expnum", "kind", "bad", "source"]].values.tolist() == [
        [1, "known", False, "known answer"],
        [3, "control", True, "truth.csv"],
    ]


def test_the_answer_of_a_control_exposure_is_its_verdict_and_without_one_it_does_not_measure(tmp_path):
    catalog, _ = vectors.make(tmp_path / "run", exposures=6)
    with LabelStore("sqlite://") as store:
        store.draw("decam", "control", [{"expnum": 1}, {"expnum": 2}])
        for name in ("amy", "ben"):
            store.cast(Vote(expnum=2, inspector=name, judgement="bad", reasons=("Noise",)))
        found = gain.held_out(catalog, store)
    assert found.values.tolist() == [[2, "control", True, ("Noise",), "majority of amy, ben"]]


def test_figures_before_and_after_with_their_paired_intervals():
    expnums, bad = list(range(1, 41)), [True] * 20 + [False] * 20
    worse = [True] * 10 + [False] * 20 + [True] * 10
    better = [True] * 18 + [False] * 20 + [True] * 2
    found = gain.measure(predicted(expnums, worse), predicted(expnums, better), held(expnums, bad))
    assert json.loads(json.dumps(found)) == found
    assert (found["n"], found["n_bad"], found["kinds"]) == (40, 20, {"control": 40})
    recall = found["exposure"]["recall"]
    assert recall["before"]["value"] == 0.5
    assert recall["after"]["value"] == 0.9
    assert recall["difference"]["value"] == pytest.approx(0.4)
    for figure in recall.values():
        assert figure["low"] < figure["value"] < figure["high"]
    assert recall["difference"]["low"] > 0
    assert found["reasons"]["PSF"] == found["exposure"]  # every bad exposure is of that reason here
    same = gain.measure(predicted(expnums, better), predicted(expnums, better), held(expnums, bad))
    assert same["exposure"]["f1"]["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_what_cannot_be_said_is_left_empty():
    expnums, nothing = [1, 2, 3], [False] * 3
    found = gain.measure(None, predicted(expnums, nothing), held([1, 2, 3, 4], [False] * 4))
    assert found["missing"] == 1
    assert found["exposure"]["n"] == 0
    assert found["exposure"]["f1"] == {"before": None, "after": None, "difference": None}
    assert found["reasons"] == {}
    nobody = gain.measure(None, predicted(expnums, nothing), held([], []))
    assert (nobody["n"], nobody["exposure"]["recall"]["after"]) == (0, None)


def test_a_prediction_too_old_for_the_rule_is_as_none():
    expnums, bad = [1, 2, 3], [True, False, False]
    old = predicted(expnums, bad).drop(columns="exposure_probability")
    found = gain.measure(old, predicted(expnums, bad), held(expnums, bad), rule="exposure")
    assert found["exposure"]["recall"]["before"] is None
    ids = [101, 201, 301]
    found = gain.measure(old, old, held(expnums, bad), rule="any_reason", sampled=ids)
    assert found["exposure"]["n"] == 1
