"""HDBSCAN on a run and on tiny ones, the quality of its clusters, and the published clusters."""

import json

import hdbscan
import numpy as np
import pytest
from sklearn.cluster import HDBSCAN
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import StandardScaler

from tests import vectors
from triptych.pipeline import memory
from triptych.pipeline.errors import BadInput, UnknownName
from triptych.pipeline.vectors import cluster_quality, clusters, rest, sample
from triptych.pipeline.vectors.cluster_tree import tree_of


def test_clusters_follow_what_the_images_show(tmp_path):
    catalog, truth = vectors.make(tmp_path / "run", exposures=36, spread=0.7)
    steps = []
    stage = clusters.cluster(catalog, progress=lambda *step: steps.append(step))
    table = stage.table()
    assert table.image_id.tolist() == truth.image_id.tolist()
    assert table.membership.between(0, 1).all()
    inside = table.cluster >= 0
    assert inside.mean() > 0.8
    purity = truth.reason[inside].groupby(table.cluster[inside]).agg(lambda r: r.value_counts(normalize=True).iloc[0])
    assert (purity > 0.9).all()
    sizes = table.cluster[inside].value_counts().sort_index()
    assert (np.diff(sizes) <= 0).all()
    assert steps[-1][:2] == (8, 8)
    assert clusters.cluster(catalog).digest == stage.digest


def test_too_few_images_are_in_no_cluster(tmp_path):
    catalog, _ = vectors.make(tmp_path / "run", exposures=1)
    table = clusters.cluster(catalog).table()
    assert (table.cluster == -1).all()
    assert (table.membership == 0).all()


def test_the_stage_says_how_good_its_clusters_are(tmp_path):
    catalog, truth = vectors.make(tmp_path / "run", exposures=36, spread=0.5)
    stage = clusters.cluster(catalog, seed=3)
    metrics = stage.json("metrics")
    table = stage.table()
    assert metrics["clusters"] == table.cluster.max() + 1
    assert metrics["clustered_share"] == pytest.approx((table.cluster >= 0).mean(), abs=1e-6)
    assert metrics["measured_on"] == len(truth)
    assert 0.2 < metrics["silhouette"] < 1
    assert -1 < metrics["dbcv"] < 1
    stability = metrics["stability"]
    assert stability["draws"] == len(stability["ari"]) == 5
    assert stability["ari_mean"] > 0.7
    assert len(stability["clusters"]) == metrics["clusters"]
    assert clusters.cluster(catalog, seed=3).json("metrics") == metrics


def test_figures_tell_groups_from_none():
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 4, 600)
    parted = rng.normal(0, 8, (4, 5))[kinds] + rng.normal(size=(600, 5))
    merged = rng.normal(size=(600, 5))
    sizes = {"min_cluster_size": 10, "min_samples": 5, "max_cluster_size": 0}
    good = cluster_quality.quality(parted, clusters.find(parted, **sizes)[0], clusters.find, sizes)
    poor = cluster_quality.quality(merged, kinds, clusters.find, sizes)
    for figure in ("silhouette", "dbcv"):
        assert good[figure] > poor[figure] + 0.3
    assert good["stability"]["ari_lowest"] > 0.95 > 0.5 > poor["stability"]["ari_mean"]
    assert min(good["stability"]["clusters"]) > 0.75


@pytest.mark.parametrize("labels", [np.full(30, -1), np.zeros(30, int), np.arange(30) // 29, np.zeros(0, int)])
def test_figures_that_cannot_be_had_are_left_open(labels):
    reduced = np.random.default_rng(0).normal(size=(len(labels), 3))
    metrics = cluster_quality.quality(reduced, labels, clusters.find, {"min_cluster_size": 50, "min_samples": 5})
    assert metrics["dbcv"] is None
    assert metrics["stability"]["ari_mean"] is None
    json.dumps(metrics, allow_nan=False)


def test_published_preset_is_scikit_learns(tmp_path):
    catalog, _ = vectors.make(tmp_path / "run", exposures=36, dim=120)
    stage = clusters.cluster(catalog, preset="published")
    vectors_ = catalog.stage("embedding").array()
    reduced = PCA(100, random_state=0).fit_transform(StandardScaler().fit_transform(vectors_.astype(np.float64)))
    wanted = HDBSCAN(min_cluster_size=5, max_cluster_size=500, copy=True).fit_predict(reduced)
    assert adjusted_rand_score(stage.table().cluster, wanted) == 1
    assert stage.parameters["components"] == 100


def test_unknown_presets_are_refused(tmp_path):
    catalog, _ = vectors.make(tmp_path / "run", exposures=2)
    with pytest.raises(UnknownName, match="default, published"):
        clusters.cluster(catalog, preset="publish")


@pytest.mark.parametrize("size", [10, 30])
def test_many_images_are_assigned_as_hdbscan_assigns_them(size):
    rng = np.random.default_rng(size)
    middles = rng.normal(0, 3, (6, 4))
    drawn = (middles[rng.integers(0, 6, 900)] + rng.normal(size=(900, 4)) * rng.choice([0.3, 1, 3], (900, 1)))[:, :4]
    known, asked = drawn[:600], np.concatenate([drawn[600:], rng.normal(0, 30, (40, 4)), drawn[:20]])
    found = clusters.fit(known, min_cluster_size=size, min_samples=5, predicts=True)
    assert found.labels_.max() > 1
    labels, membership = tree_of(found, known, len(asked)).assign(asked)
    wanted, its_membership = hdbscan.approximate_predict(found, asked)
    assert labels.tolist() == wanted.tolist()
    np.testing.assert_allclose(membership, its_membership, rtol=1e-9)


@pytest.fixture
def counted(monkeypatch):
    """How many rows each call of HDBSCAN got, in order."""
    rows, fit = [], clusters.fit
    monkeypatch.setattr(clusters, "fit", lambda reduced, **given: rows.append(len(reduced)) or fit(reduced, **given))
    return rows


@pytest.mark.parametrize("preset", ["default", "published"])
def test_a_large_run_clusters_a_sample_and_assigns_the_rest(tmp_path, counted, preset):
    catalog, truth = vectors.make(tmp_path / "run", exposures=72, spread=0.5)
    stage = clusters.cluster(catalog, preset=preset, most=150)
    table = stage.table()
    assert max(counted) == 150
    assert list(table) == ["image_id", "cluster", "membership", "placed"]
    assert table.image_id.tolist() == truth.image_id.tolist()
    assert (table.placed.sum(), stage.parameters["sampled"]) == (len(truth) - 150, 150)
    assert table.membership.between(0, 1).all()
    inside = table.cluster >= 0
    assert inside[table.placed].mean() > 0.7
    kind = truth.reason[~table.placed & inside].groupby(table.cluster[~table.placed & inside])
    kind = kind.agg(lambda own: own.value_counts().index[0])
    assert (kind.loc[table.cluster[inside]].to_numpy() == truth.reason[inside]).mean() > 0.9
    metrics = stage.json("metrics")
    assert (metrics["sampled"], metrics["placed"], metrics["measured_on"]) == (150, len(truth) - 150, 150)
    assert metrics["placed_share"] == pytest.approx(inside[table.placed].mean(), abs=1e-6)
    again = clusters.cluster(catalog, preset=preset, most=150)
    assert again.stage_id == stage.stage_id


def test_blocks_do_not_change_what_is_assigned(tmp_path, monkeypatch):
    catalog, _ = vectors.make(tmp_path / "run", exposures=72, spread=0.5)
    stage = clusters.cluster(catalog, most=150)
    read = []
    monkeypatch.setattr(rest, "BLOCK", 64)
    monkeypatch.setattr(rest, "reduced", lambda reduction, own: read.append(len(own)) or reduction.apply(own))
    again = clusters.cluster(catalog, most=150).table()
    assert again.drop(columns="membership").equals(stage.table().drop(columns="membership"))
    np.testing.assert_allclose(again.membership, stage.table().membership, rtol=1e-9)
    assert max(read) <= 64
    assert sum(read) == len(stage.table()) - 150


def test_up_to_the_limit_every_image_is_clustered(tmp_path, counted):
    catalog, truth = vectors.make(tmp_path / "run", exposures=24)
    stage = clusters.cluster(catalog, most=len(truth))
    assert counted[0] == len(truth)
    assert list(stage.table()) == ["image_id", "cluster", "membership"]
    assert "sampled" not in stage.parameters | stage.json("metrics")


def test_a_growing_run_keeps_most_of_its_sample():
    ids = np.random.default_rng(0).permutation(100_000)
    before, after = (set(ids[:n][sample.sampled_rows(ids[:n], 1_000)]) for n in (50_000, 60_000))
    assert len(before) == len(after) == 1_000
    assert len(before & after) > 750
    assert set(sample.sampled_rows(ids, 1_000, seed=1)) != set(sample.sampled_rows(ids, 1_000))
    with pytest.raises(BadInput, match="too small"):
        sample.sampled_rows(ids, 10)


def test_what_does_not_fit_is_refused_before_it_starts(tmp_path, counted, monkeypatch):
    catalog, _ = vectors.make(tmp_path / "run", exposures=24)
    said = []
    clusters.cluster(catalog, most=100, progress=lambda *at: said.append(at[2] if len(at) > 2 else ""))
    assert said[0].startswith("100 of 144 images are clustered; about 0.4 GB of memory and")
    counted.clear()
    monkeypatch.setattr(memory, "memory_bytes", lambda: 1 << 20)
    with pytest.raises(BadInput, match=r"clustering 100 images takes about 0.4 GB.*give a smaller number to --sample"):
        clusters.cluster(catalog, most=100)
    assert not counted
