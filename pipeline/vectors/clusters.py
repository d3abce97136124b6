"""Groups of images that look alike, found without labels by HDBSCAN.

No fitted clusterer is kept: HDBSCAN draws nothing at random, so the same vectors always give the same tree, and new
images are assigned by fitting it again on the vectors that the stage was made from (`place`).
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
# The part of a stage's images that a clusterer fitted again must put into the same cluster.
AGREE = 0.98


@dataclass(frozen=True)
class Preset:
    """The space that is clustered; HDBSCAN's sizes (0 = by the run's size, or no largest size); and whose HDBSCAN."""

    components: int
    min_cluster_size: int
    min_samples: int
    max_cluster_size: int
    library: str = "hdbscan"

    def reduction(self, vectors: np.ndarray, seed: int) -> Reduction:
        return fit_reduction(vectors, scaler="standard", components=self.components, seed=seed)


# name -> how. "published" is scikit-learn's HDBSCAN with these two sizes, its min_samples as it comes.
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
    """Fit HDBSCAN on `reduced` (n, dim) float and return the fitted clusterer; None with too few images for a cluster.

    library : "hdbscan", or "scikit-learn", whose min_samples counts the image itself. With `predicts` it is always
    hdbscan's, which can take new images; the two differ in a few images at the borders.
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
    """Return cluster (n,) int64, -1 = in none, and membership (n,) float64 in [0, 1].

    reduced : (n, dim) float. sizes : as `fit` takes them. Clusters are numbered by size, the largest 0, equal ones by
    their first image, so that the same vectors give the same numbers.
    """
    found = fit(reduced, **sizes)
    if found is None:
        return np.full(len(reduced), -1), np.zeros(len(reduced))
    labels, first, counts = np.unique(found.labels_[found.labels_ >= 0], return_index=True, return_counts=True)
    number = np.full(len(labels) + 1, -1)  # -1, in none, is the last
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
    """Cluster the current embedding in StandardScaler -> PCA; write and return the cluster stage.

    preset : of PRESETS, whose sizes hold unless given. min_cluster_size : by default a five-hundredth of the images,
    between 10 and 100. draws : random parts of the images that are clustered again to see what stays together.
    Silhouette, DBCV and this stability are the stage's `metrics.json`.
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

    hdbscan's approximate_predict, on a clusterer fitted again from the vectors of `base`. Its clusters must be those of
    the stage; each takes the number of the one that it shares most images with.
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
            f"the clusters of {base.stage_id}, made with hdbscan {made_with}, do not come out again; "
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
    """Assign the images that the clusters do not have yet; write and return a new cluster stage, `placed` where new.

    Images of the frozen stage keep their cluster and number. With nothing to assign, the current stage is returned.
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
