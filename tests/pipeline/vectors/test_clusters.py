"""HDBSCAN on a run and on tiny ones, the quality of its clusters, and the published clusters."""

import json

import numpy as np
import pytest
from sklearn.cluster import HDBSCAN
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import StandardScaler

from tests import vectors
from triptych.pipeline.errors import UnknownName
from triptych.pipeline.vectors import cluster_quality, clusters


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
