"""Training, prediction and their agreement with scikit-learn."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.feature_selection import VarianceThreshold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from tests import vectors
from triptych.pipeline.camera import camera
from triptych.pipeline.classifier import model_files, predict, train
from triptych.pipeline.classifier.predict import answers_of
from triptych.pipeline.errors import BadInput, LabelError, StageMissing, StageStale, UnknownName
from triptych.pipeline.image_ids import expnum_of, image_id_of
from triptych.pipeline.reasons import GOOD
from triptych.pipeline.store.store import LabelStore, open_store
from triptych.pipeline.vectors.neighbours import nearest

DECAM = camera("decam")


@pytest.fixture
def run(tmp_path):
    catalog, truth = vectors.make(tmp_path / "run")
    with open_store(catalog) as store:
        vectors.teach(store, truth)
        yield catalog, store, truth


def training_rows(reasons, expnums) -> pd.DataFrame:
    ccdnums = [1 + row % 60 for row in range(len(reasons))]
    return pd.DataFrame(
        {
            "image_id": [image_id_of(e, number) for number, e in zip(ccdnums, expnums, strict=True)],
            "expnum": expnums,
            "ccdname": [DECAM.name_of(number) for number in ccdnums],
            "reasons": reasons,
        }
    )


def test_same_answers_as_a_plain_scikit_learn_pipeline():
    """For exposures that are not in training, the result is that of the published pipeline."""
    rng = np.random.default_rng(1)
    reasons = ["PSF", "Noise", "Wonky", GOOD]
    classes = rng.integers(0, 4, 600)
    known = rng.normal(0, 2, (4, 60))[classes] + rng.normal(0, 2, (600, 60))
    asked = rng.normal(0, 3, (500, 60))
    table = training_rows([(reasons[c],) for c in classes], np.arange(600) // 6 + 1)
    model = train.fit(known, table)
    assert model.classes == ("PSF", "Noise", "Wonky", GOOD)
    said = answers_of(model, 500)(asked, training_rows([()] * 500, np.full(500, -1)))
    ours, rows, distances = said.shares, said.rows, said.distances
    plain = make_pipeline(
        MinMaxScaler(),
        PCA(15, random_state=0),
        VarianceThreshold(0.001),
        KNeighborsClassifier(7, p=1, algorithm="brute"),
    ).fit(known, classes)
    np.testing.assert_array_equal(ours, plain.predict_proba(asked))
    np.testing.assert_array_equal(ours.argmax(axis=1), plain.predict(asked))
    their_distances, their_rows = plain[-1].kneighbors(plain[:-1].transform(asked))
    np.testing.assert_array_equal(rows, their_rows)
    np.testing.assert_allclose(distances, their_distances, rtol=1e-10)


def test_neighbours_leave_out_the_own_exposure_and_break_ties_by_order():
    training = np.array([[0.0], [1.0], [1.0], [-1.0], [5.0]])
    exposures = np.array([1, 2, 3, 4, 5])
    rows, distances = nearest(np.array([[0.0], [0.0]]), np.array([1, 9]), training, exposures, 3)
    assert rows.tolist() == [[1, 2, 3], [0, 1, 2]]
    assert distances.tolist() == [[1, 1, 1], [0, 1, 1]]


def test_fewer_neighbours_than_asked_for():
    training, exposures = np.array([[0.0], [1.0]]), np.array([1, 2])
    rows, distances = nearest(np.array([[0.0]]), np.array([1]), training, exposures, 3)
    assert rows.tolist() == [[1, -1, -1]]
    assert np.isinf(distances[0, 1:]).all()
    model = train.fit(np.array([[0.0], [1.0]]), training_rows([(GOOD,), ("PSF",)], [1, 2]))
    table = train.predict_images(model, np.array([[0.0]]), training_rows([()], [1]))
    assert table.loc[0, ["reason", "probability", "p_good", "p_PSF"]].tolist() == ["PSF", 1.0, 0.0, 1.0]
    assert table.neighbour_ids[0].tolist() == [202]


def test_neighbours_do_not_depend_on_the_number_of_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    training, queries = rng.integers(0, 3, (50, 2)).astype(float), rng.integers(0, 3, (301, 2)).astype(float)
    own = np.full(301, -1)
    whole = nearest(queries, own, training, np.arange(50), 7)
    monkeypatch.setattr("triptych.pipeline.vectors.neighbours.BLOCK", 13)
    parts = nearest(queries, own, training, np.arange(50), 7)
    np.testing.assert_array_equal(whole[0], parts[0])
    np.testing.assert_array_equal(whole[1], parts[1])


def test_an_image_with_several_labels_votes_for_each():
    close = np.arange(7.0)[:, None] / 10
    reasons = [("PSF", "Noise")] * 4 + [("PSF",)] * 2 + [(GOOD,)]
    model = train.fit(close, training_rows(reasons, range(1, 8)))
    table = train.predict_images(model, np.array([[0.0]]), training_rows([()], [99]))
    assert table.reason[0] == "PSF"
    assert table.loc[0, ["p_PSF", "p_Noise", "p_good"]].tolist() == pytest.approx([6 / 7, 4 / 7, 1 / 7])


@pytest.mark.parametrize("classifier", ["knn", "mixed", "two_step"])
def test_train_and_predict_a_run(run, classifier):
    catalog, store, truth = run
    steps = []
    model = train.train(catalog, store, classifier=classifier, progress=lambda *step: steps.append(step))
    assert model.parameters["store_revision"] == store.revision()
    assert steps[0] == (0, 2, "labels")
    assert steps[-1] == (2, 2, "model written")
    assert all(0 <= done <= total for done, total, _ in steps)
    assert model.json("report")["reasons"] == {
        "Clouds_transparency": 16,
        "PSF": 16,
        "Ghost_Scatter": 16,
        "good": 96,
    }
    table = predict.predict(catalog).table()
    assert [name for name in table if name.startswith("p_")] == [
        "p_good",
        "p_Clouds_transparency",
        "p_PSF",
        "p_Ghost_Scatter",
    ]
    assert table.image_id.tolist() == truth.image_id.tolist()
    assert (table.reason == truth.reason).mean() > 0.95
    chances = table.filter(like="p_")
    assert chances.min(axis=None) >= 0
    assert chances.max(axis=None) <= 1
    if classifier == "knn":  # every image carries one label here, so the shares of the neighbours add up
        np.testing.assert_allclose(chances.sum(axis=1), 1)
    np.testing.assert_array_equal(table.probability, chances.max(axis=1))
    assert (table.groupby("expnum").exposure_probability.nunique() == 1).all()
    bad = truth.assign(bad=truth.reason != GOOD).groupby("expnum").bad.any()
    assert ((table.groupby("expnum").exposure_probability.first() > 0.5) == bad).mean() > 0.9
    for row in table.itertuples():
        assert len(row.neighbour_ids) == len(row.neighbour_distances) == 7
        assert row.expnum not in expnum_of(row.neighbour_ids)
        assert (np.diff(row.neighbour_distances) >= 0).all()


@pytest.mark.parametrize(
    ("classifier", "besides"), [("knn", set()), ("mixed", {".safetensors"}), ("two_step", {".safetensors"})]
)
def test_the_stage_alone_is_enough_to_predict_and_holds_no_pickle(run, classifier, besides):
    catalog, store, _ = run
    stage = train.train(catalog, store, classifier=classifier)
    model = model_files.read_model(stage)
    assert {path.suffix for path in stage.path.iterdir()} == {".json", ".npy", ".parquet"} | besides
    embedding = catalog.stage("embedding")
    training = train.read_training_set(catalog, store)
    fitted = train.fit_stage(catalog, embedding, training, classifier=classifier)
    assert model_files.classifier_of(stage) == classifier
    keys = embedding.table("keys")
    pd.testing.assert_frame_equal(
        train.predict_images(model, embedding.array(), keys),
        train.predict_images(fitted, embedding.array(), keys),
    )
    assert json.loads((stage.path / "classifier.json").read_text())["neighbours"] == 7


def test_twice_the_same_is_the_same(run):
    catalog, store, _ = run
    digests = []
    for _ in range(2):
        model = train.train(catalog, store)
        digests.append((model.digest, predict.predict(catalog).digest))
    assert digests[0] == digests[1]


def test_what_is_missing_is_said(run, tmp_path):
    catalog, store, truth = run
    with pytest.raises(StageMissing, match="triptych train"):
        predict.predict(catalog)
    with pytest.raises(UnknownName, match="Did you mean 'knn'"):
        train.train(catalog, store, classifier="knm")
    with LabelStore(f"sqlite:///{tmp_path / 'other.db'}") as empty:
        with pytest.raises(LabelError, match="triptych labels import"):
            train.train(catalog, empty)
        vectors.teach(empty, truth[truth.reason == "good"])
        with pytest.raises(LabelError, match="every labelled image says 'good'"):
            train.train(catalog, empty)
    train.train(catalog, store)
    with catalog.new_stage("embedding", "other") as writer:
        writer.write_array(np.full((len(truth), 3), np.nan, np.float32))
        writer.write_table(truth[["image_id", "expnum", "ccdname"]], "keys")
    with pytest.raises(StageStale, match="triptych train"):
        predict.predict(catalog)
    with pytest.raises(BadInput, match="triptych embed"):
        train.train(catalog, store)


@pytest.mark.parametrize("classifier", ["knn", "mixed"])
def test_predicting_block_by_block_is_predicting_in_one_frame(run, monkeypatch, classifier):
    """Half of the exposures are not in training, so all learners answer for them."""
    catalog, _, truth = run
    monkeypatch.setattr("triptych.pipeline.classifier.prediction_table.BLOCK", 20)
    with LabelStore("sqlite://") as store:
        vectors.teach(store, truth[truth.expnum <= 12])
        model = model_files.read_model(train.train(catalog, store, classifier=classifier))
    told = []
    stage = predict.predict(catalog, progress=lambda *step: told.append(step))
    embedding = catalog.stage("embedding")
    frame = train.predict_images(model, embedding.array(), embedding.table("keys"))
    pd.testing.assert_frame_equal(stage.table(), frame, rtol=1e-9, atol=1e-12, check_dtype=False)
    assert len(told) > 3
    assert told[-1][:2] == (len(truth), len(truth))


@pytest.mark.parametrize("classifier", ["knn", "mixed"])
def test_progress_never_goes_back(run, classifier):
    catalog, store, truth = run
    stage, training = catalog.stage("embedding"), train.read_training_set(catalog, store)
    model = train.fit_stage(catalog, stage, training, classifier=classifier)
    told = []
    train.predict_images(model, stage.array(), stage.table("keys"), progress=lambda *step: told.append(step[:2]))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (len(truth), len(truth))


def test_labelled_images_without_a_vector_are_counted(run):
    catalog, store, truth = run
    with catalog.new_stage("embedding", "part") as writer:
        part = truth[truth.ccdname != "N1"]
        writer.write_array(np.random.default_rng(0).normal(size=(len(part), 8)).astype(np.float32))
        writer.write_table(part[["image_id", "expnum", "ccdname"]], "keys")
    report = train.train(catalog, store).json("report")
    assert report["left_out"]["images without an embedding"] == 24
    assert len(predict.predict(catalog).table()) == len(part)
