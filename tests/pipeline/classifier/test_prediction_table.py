"""Predictions in blocks against those in one frame."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests import vectors
from triptych.pipeline.classifier import model_files, prediction_table, train
from triptych.pipeline.classifier.prediction_table import (
    as_table,
    asks_neighbours,
    exposure_blocks,
    prediction_blocks,
    write_blocks,
)
from triptych.pipeline.errors import BadInput
from triptych.pipeline.store.store import open_store
from triptych.pipeline.vectors import neighbours


@pytest.fixture
def run(tmp_path):
    catalog, truth = vectors.make(tmp_path / "run")
    with open_store(catalog) as store:
        vectors.teach(store, truth)
        train.train(catalog, store, classifier="knn")
    return catalog


def asked(catalog):
    """A model, the memory-mapped vectors, their keys, and what the kNN answers."""
    model, stage = model_files.read_model(catalog.stage("model")), catalog.stage("embedding")
    keys = stage.table("keys")
    answer = asks_neighbours(model, train.indicators(model.training.reasons, model.classes), len(keys))
    return model, stage.array(), keys, answer


@pytest.mark.parametrize("size", [1, 20, 100_000])
@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_table_as_in_one_frame(run, tmp_path, monkeypatch, size, threads):
    monkeypatch.setattr(prediction_table, "BLOCK", size)
    model, stored, keys, answer = asked(run)
    ids = model.training.image_id.to_numpy()
    told = []
    blocks = prediction_blocks(
        answer, stored, keys, model.classes, ids, threads=threads, progress=lambda *step: told.append(step)
    )
    assert write_blocks(tmp_path / "blocks.parquet", blocks) == len(keys)
    assert told[-1] == (len(keys), len(keys), "predictions")
    train.predict_images(model, stored, keys).to_parquet(tmp_path / "frame.parquet", index=False)
    found, expected = pd.read_parquet(tmp_path / "blocks.parquet"), pd.read_parquet(tmp_path / "frame.parquet")
    known = [name for name in expected if name in found]
    assert list(found) == known
    # the view of whole exposures is not the neighbours' to give
    assert set(expected) - set(found) <= {"exposure_probability"}
    plain = [name for name in known if not name.startswith("neighbour_")]
    pd.testing.assert_frame_equal(found[plain], expected[plain])
    for name in ("neighbour_ids", "neighbour_distances"):
        np.testing.assert_allclose(np.stack(found[name]), np.stack(expected[name]), rtol=1e-12)
    groups = pq.ParquetFile(tmp_path / "blocks.parquet").num_row_groups
    assert groups == len(exposure_blocks(keys.expnum.to_numpy()))


def test_an_image_with_fewer_neighbours_has_shorter_lists():
    rows, distances = np.array([[1, 0], [0, -1], [-1, -1]]), np.array([[0.5, 2.0], [3.0, np.inf], [np.inf, np.inf]])
    shares = np.array([[0.5, 0.5], [0, 1.0], [0, 0]])
    keys = pd.DataFrame({"image_id": [101, 102, 201], "expnum": [1, 1, 2], "ccdname": ["S29", "S30", "S29"]})
    more = {"exposure_probability": np.array([0.1, 0.1, 0.9])}
    answer = prediction_table.Answer(shares, rows, distances, more)
    table = as_table(answer, keys, ("PSF", "good"), np.array([901, 902])).to_pydict()
    assert list(table) == [
        *("image_id", "expnum", "ccdname", "reason", "probability", "p_good", "p_PSF"),
        *("exposure_probability", "neighbour_ids", "neighbour_distances"),
    ]
    assert table["neighbour_ids"] == [[902, 901], [901], []]
    assert table["neighbour_distances"] == [[0.5, 2.0], [3.0], []]
    assert table["reason"] == ["PSF", "good", "PSF"]
    assert table["p_good"] == [0.5, 1.0, 0.0]


def test_blocks_are_whole_exposures():
    expnums = np.repeat([5, 6, 7, 9], [3, 1, 4, 2])
    assert exposure_blocks(expnums, 4) == [slice(0, 4), slice(4, 8), slice(8, 10)]
    assert exposure_blocks(expnums, 1) == [slice(0, 3), slice(3, 4), slice(4, 8), slice(8, 10)]
    assert exposure_blocks(expnums, 5) == [slice(0, 8), slice(8, 10)]
    assert exposure_blocks(expnums, 100) == [slice(0, 10)]
    assert exposure_blocks(np.empty(0, int), 4) == []


def test_sorted_or_not_the_table_is_the_same(run, monkeypatch):
    _, stored, keys, plainly = asked(run)
    monkeypatch.setattr(neighbours, "WORTH_SORTING", 0)
    *_, in_cells = asked(run)
    one, other = (way(stored, keys) for way in (plainly, in_cells))
    np.testing.assert_array_equal(one.rows, other.rows)
    np.testing.assert_array_equal(one.distances, other.distances)
    np.testing.assert_array_equal(one.shares, other.shares)


def test_bad_vectors_and_no_vectors_are_one_clear_line(run, tmp_path):
    model, stored, keys, answer = asked(run)
    broken = np.array(stored)
    broken[7, 3] = np.nan
    ids = model.training.image_id.to_numpy()
    with pytest.raises(BadInput, match="1 of 144 vectors hold NaN or infinity"):
        write_blocks(tmp_path / "a.parquet", prediction_blocks(answer, broken, keys, model.classes, ids))
    with pytest.raises(BadInput, match="no image to predict"):
        write_blocks(tmp_path / "b.parquet", prediction_blocks(answer, stored[:0], keys[:0], model.classes, ids))
