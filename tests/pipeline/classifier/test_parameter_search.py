"""The search over the published space."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from tests import vectors
from triptych.pipeline.classifier import model_files, predict, train
from triptych.pipeline.classifier.parameter_search import FOLDS, SPACE, schedule, search
from triptych.pipeline.errors import BadInput, LabelError, UnknownName
from triptych.pipeline.evaluation import evaluate
from triptych.pipeline.image_ids import image_id_of
from triptych.pipeline.store.store import open_store


@pytest.fixture
def run(tmp_path):
    catalog, truth = vectors.make(tmp_path / "run", spread=2.0)
    with open_store(catalog) as store:
        vectors.teach(store, truth)
        yield catalog, store, truth


def drawn(n: int = 240, dim: int = 6):
    """Three labels that differ along one of many features, with four images per exposure."""
    rng = np.random.default_rng(5)
    labels = np.array(["PSF", "Noise", "good"])[np.arange(n) // 4 % 3]
    values = rng.normal(0, 1, (n, dim))
    values[:, 0] += 6.0 * (np.arange(n) // 4 % 3)
    expnums = np.arange(n) // 4
    ids = image_id_of(expnums, 1 + np.arange(n) % 4)
    table = pd.DataFrame({"image_id": ids, "expnum": expnums, "reasons": [(own,) for own in labels]})
    return values, table


def test_the_space_is_the_published_one_without_the_leaf_size():
    assert math.prod(map(len, SPACE.values())) * 6 == 24_192


def test_schedule_uses_as_many_settings_as_images_allow_and_ends_on_nearly_all_images():
    plan = schedule(28_000, 12)
    assert plan.candidates == 388
    assert 27_000 < plan.images * 2 ** (plan.rounds - 1) <= 28_000
    few = schedule(28_000, 12, candidates=4)
    assert (few.candidates, few.rounds, few.images) == (4, 3, 7000)
    assert few.trials == FOLDS * (4 + 2 + 1)
    assert schedule(10, 12).candidates == 1


def test_a_search_finds_what_separates_and_is_the_same_again():
    values, table = drawn()
    steps = []
    found = search(values, table, candidates=4, seed=1, progress=lambda *step: steps.append(step))
    again = search(values, table, candidates=4, seed=1)
    assert found.best == again.best
    pd.testing.assert_frame_equal(found.table, again.table)
    assert found.report["score"] > 0.9
    assert found.report["score"] >= found.report["given"]["score"]
    assert steps[-1][0] == steps[-1][1] == found.report["trials"]
    assert found.table["round"].iloc[0] == found.table["round"].max()
    assert len(found.table) == 4 + 2 + 1
    other = search(values, table, candidates=4, seed=2)
    assert not other.table.equals(found.table)


def test_an_exposure_is_never_on_both_sides():
    """Vectors that only distinguish exposures do not help a search that splits by exposure."""
    rng = np.random.default_rng(0)
    _, table = drawn()
    values = rng.normal(0, 5, (60, 6))[table.expnum] + rng.normal(0, 0.01, (240, 6))
    assert search(values, table, candidates=4).report["score"] < 0.6


def test_predict_uses_what_the_search_found(run):
    catalog, store, truth = run
    stage = train.train(catalog, store, searching=train.Search(by="macro_f1", candidates=4), seed=3)
    report = stage.json("search")
    model = model_files.read_model(stage)
    assert {name: getattr(model.classifier, name) for name in SPACE} == report["best"]
    assert {path.suffix for path in stage.path.iterdir()} == {".json", ".npy", ".parquet"}
    assert set(stage.table("search")) >= {"round", "images", "score", "score_spread", *SPACE}
    prediction = predict.predict(catalog)
    assert prediction.parameters["classifier"] == "searched"
    assert len(prediction.table().neighbour_ids[0]) == report["best"]["neighbours"]
    assert (prediction.table().reason == truth.reason).mean() > 0.8
    found = evaluate.evaluate(catalog, store, classifier="model")
    assert found["classifier"] == "model"
    assert json.dumps(found)


def test_every_setting_can_be_read_back_from_its_stage(run):
    catalog, store, _ = run
    embedding = catalog.stage("embedding")
    training = train.read_training_set(catalog, store)
    keys, values = embedding.table("keys"), embedding.array()
    for scaler in SPACE["scaler"]:
        settings = train.Classifier(scaler=scaler, components=10, neighbours=3, power=3)
        model = train.fit(values, training.table, classifier=settings)
        stage = model_files.write_model(catalog, embedding, model, {}, parameters={})
        pd.testing.assert_frame_equal(
            train.predict_images(model_files.read_model(stage), values, keys),
            train.predict_images(model, values, keys),
        )


def test_what_cannot_be_searched_is_said():
    values, table = drawn()
    with pytest.raises(LabelError, match="needs labels on 3 exposures"):
        search(values[:8], table[:8])
    with pytest.raises(UnknownName, match="Did you mean 'macro_f1'"):
        search(values, table, by="macro_f2")


def test_a_test_share_does_not_teach_and_an_image_split_flatters(run):
    catalog, store, truth = run
    by_exposure = train.train(catalog, store, test_share=0.3)
    by_image = train.train(catalog, store, test_share=0.3, split="image")
    test = by_exposure.json("test")
    taught = by_exposure.table("training")
    assert test["images"] + len(taught) == len(truth)
    assert test["exposures"] + taught.expnum.nunique() == truth.expnum.nunique()
    assert by_image.table("training").expnum.nunique() == truth.expnum.nunique()
    assert by_image.json("test")["ccd"]["accuracy"] >= test["ccd"]["accuracy"]
    assert by_exposure.parameters["test_share"] == 0.3
    with pytest.raises(BadInput, match="give --test-share"):
        train.train(catalog, store, split="image")
