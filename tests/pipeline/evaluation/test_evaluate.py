"""Evaluation on exposures that were held out."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from tests import vectors
from triptych.pipeline.errors import LabelError, UnknownName
from triptych.pipeline.evaluation import evaluate
from triptych.pipeline.labels.recipe import Recipe
from triptych.pipeline.labels.training_set import read_training_set
from triptych.pipeline.store.store import LabelStore, open_store


def test_single_labels_give_the_ordinary_metrics():
    rng = np.random.default_rng(3)
    names = ["PSF", "Noise", "good"]
    truth, said = rng.integers(0, 3, 300), rng.integers(0, 3, 300)
    said[:150] = truth[:150]
    prediction = pd.DataFrame({"reason": [names[c] for c in said]})
    for place, name in enumerate(names):
        prediction[f"p_{name}"] = np.where(said == place, 0.9, 0.05)
    found = evaluate.ccd_metrics(pd.Series([(names[c],) for c in truth]), prediction)
    precision, recall, f1, support = precision_recall_fscore_support(truth, said)
    for place, name in enumerate(names):
        row = found["reasons"][name]
        assert [row["precision"], row["recall"], row["f1"], row["support"]] == pytest.approx(
            [precision[place], recall[place], f1[place], support[place]]
        )
    assert found["macro_f1"] == pytest.approx(f1.mean())
    assert found["accuracy"] == pytest.approx(accuracy_score(truth, said))
    assert found["confusion"] == {"labels": names, "counts": confusion_matrix(truth, said).tolist()}


def test_an_image_with_two_labels_is_one_image():
    prediction = pd.DataFrame({"reason": ["PSF", "PSF"], "p_PSF": [1.0, 1.0], "p_Noise": [4 / 7, 3 / 7]})
    found = evaluate.ccd_metrics(pd.Series([("PSF", "Noise"), ("PSF", "Noise")]), prediction)
    assert found["reasons"]["PSF"]["recall"] == 1
    assert found["reasons"]["Noise"]["recall"] == 0.5
    assert found["accuracy"] == 1
    assert np.sum(found["confusion"]["counts"]) == 2


def test_folds_hold_whole_exposures_once_each_and_share_out_rare_reasons():
    rows = pd.DataFrame({"expnum": np.repeat(np.arange(100), 3), "reasons": [("good",)] * 300})
    rows.loc[[0, 150, 297], "reasons"] = pd.Series([("PSF",)] * 3, index=[0, 150, 297])
    folds = evaluate.folds_of(rows, None, seed=0)
    assert len(folds) == 10
    assert sorted(np.concatenate(folds)) == list(range(100))
    assert [sum(e in fold for e in (0, 50, 99)) for fold in folds].count(1) == 3
    assert len(evaluate.folds_of(rows[:120], None, seed=0)) == 40
    np.testing.assert_array_equal(np.concatenate(folds), np.concatenate(evaluate.folds_of(rows, None, seed=0)))
    with pytest.raises(LabelError, match="at least two"):
        evaluate.folds_of(rows[:3], None, seed=0)


@pytest.mark.parametrize("classifier", ["knn", "mixed"])
def test_no_image_is_predicted_from_its_own_exposure(tmp_path, classifier):
    """Vectors that show only which exposure an image belongs to teach nothing about other exposures."""
    catalog, truth = vectors.make(tmp_path / "run", exposures=40, spread=0)
    rng = np.random.default_rng(0)
    own = rng.normal(size=(41, 8))
    with catalog.new_stage("embedding", "leaky") as writer:
        writer.write_array((own[truth.expnum] + rng.normal(0, 1e-3, (len(truth), 8))).astype(np.float32))
        writer.write_table(truth[["image_id", "expnum", "ccdname"]], "keys")
    whole = truth[truth.ccdname.isin(["N1", "N2", "N3"])]
    with open_store(catalog) as store:
        vectors.teach(store, whole)
        found = evaluate.evaluate(catalog, store, classifier=classifier, folds=4)
    assert found["ccd"]["macro_f1"] < 0.5
    # nor does the view of whole exposures hear the answer of those that it is asked about
    asked = catalog.stage("evaluation").table().groupby("expnum").exposure_probability.first()
    bad = truth[truth.reason != "good"].expnum.unique()
    is_bad = asked.index.isin(bad)
    above = (asked.to_numpy()[is_bad, None] > asked.to_numpy()[~is_bad]).mean()
    assert 0.2 < above < 0.75


def test_evaluation_of_a_run(tmp_path):
    catalog, truth = vectors.make(tmp_path / "run", spread=2.0)
    steps = []
    with open_store(catalog) as store:
        vectors.teach(store, truth)
        found = evaluate.evaluate(catalog, store, classifier="knn", progress=lambda *step: steps.append(step))
        again = evaluate.evaluate(catalog, store, classifier="knn")
    assert set(found) >= {"ccd", "exposure", "split", "stage"}
    assert {"reasons", "macro_f1", "accuracy", "confusion"} <= set(found["ccd"])
    assert set(found["ccd"]["reasons"]["PSF"]) == {"precision", "recall", "f1", "support"}
    assert found["ccd"]["reasons"]["PSF"]["support"] == 16
    assert found["ccd"]["macro_f1"] > 0.8
    assert {"precision", "recall", "f1", "support"} <= set(found["exposure"])
    assert found["exposure"]["support"] == 12
    assert set(found["exposure"]["rules"]) >= {"paper", "published"}
    assert found["ccd"]["cuts"]["0.9"]["share"] < 1
    assert 0 <= found["ccd"]["reliability"]["bad"]["expected_calibration_error"] < 0.5
    assert {"leak", "survey_ccds", "compare"}.isdisjoint(found)
    assert found["spread"]["figures"]["macro_f1"]["value"] == pytest.approx(found["ccd"]["macro_f1"])
    assert found["spread"]["n"] == 24
    best = found["exposure"]["rules"]["any_reason"]["best"]
    assert min(best["precision"], best["recall"]) > 0.8
    assert found["split"]["kind"] == "leave-one-exposure-out"
    assert found["split"]["folds"] == 24
    assert steps[-1][:2] == (24, 24)
    text = evaluate.as_text(found)
    assert "PSF" in text
    assert "published" in text
    stage = catalog.stage("evaluation", found["stage"])
    assert stage.json("metrics")["ccd"] == found["ccd"] == again["ccd"]
    assert catalog.stage("evaluation").digest == stage.digest
    for name in ("confusion", "reasons", "reliability", "exposures", "exposure_reliability", "false_alarms"):
        with Image.open(stage.path / f"{name}.png") as picture:
            assert picture.width > 300


@pytest.mark.parametrize("classifier", ["mixed", "two_step"])
def test_learners_are_evaluated_in_folds_as_neighbours_are(tmp_path, classifier):
    catalog, truth = vectors.make(tmp_path / "run", spread=2.0)
    with open_store(catalog) as store:
        vectors.teach(store, truth)
        found = evaluate.evaluate(catalog, store, classifier=classifier, folds=3, compare=["knn"])
    assert found["split"]["folds"] == 3
    assert found["ccd"]["macro_f1"] > 0.8
    rule = found["exposure"]["rules"]["exposure"]
    assert min(rule["best"]["precision"], rule["best"]["recall"]) > 0.8
    assert list(found["compare"]) == [classifier, "knn"]
    table = catalog.stage("evaluation", found["stage"]).table()
    assert sorted(table.image_id) == sorted(truth.image_id)
    assert (table.groupby("expnum").exposure_probability.nunique() == 1).all()


def test_held_out_predictions_do_not_hear_what_is_held_out(tmp_path):
    """Other labels on the exposures of one fold do not change the predictions for these exposures."""
    catalog, truth = vectors.make(tmp_path / "run", exposures=10, dim=10)
    stage = catalog.stage("embedding")
    told = []
    for turned in (False, True):
        with LabelStore("sqlite://") as store:
            own = truth.assign(reason=np.where(turned & (truth.expnum == 3), "Noise", truth.reason))
            vectors.teach(store, own)
            training = read_training_set(catalog, store)
        groups, _ = evaluate.held_out(stage.array(), stage.table("keys"), training, classifier="linear", folds=10)
        told.append(groups[groups.expnum == 3].drop(columns=["p_Noise"], errors="ignore").reset_index(drop=True))
    pd.testing.assert_frame_equal(*told)


def test_two_exposures_with_one_label_each_can_be_evaluated(tmp_path):
    catalog, truth = vectors.make(tmp_path / "run", exposures=2)
    with open_store(catalog) as store:
        vectors.teach(store, truth[truth.ccdname == "N1"])
        found = evaluate.evaluate(catalog, store)
    assert found["ccd"]["accuracy"] == 0
    assert np.isfinite(catalog.stage("evaluation").table().probability).all()


def test_the_leak_is_what_a_split_by_image_adds(tmp_path):
    """If images of an exposure look alike but images of a reason do not, only a split by image gives good figures."""
    catalog, truth = vectors.make(tmp_path / "run", exposures=40, spread=0)
    rng = np.random.default_rng(0)
    own = rng.normal(size=(41, 8))
    with catalog.new_stage("embedding", "leaky") as writer:
        writer.write_array((own[truth.expnum] + rng.normal(0, 1e-3, (len(truth), 8))).astype(np.float32))
        writer.write_table(truth[["image_id", "expnum", "ccdname"]], "keys")
    with open_store(catalog) as store:
        vectors.teach(store, truth.assign(reason=truth.groupby("expnum").reason.transform("first")))
        found = evaluate.evaluate(catalog, store, classifier="published", show_leak=True, folds=5)
    leak = found["leak"]
    assert leak["image"]["macro_f1"] > 0.8
    assert leak["exposure"]["macro_f1"] == found["ccd"]["macro_f1"] < 0.5
    assert leak["macro_f1_gained"] > 0.3
    assert leak["image"]["n"] == leak["exposure"]["n"] == 240
    assert "by image by exposure" in evaluate.as_text(found)
    with Image.open(catalog.stage("evaluation").path / "leak.png") as picture:
        assert picture.width > 300


def test_the_recipe_and_the_flags_of_the_survey(tmp_path):
    catalog, truth = vectors.make(tmp_path / "run", spread=0.3)
    ccds = truth[["image_id", "expnum", "ccdname"]]
    # Every third exposure is labelled nowhere; the survey flags exposures 2 (bad) and 3 (good).
    survey = ccds.assign(camera="decam", ebv=0.01, ccd_cuts=np.where(truth.expnum.isin([2, 3]), 512, 0))
    recipe = Recipe(good_pool="unlisted", good_ccds=2, balance="published", upweight=True)
    with open_store(catalog) as store:
        vectors.teach(store, truth[truth.expnum % 3 > 0])
        found = evaluate.evaluate(catalog, store, classifier="knn", rule="published", recipe=recipe, survey=survey)
    flags = found["survey_ccds"]["published"]
    assert flags["n"] == found["exposure"]["n"]
    assert flags["both"]["n"] + flags["only_theirs"]["n"] == 1
    assert flags["only_ours"]["n"] == found["exposure"]["n_candidates"] - flags["both"]["n"]
    assert found["labels"]["provenance"]["unlisted"] == 14
    assert found["labels"]["left_out"]["unlisted CCDs that survey-ccds cuts"] == 6
    assert "BADEXP_FILE" in evaluate.as_text(found)
    assert catalog.stage("evaluation").parameters["balance"] == "published"


def test_classifiers_are_compared_in_the_same_folds(tmp_path):
    catalog, truth = vectors.make(tmp_path / "run", spread=2.0)
    with open_store(catalog) as store:
        vectors.teach(store, truth)
        found = evaluate.evaluate(catalog, store, classifier="knn", compare=["published", "knn"], folds=6)
        alone = evaluate.evaluate(catalog, store, classifier="published", folds=6)
        with pytest.raises(UnknownName, match="published"):
            evaluate.evaluate(catalog, store, compare=["publish"])
    beside = found["compare"]
    assert list(beside) == ["knn", "published"]
    assert beside["published"]["ccd"]["macro_f1"] == alone["ccd"]["macro_f1"]
    assert beside["published"]["exposure"] == alone["exposure"]
    assert beside["published"]["spread"] == alone["spread"]
    assert beside["knn"]["exposure"] == found["exposure"]
    assert beside["knn"]["difference"]["macro_f1"]["high"] == 0
    text = evaluate.as_text(found)
    assert "macro F1, published less knn" in text
    assert "plain good sent" in text
    with Image.open(catalog.stage("evaluation", found["stage"]).path / "compare.png") as picture:
        assert picture.width > 300
