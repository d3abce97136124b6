"""Clusters of similar images, found without labels by HDBSCAN.

No fitted clusterer is stored. HDBSCAN uses no random numbers, so the same vectors always give the same clusters. To
assign new images, `place` fits it again on the vectors from which the stage was made.
"""

from collections.abc import Callable
from dataclasses import dataclass

import hdbscan
import numpy as np
import pandas as pd
from sklearn.cluster import HDBSCAN

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.errors import CatalogError, choose
from triptych.pipeline.vectors import frozen_stages
from triptych.pipeline.vectors.cluster_quality import quality
from triptych.pipeline.vectors.reduction import Reduction, fit_reduction

BLOCK = 10_000
SIZES = ("min_cluster_size", "min_samples", "max_cluster_size", "library")
# At least this share of a stage's images must get the same cluster when the clusterer is fitted again.
AGREE = 0.98


@dataclass(frozen=True)
class Preset:
    """Settings of HDBSCAN.

    components : of the PCA before it. The sizes : 0 = by the size of the run, or no largest size. library : whose
    HDBSCAN.
    """

    components: int
    min_cluster_size: int
    min_samples: int
    max_cluster_size: int
    library: str = "hdbscan"

    def reduction(self, vectors: np.ndarray, seed: int) -> Reduction:
        return fit_reduction(vectors, scaler="standard", components=self.components, seed=seed)


# name -> settings. "published" is scikit-learn's HDBSCAN with the published two sizes and its default min_samples.
PRESETS: dict[str, Preset] = {
    "default": Preset(components=15, min_cluster_size=0, min_samples=5, max_cluster_size=0),
    "published": Preset(100, min_cluster_size=5, min_samples=5, max_cluster_size=500, library="scikit-learn"),
}


def fit(
    reduced: np.ndarray,
    *,
    min_cluster_size: int,
    min_samples: int,
    max_cluster_size: int = 0,
    library: str = "hdbscan",
    predicts: bool = False,
):
    """Fit HDBSCAN on `reduced` (n, dim) float and return the clusterer; None if there are too few images for a cluster.

    library : "hdbscan" or "scikit-learn"; scikit-learn's min_samples counts the image itself. predicts : make a
    clusterer that can assign new images. That is always the hdbscan library's; a few images at the borders of clusters
    may differ.
    """
    if len(reduced) <= max(min_cluster_size, min_samples):
        return None
    reduced = np.ascontiguousarray(reduced, dtype=np.float64)
    if library == "scikit-learn" and not predicts:
        largest = max_cluster_size or None
        return HDBSCAN(
            min_cluster_size=min_cluster_size, min_samples=min_samples, max_cluster_size=largest, n_jobs=1, copy=True
        ).fit(reduced)
    return hdbscan.HDBSCAN(
        min_cluster_size=min_cluster_size,
        min_samples=min_samples - (library == "scikit-learn"),
        max_cluster_size=max_cluster_size,
        approx_min_span_tree=False,
        core_dist_n_jobs=1,
        cluster_selection_method="eom",
        prediction_data=predicts,
    ).fit(reduced)


def find(reduced: np.ndarray, **sizes) -> tuple[np.ndarray, np.ndarray]:
    """Return cluster (n,) int64, -1 = in no cluster, and membership (n,) float64 in [0, 1].

    reduced : (n, dim) float. sizes : see `fit`. Clusters are numbered by size, the largest is 0; equal ones are ordered
    by their first image. So the same vectors give the same numbers.
    """
    found = fit(reduced, **sizes)
    if found is None:
        return np.full(len(reduced), -1), np.zeros(len(reduced))
    labels, first, counts = np.unique(found.labels_[found.labels_ >= 0], return_index=True, return_counts=True)
    number = np.full(len(labels) + 1, -1)  # the last entry is for -1, in no cluster
    number[np.lexsort((first, -counts))] = np.arange(len(labels))
    return number[found.labels_].astype(np.int64), np.asarray(found.probabilities_, dtype=np.float64)


def cluster(
    catalog: Catalog,
    *,
    preset: str = "default",
    min_cluster_size: int | None = None,
    min_samples: int | None = None,
    draws: int = 5,
    seed: int = 0,
    progress: Callable | None = None,
) -> Stage:
    """Cluster the current embedding after StandardScaler and PCA; write and return the cluster stage.

    preset : a name in PRESETS, whose sizes are used unless others are given. min_cluster_size : by default n_images /
    500, between 10 and 100. draws : number of random samples that are clustered again to measure the stability.
    The stage's `metrics.json` holds silhouette, DBCV and stability.
    """
    how = PRESETS[choose(preset, PRESETS, "cluster preset")]
    embedding = catalog.stage("embedding")
    vectors, keys = embedding.array(), embedding.table("keys")
    report = progress or (lambda *_: None)
    steps = 3 + draws
    report(0, steps, "reducing")
    sizes = {
        "min_cluster_size": min_cluster_size or how.min_cluster_size or int(np.clip(len(keys) // 500, 10, 100)),
        "min_samples": min_samples or how.min_samples,
        "max_cluster_size": how.max_cluster_size,
        "library": how.library,
    }
    reduced = how.reduction(vectors, seed).apply(vectors)
    report(1, steps, "clustering")
    labels, membership = find(reduced, **sizes)
    report(2, steps, "measuring")
    metrics = quality(reduced, labels, find, sizes, draws=draws, seed=seed, report=lambda n: report(3 + n, steps))
    parameters = {**sizes, "preset": preset, "components": how.components, "seed": seed}
    with catalog.new_stage("cluster", "hdbscan", parents=[embedding], parameters=parameters) as writer:
        writer.write_table(
            pd.DataFrame({"image_id": keys.image_id.to_numpy(), "cluster": labels, "membership": membership})
        )
        writer.write_json(metrics, "metrics")
    report(steps, steps, f"{labels.max(initial=-1) + 1} clusters")
    return writer.stage


def assign(base: Stage, vectors: np.ndarray, progress: Callable | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return cluster (m,) int64 and membership (m,) float64 of new `vectors` (m, dim) in the clusters of stage `base`.

    Uses hdbscan's approximate_predict, with a clusterer that is fitted again on the vectors of `base`. Each new cluster
    gets the number of the stored cluster that it shares most images with. CatalogError if less than AGREE of the images
    get their stored cluster again.
    """
    given, table = base.parameters, base.table()
    earlier = base.parent("embedding").array()
    reduction = PRESETS[given.get("preset", "default")].reduction(earlier, given["seed"])
    sizes = {name: given[name] for name in SIZES if name in given}
    labels, membership = np.full(len(vectors), -1), np.zeros(len(vectors))
    found = fit(reduction.apply(earlier), **sizes, predicts=True)
    if found is None:
        return labels, membership
    stored = table.cluster.to_numpy()
    shared = np.zeros((found.labels_.max() + 2, stored.max() + 2), np.int64)
    np.add.at(shared, (found.labels_, stored), 1)
    number = shared.argmax(axis=1)
    number[number == shared.shape[1] - 1] = -1
    number[-1] = -1
    if (number[found.labels_] == stored).mean() < AGREE:
        made_with = base.info["versions"].get("hdbscan")
        raise CatalogError(
            f"the clusters of {base.stage_id}, made with hdbscan {made_with}, cannot be reproduced; "
            "leave out --place to make new ones"
        )
    reduced = np.ascontiguousarray(reduction.apply(vectors))
    for start in range(0, len(reduced), BLOCK):
        block = slice(start, start + BLOCK)
        raw, membership[block] = hdbscan.approximate_predict(found, reduced[block])
        labels[block] = number[raw]
        if progress:
            progress(min(start + BLOCK, len(reduced)), len(reduced), "assigning")
    return labels, membership


def place(catalog: Catalog, *, progress: Callable | None = None) -> Stage:
    """Assign new images to the current clusters; write and return a new cluster stage. Column `placed`: True if new.

    Images of the frozen stage keep their cluster. If there is nothing to assign, the current stage is returned.
    """
    embedding, current = catalog.stage("embedding"), catalog.stage("cluster", fresh=False)
    if current.parent("embedding").digest == embedding.digest:
        return current
    base = frozen_stages.original(catalog, "cluster")
    known = frozen_stages.known_rows(base, embedding)
    before, new = base.table(), known < 0
    labels = before.cluster.to_numpy()[np.maximum(known, 0)].copy()
    membership = before.membership.to_numpy()[np.maximum(known, 0)].copy()
    labels[new], membership[new] = assign(base, embedding.array()[new], progress)
    table = pd.DataFrame({"image_id": embedding.table("keys").image_id.to_numpy(), "cluster": labels})
    parameters = {**base.parameters, "frozen": base.stage_id, "frozen_digest": base.digest}
    with catalog.new_stage("cluster", "placed", parents=[embedding], parameters=parameters) as writer:
        writer.write_table(table.assign(membership=membership, placed=new))
        writer.write_json(base.json("metrics"), "metrics")
    return writer.stage
