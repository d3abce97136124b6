"""HDBSCAN on a run and on tiny ones."""

import numpy as np

from pipeline import clusters
from tests import vectors


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
    assert steps[-1][:2] == (2, 2)
    assert clusters.cluster(catalog).digest == stage.digest


def test_too_few_images_are_in_no_cluster(tmp_path):
    catalog, _ = vectors.make(tmp_path / "run", exposures=1)
    table = clusters.cluster(catalog).table()
    assert (table.cluster == -1).all()
    assert (table.membership == 0).all()
