"""Assigns images to clusters that HDBSCAN has found, many at a time.

It gives what hdbscan's `approximate_predict` gives: an image joins its neighbour of the smallest mutual reachability
distance, and belongs to the cluster in which that neighbour was at that density. The search for neighbours and the way
up the tree of clusters are done for a block of images at once.
"""

from dataclasses import dataclass

import numpy as np

from triptych.pipeline.vectors.neighbours import Neighbourhood, neighbourhood


@dataclass(frozen=True)
class ClusterTree:
    """The clustered images, and the tree of clusters that they are in.

    near : the images, prepared for a search. core : (n,) float64, core distance of each. min_samples : as HDBSCAN
    counts it. left, left_at : (n,) the cluster that each image was in last, and the density (one over a distance) at
    which it left. above, joined_at : (k,) the cluster above each cluster, and the density at which they join; the root
    has itself and -inf. label : (k,) int64, the found cluster that each cluster is a part of, -1 = none. densest : (k,)
    the highest density of the found cluster.
    """

    near: Neighbourhood
    core: np.ndarray
    min_samples: int
    left: np.ndarray
    left_at: np.ndarray
    above: np.ndarray
    joined_at: np.ndarray
    label: np.ndarray
    densest: np.ndarray

    def assign(self, reduced: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the label (m,) int64, -1 = in no cluster, and the membership (m,) float64 of `reduced` (m, dim)."""
        k = min(2 * self.min_samples, len(self.core))
        rows, distances = self.near.nearest(reduced, np.full(len(reduced), -1), k, power=2)
        reach = np.maximum(np.maximum(self.core[rows], distances[:, [min(self.min_samples, k - 1)]]), distances)
        nearest = reach.argmin(axis=1)[:, None]
        neighbour = np.take_along_axis(rows, nearest, axis=1)[:, 0]
        with np.errstate(divide="ignore"):
            density = np.minimum(1 / np.take_along_axis(reach, nearest, axis=1)[:, 0], np.finfo(float).max)
        cluster = self.left[neighbour]
        climbs = np.flatnonzero(self.left_at[neighbour] > density)
        while len(climbs := climbs[self.joined_at[cluster[climbs]] >= density[climbs]]):
            cluster[climbs] = self.above[cluster[climbs]]
        label, densest = self.label[cluster], self.densest[cluster]
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(densest > 0, np.minimum(density, densest) / densest, 1)
        return label, np.where(label >= 0, share, 0)


def tree_of(found, reduced: np.ndarray, n_queries: int) -> ClusterTree:
    """The tree of a clusterer that `clusters.fit` has fitted to `reduced` (n, dim) with `predicts`.

    n_queries : how many images will be assigned. The labels are those of the clusterer.
    """
    raw, known = found.condensed_tree_._raw_tree, found.prediction_data_
    n = len(reduced)  # clusters are numbered from n on, the root first
    k = max(int(raw["parent"].max(initial=n)), int(raw["child"].max(initial=n))) - n + 1
    of_image, of_cluster = raw[raw["child"] < n], raw[raw["child"] >= n]
    left, left_at = np.zeros(n, np.int64), np.zeros(n)
    left[of_image["child"]], left_at[of_image["child"]] = of_image["parent"] - n, of_image["lambda_val"]
    above, joined_at = np.zeros(k, np.int64), np.full(k, -np.inf)
    above[of_cluster["child"] - n], joined_at[of_cluster["child"] - n] = (
        of_cluster["parent"] - n,
        of_cluster["lambda_val"],
    )
    label, densest = np.full(k, -1), np.zeros(k)
    for cluster, number in known.cluster_map.items():
        label[cluster - n], densest[cluster - n] = number, known.max_lambdas[cluster]
    near = neighbourhood(reduced, np.zeros(n, np.int64), n_queries)
    samples = found.min_samples or found.min_cluster_size
    return ClusterTree(near, known.core_distances, samples, left, left_at, above, joined_at, label, densest)
