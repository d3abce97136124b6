"""Clusters of similar images, found without labels by HDBSCAN.

In a large survey a sample is clustered, and the other images are assigned to its clusters (see `sample`).

No fitted clusterer is stored as an object. HDBSCAN uses no random numbers, so the same vectors always give the same
clusters. To assign new images, `place` needs the tree of clusters: it is kept as arrays where a sample was clustered,
else HDBSCAN is fitted again the first time that images are placed.
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
from triptych.pipeline.memory import Needs
from triptych.pipeline.vectors import assigner, frozen_stages, rest, sample
from triptych.pipeline.vectors.assigner import Assigner
from triptych.pipeline.vectors.cluster_quality import quality
from triptych.pipeline.vectors.reduction import Reduction, fit_reduction

SIZES = ("min_cluster_size", "min_samples", "max_cluster_size", "library")
# At least this share of a stage's images must get the same cluster when the clusterer is fitted again.
AGREE = 0.98
# How much of the progress bar the placing takes, in steps.
PLACING_STEPS = 4


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
        """The reduction before HDBSCAN, fitted to (n, dim) vectors."""
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
    return _numbered(fit(reduced, **sizes), len(reduced))


def _numbered(found, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Clusters and memberships of a fitted clusterer, numbered as `find` says. found : from `fit` for n images."""
    if found is None:
        return np.full(n, -1), np.zeros(n)
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
    most: int = sample.MOST,
    draws: int = 5,
    seed: int = 0,
    progress: Callable | None = None,
) -> Stage:
    """Cluster the current embedding after StandardScaler and PCA; write and return the cluster stage.

    preset : a name in PRESETS, whose sizes are used unless others are given. min_cluster_size : by default 1/500 of the
    images that are clustered, between 10 and 100. most : in a run of more images, a sample of so many is clustered, and
    the others are assigned to its clusters; then the table has the column `placed`. draws : number of random samples
    that are clustered again to measure the stability. The stage's `metrics.json` holds silhouette, DBCV and stability.
    BadInput if `most` is below sample.LEAST.
    """
    how = PRESETS[choose(preset, PRESETS, "cluster preset")]
    embedding = catalog.stage("embedding")
    vectors, image_ids = embedding.array(), embedding.table("keys", ["image_id"]).image_id.to_numpy()
    rows = sample.sampled_rows(image_ids, most, seed)
    whole = len(rows) == len(image_ids)
    report = progress or (lambda *_: None)
    steps = 3 + draws + (0 if whole else PLACING_STEPS)
    needed = needs(len(rows), len(image_ids))
    if how.components <= PRESETS["default"].components:  # what more components cost was not measured
        needed.must_fit(f"clustering {len(rows):,} images", "give a smaller number to --sample")
        report(0, steps, f"{len(rows):,} of {len(image_ids):,} images are clustered; {needed}")
    sizes = {
        "min_cluster_size": min_cluster_size or how.min_cluster_size or int(np.clip(len(rows) // 500, 10, 100)),
        "min_samples": min_samples or how.min_samples,
        "max_cluster_size": how.max_cluster_size,
        "library": how.library,
    }
    own = rest.taken(vectors, rows)
    reduction = how.reduction(own, seed)
    reduced = reduction.apply(own)
    report(1, steps, "clustering")
    both = not whole and how.library == "hdbscan"  # one fit that can also assign
    found = fit(reduced, **sizes, predicts=both)
    labels, membership = _numbered(found, len(reduced))
    report(2, steps, "measuring")
    metrics = quality(reduced, labels, find, sizes, draws=draws, seed=seed, report=lambda n: report(3 + n, steps))
    parameters = {**sizes, "preset": preset, "components": how.components, "seed": seed}
    table = pd.DataFrame({"image_id": image_ids[rows], "cluster": labels, "membership": membership})
    places = None
    if not whole:
        parameters |= {"sampled": len(rows)}
        fitted = found if both else fit(reduced, **sizes, predicts=True)
        places = assigner.assigner_of(fitted, reduced, labels, reduction, len(image_ids))
        table = _with_the_rest(table, image_ids, places, vectors, rows, lambda *at: report(*_part(at, steps)))
        metrics |= {
            "sampled": len(rows),
            "placed": len(table) - len(rows),
            "placed_share": round(float((table.cluster >= 0)[table.placed].mean()), 6),
        }
    with catalog.new_stage("cluster", "hdbscan", parents=[embedding], parameters=parameters) as writer:
        writer.write_table(table)
        writer.write_json(metrics, "metrics")
        if places is not None:
            writer.write_arrays(places.arrays(), assigner.FILE)
    report(steps, steps, f"{labels.max(initial=-1) + 1} clusters")
    return writer.stage


def needs(n_clustered: int, n: int) -> Needs:
    """What clustering takes, with 15 components, as measured with 20,000 to 100,000 of up to 5.67 million images."""
    return Needs(
        n_bytes=0.35e9 + 7_500 * n_clustered + 75 * n,
        seconds=4 + 120 * (n_clustered / 100_000) ** 1.6 + 27e-6 * (n - n_clustered),
    )


def _part(at: tuple, steps: int) -> tuple:
    """Progress of the placing, the last PLACING_STEPS of all steps."""
    done, total, text = at
    return steps - PLACING_STEPS + int(PLACING_STEPS * done / total), steps, text


def _with_the_rest(sampled, image_ids, places: Assigner, vectors, rows, progress) -> pd.DataFrame:
    """The table of all images, from that of the sample at `rows`; the others are assigned."""
    placed = np.ones(len(image_ids), bool)
    placed[rows] = False
    labels, membership = np.full(len(image_ids), -1), np.zeros(len(image_ids))
    labels[rows], membership[rows] = sampled.cluster, sampled.membership
    for own, found in rest.blocks_of(places, places.reduction, vectors, placed, progress=progress):
        labels[own], membership[own] = found
    return pd.DataFrame({"image_id": image_ids, "cluster": labels, "membership": membership, "placed": placed})


def _assigner_of(base: Stage, current: Stage, n_queries: int) -> Assigner:
    """The assigner of a computed stage. CatalogError if less than AGREE of its images agree.

    It is kept with the computed stage or with the current one that placed images in it; else the clusterer is fitted
    again.
    """
    found = assigner.kept_in([current, base], n_queries)
    if found is None:
        given, table = base.parameters, base.table()
        clustered = rest.landmarks_of(table)
        earlier = rest.taken(base.parent("embedding").array(), clustered)
        reduction = PRESETS[given.get("preset", "default")].reduction(earlier, given["seed"])
        sizes = {name: given[name] for name in SIZES if name in given}
        reduced = reduction.apply(earlier)
        stored = table.cluster.to_numpy()[clustered]
        found = assigner.assigner_of(fit(reduced, **sizes, predicts=True), reduced, stored, reduction, n_queries)
    if found.agreeing < AGREE:
        made_with = base.info["versions"].get("hdbscan")
        raise CatalogError(
            f"the clusters of {base.stage_id}, made with hdbscan {made_with}, cannot be reproduced; "
            "leave out --place to make new ones"
        )
    return found


def assign(base: Stage, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return cluster (m,) int64 and membership (m,) float64 of new `vectors` (m, dim) in the clusters of stage `base`.

    As hdbscan's approximate_predict, with a clusterer that is fitted again on the vectors of `base` that were
    clustered. CatalogError if less than AGREE of those images get their stored cluster again.
    """
    found = _assigner_of(base, base, len(vectors))
    return found(found.reduction.apply(vectors))


def place(catalog: Catalog, *, progress: Callable | None = None) -> Stage:
    """Assign new images to the current clusters; write and return a new cluster stage. Column `placed`: True if new.

    Images of the frozen stage keep their cluster, and those that were placed there count as placed. If there is nothing
    to assign, the current stage is returned. Only exposures that are not as in the current stage are looked at, where
    the two embeddings say which those are.
    """
    embedding, current = catalog.stage("embedding"), catalog.stage("cluster", fresh=False)
    if current.parent("embedding").digest == embedding.digest:
        return current
    base = frozen_stages.original(catalog, "cluster")
    follows = frozen_stages.following(current, embedding)
    rows, image_ids = frozen_stages.rows_to_place(follows, embedding)
    known = frozen_stages.known_rows(base, embedding, rows)
    new, known = known < 0, np.maximum(known, 0)
    before = base.table()
    labels, membership = before.cluster.to_numpy()[known].copy(), before.membership.to_numpy()[known].copy()
    placed = new | before.placed.to_numpy()[known] if "placed" in before else new
    places = _assigner_of(base, current, int(new.sum()))
    vectors = embedding.array()
    wanted = np.zeros(len(vectors), bool)
    wanted[rows[new]] = True
    for own, answer in rest.blocks_of(places, places.reduction, vectors, wanted, progress=progress):
        at = np.searchsorted(rows, own)
        labels[at], membership[at] = answer
    table = pd.DataFrame({"image_id": image_ids, "cluster": labels, "membership": membership, "placed": placed})
    parameters = {**base.parameters, "frozen": base.stage_id, "frozen_digest": base.digest}
    with catalog.new_stage("cluster", "placed", parents=[embedding], parameters=parameters) as writer:
        if follows:
            follows.write_table(writer, table)
        else:
            writer.write_table(table)
        writer.write_json(base.json("metrics"), "metrics")
        if not base.has_arrays(assigner.FILE):
            writer.write_arrays(places.arrays(), assigner.FILE)
    return writer.stage
