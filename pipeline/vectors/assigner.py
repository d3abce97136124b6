"""Gives new images the cluster of a stage that they lie among.

It is kept with the stage, so that nothing is fitted again when the next exposures come.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.vectors.cluster_tree import ClusterTree, tree_of
from triptych.pipeline.vectors.neighbours import neighbourhood
from triptych.pipeline.vectors.reduction import Reduction

FILE = "assigner"
OF_TREE = [field.name for field in fields(ClusterTree) if field.name != "near"]


@dataclass(frozen=True)
class Assigner:
    """reduction : of vectors. reduced : (n, k) float64, the clustered images. tree : their tree; None if there is no
    cluster. number : (n_fitted + 1,) int64, the stored cluster of each fitted one, the last entry for -1. agreeing :
    share of the clustered images that get their stored cluster from the tree.
    """

    reduction: Reduction
    reduced: np.ndarray
    tree: ClusterTree | None
    number: np.ndarray
    agreeing: float

    def __call__(self, reduced: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cluster (m,) int64 and membership (m,) float64 of `reduced` (m, dim)."""
        if self.tree is None:
            return np.full(len(reduced), -1), np.zeros(len(reduced))
        labels, membership = self.tree.assign(reduced)
        return self.number[labels], membership

    def arrays(self) -> dict[str, np.ndarray]:
        """All that `of_arrays` needs to make it again."""
        found = {"reduced": self.reduced, "number": self.number, "agreeing": np.array(self.agreeing)}
        found |= self.reduction.arrays()
        if self.tree is not None:
            found |= {f"tree_{name}": np.asarray(getattr(self.tree, name)) for name in OF_TREE}
        return found


def assigner_of(found: Any, reduced: np.ndarray, stored: np.ndarray, reduction: Reduction, n_queries: int) -> Assigner:
    """The assigner of a clusterer.

    found : from `clusters.fit` with `predicts`, for `reduced` (n, dim). stored : (n,) int64, the cluster of each in the
    table. Each cluster that was fitted gets the number of the stored cluster that it shares most images with.
    n_queries : how many images will be assigned.
    """
    reduced = np.ascontiguousarray(reduced, np.float64)
    if found is None:
        return Assigner(reduction, reduced, None, np.array([-1]), 1.0)
    shared = np.zeros((found.labels_.max() + 2, stored.max() + 2), np.int64)
    np.add.at(shared, (found.labels_, stored), 1)
    number = shared.argmax(axis=1)
    number[number == shared.shape[1] - 1] = -1
    number[-1] = -1
    agreeing = float((number[found.labels_] == stored).mean())
    return Assigner(reduction, reduced, tree_of(found, reduced, n_queries), number, agreeing)


def of_arrays(arrays: Mapping[str, np.ndarray], n_queries: int) -> Assigner:
    """The assigner with these `arrays`. n_queries : how many images will be assigned."""
    tree, reduced = None, arrays["reduced"]
    if "tree_core" in arrays:
        near = neighbourhood(reduced, np.zeros(len(reduced), np.int64), n_queries)
        own = {name: arrays[f"tree_{name}"] for name in OF_TREE}
        tree = ClusterTree(near, **{**own, "min_samples": int(own["min_samples"])})
    return Assigner(Reduction.of_arrays(arrays), reduced, tree, arrays["number"], float(arrays["agreeing"]))


def kept_in(stages: Sequence[Stage], n_queries: int) -> Assigner | None:
    """The assigner that the first of these cluster stages keeps; None if none does."""
    for stage in stages:
        if stage.has_arrays(FILE):
            return of_arrays(stage.arrays(FILE), n_queries)
    return None
