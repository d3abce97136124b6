"""Groups of images that look alike, found without labels by HDBSCAN."""

from collections.abc import Callable

import hdbscan
import numpy as np
import pandas as pd

from pipeline.catalog import Catalog, Stage
from pipeline.reduction import fit_reduction

COMPONENTS = 15


def find(reduced: np.ndarray, *, min_cluster_size: int, min_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return cluster (n,) int64, -1 = in none, and membership (n,) float64 in [0, 1].

    reduced : (n, dim) float. Clusters are numbered by size, the largest 0, equal ones by their first image, so that
    the same vectors give the same numbers.
    """
    n = len(reduced)
    if n <= max(min_cluster_size, min_samples):
        return np.full(n, -1), np.zeros(n)
    found = hdbscan.HDBSCAN(
        min_cluster_size=min_cluster_size,
        min_samples=min_samples,
        approx_min_span_tree=False,
        core_dist_n_jobs=1,
        cluster_selection_method="eom",
    ).fit(np.ascontiguousarray(reduced, dtype=np.float64))
    labels, first, sizes = np.unique(found.labels_[found.labels_ >= 0], return_index=True, return_counts=True)
    new = np.full(len(labels) + 1, -1)
    new[np.lexsort((first, -sizes))] = np.arange(len(labels))
    return new[found.labels_].astype(np.int64), np.asarray(found.probabilities_, dtype=np.float64)


def cluster(
    catalog: Catalog,
    *,
    min_cluster_size: int | None = None,
    min_samples: int = 5,
    seed: int = 0,
    progress: Callable | None = None,
) -> Stage:
    """Cluster the current embedding in StandardScaler -> PCA(15); write and return the cluster stage.

    min_cluster_size : by default a five-hundredth of the images, between 10 and 100.
    """
    embedding = catalog.stage("embedding")
    vectors, keys = embedding.array(), embedding.table("keys")
    report = progress or (lambda *_: None)
    report(0, 2, "reducing")
    size = min_cluster_size or int(np.clip(len(keys) // 500, 10, 100))
    reduced = fit_reduction(vectors, scaler="standard", components=COMPONENTS, seed=seed).apply(vectors)
    report(1, 2, "clustering")
    labels, membership = find(reduced, min_cluster_size=size, min_samples=min_samples)
    parameters = {"min_cluster_size": size, "min_samples": min_samples, "components": COMPONENTS, "seed": seed}
    with catalog.new_stage("cluster", "hdbscan", parents=[embedding], parameters=parameters) as writer:
        writer.write_table(
            pd.DataFrame({"image_id": keys.image_id.to_numpy(), "cluster": labels, "membership": membership})
        )
    report(2, 2, f"{labels.max(initial=-1) + 1} clusters")
    return writer.stage
