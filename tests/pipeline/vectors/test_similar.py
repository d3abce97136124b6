"""The images most similar to one or several picked ones."""

import numpy as np
import pytest

from tests import vectors
from triptych.pipeline.errors import BadInput, UnknownName
from triptych.pipeline.image_ids import expnum_of
from triptych.pipeline.vectors import similar


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return vectors.make(tmp_path_factory.mktemp("similar") / "run", spread=1.5)


def reasons_of(truth, table):
    return truth.set_index("image_id").reason.loc[table.image_id]


def test_one_per_exposure_nearest_first_without_the_picked_ones(run):
    catalog, truth = run
    picked = truth.image_id[truth.reason == "PSF"].iloc[[0, 1, 5]].tolist()
    table = similar.similar(catalog, picked, k=10)
    assert list(table) == ["image_id", "expnum", "ccdname", "distance"]
    assert len(table) == table.expnum.nunique() == 10
    assert not set(table.expnum) & {expnum_of(i) for i in picked}
    assert (np.diff(table.distance) >= 0).all()
    assert (reasons_of(truth, table)[:2] == "PSF").all()


def test_it_never_gives_more_than_there_are(run):
    catalog, truth = run
    assert len(similar.similar(catalog, [truth.image_id[0]], k=1000)) == 23


def test_what_the_picked_ones_share_decides():
    """Picked images agree in feature 0 only: an image that agrees there ranks above one near their mean in others."""
    rng = np.random.default_rng(0)
    survey = rng.normal(size=(400, 20))
    survey[:20, 0] = 1.5
    survey[20, 0], survey[20, 1:] = 1.5, rng.normal(size=19) * 1.3
    survey[21, 0], survey[21, 1:] = -0.5, survey[:20, 1:].mean(axis=0)
    scale = (np.zeros(20), np.ones(20))
    weighted = similar.search(survey, np.arange(20), scale)
    plain = np.linalg.norm(survey - survey[:20].mean(axis=0), axis=1)
    others = np.arange(20, 400)
    in_common = np.abs(survey[others, 0] - 1.5) < 0.2
    place = lambda d: d[others].argsort().argsort()[in_common].mean()  # noqa: E731
    assert place(weighted) < 0.8 * place(plain)


def test_nearest_serves_picks_of_two_kinds(run):
    catalog, truth = run
    picked = [truth.image_id[truth.reason == kind].iloc[0] for kind in ("PSF", "Ghost_Scatter")]
    found = reasons_of(truth, similar.similar(catalog, picked, k=6, query="nearest"))
    assert {"PSF", "Ghost_Scatter"} == set(found)


def test_one_pick_is_the_same_in_both_ways(run):
    catalog, truth = run
    one = [truth.image_id[0]]
    mean, nearest = (similar.similar(catalog, one, query=query) for query in ("mean", "nearest"))
    assert mean.image_id.tolist() == nearest.image_id.tolist()
    np.testing.assert_allclose(mean.distance, nearest.distance)


def test_scale_is_that_of_all_vectors_whatever_the_block(monkeypatch):
    drawn = np.random.default_rng(0).normal(1000, [1, 50, 0], (1000, 3)).astype(np.float32)
    monkeypatch.setattr("triptych.pipeline.vectors.similar.BLOCK", 77)
    mean, deviation = similar.feature_scale(drawn)
    np.testing.assert_allclose(mean, drawn.astype(float).mean(axis=0))
    np.testing.assert_allclose(deviation[:2], drawn[:, :2].astype(float).std(axis=0))
    assert deviation[2] == 1


def test_what_cannot_be_asked_is_said(run):
    catalog, truth = run
    with pytest.raises(BadInput, match="at least one"):
        similar.similar(catalog, [])
    with pytest.raises(BadInput, match="triptych embed"):
        similar.similar(catalog, [999999])
    with pytest.raises(UnknownName, match="mean, nearest"):
        similar.similar(catalog, [truth.image_id[0]], query="median")


def test_images_are_named_as_people_write_them(run):
    catalog, _ = run
    assert similar.image_ids(catalog, ["3-N2", " 4-S1"]) == [302, 405]
    with pytest.raises(BadInput, match="EXPNUM-CCDNAME"):
        similar.image_ids(catalog, ["N2"])
    with pytest.raises(BadInput, match="no exposure 99"):
        similar.image_ids(catalog, ["99-N2"])
    with pytest.raises(UnknownName, match="Did you mean 'N2'"):
        similar.image_ids(catalog, ["3-n2"])
