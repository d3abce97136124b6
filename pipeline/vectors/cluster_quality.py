"""How good clusters are: silhouette, density-based validity (DBCV), and stability when images are left out."""

import warnings
from collections.abc import Callable

import numpy as np
from hdbscan.validity import validity_index
from sklearn.metrics import adjusted_rand_score, silhouette_score

# Silhouette and DBCV look at every pair, so at most this many images are used, drawn with the seed.
MEASURED = 4_000
# For the stability, this share of the images is clustered again, but at most this many.
PART = 0.8
AGAIN = 10_000


def quality(
    reduced: np.ndarray,
    labels: np.ndarray,
    find: Callable,
    sizes: dict,
    *,
    draws: int = 5,
    seed: int = 0,
    report: Callable = lambda done: None,
) -> dict:
    """Return the figures that are stored with a cluster stage, as plain values. A figure that cannot be computed is
    None.

    reduced : (n, dim) float. labels : (n,) int, -1 = in no cluster. find : the function that made them, called as
    find(reduced, **sizes) -> (labels, membership). The silhouette is of the clustered images only; DBCV lowers the
    score for images in no cluster.
    """
    n = len(reduced)
    rng = np.random.default_rng(seed)
    measured = np.sort(rng.choice(n, MEASURED, replace=False)) if n > MEASURED else np.arange(n)
    return {
        "clusters": int(labels.max(initial=-1) + 1),
        "clustered_share": round(float((labels >= 0).mean()), 6) if n else None,
        "measured_on": len(measured),
        "silhouette": silhouette(reduced[measured], labels[measured]),
        "dbcv": dbcv(reduced[measured], labels[measured]),
        "stability": stability(reduced, labels, find, sizes, draws=draws, rng=rng, report=report),
    }


def silhouette(reduced: np.ndarray, labels: np.ndarray) -> float | None:
    """Mean silhouette of the clustered images, in [-1, 1]; None with fewer than two clusters."""
    inside = labels >= 0
    groups = len(np.unique(labels[inside]))
    if groups < 2 or inside.sum() <= groups:
        return None
    return round(float(silhouette_score(reduced[inside], labels[inside])), 6)


def dbcv(reduced: np.ndarray, labels: np.ndarray) -> float | None:
    """Density-based cluster validity (Moulavi et al. 2014), in [-1, 1]; None with fewer than two clusters.

    A cluster of fewer than three images has no density, so its images count as in no cluster.
    """
    names, sizes = np.unique(labels[labels >= 0], return_counts=True)
    kept = names[sizes >= 3]
    if len(kept) < 2:
        return None
    number = np.full(labels.max() + 2, -1)
    number[kept] = np.arange(len(kept))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = validity_index(np.ascontiguousarray(reduced, np.float64), number[labels].astype(np.intp))
    return round(float(value), 6) if np.isfinite(value) else None


def stability(
    reduced: np.ndarray,
    labels: np.ndarray,
    find: Callable,
    sizes: dict,
    *,
    draws: int,
    rng: np.random.Generator,
    report: Callable = lambda done: None,
) -> dict:
    """Cluster random samples of the images again, and compare with `labels` on the same images.

    The cluster sizes shrink with the sample. `ari` : adjusted Rand index of each draw, where all images in no cluster
    count as one group. `clusters` : for each cluster its best Jaccard overlap, averaged over the draws; a cluster above
    0.75 is called stable.
    """
    n = len(reduced)
    part = min(int(PART * n), AGAIN)
    ari, overlaps = [], []
    if part > max(sizes["min_cluster_size"], sizes["min_samples"]):
        scaled = {**sizes, "min_cluster_size": max(2, round(sizes["min_cluster_size"] * part / n))}
        if sizes["max_cluster_size"]:
            scaled["max_cluster_size"] = max(3, round(sizes["max_cluster_size"] * part / n))
        for draw in range(draws):
            rows = np.sort(rng.choice(n, part, replace=False))
            again, _ = find(reduced[rows], **scaled)
            ari.append(round(float(adjusted_rand_score(labels[rows], again)), 6))
            overlaps.append(_overlap(labels[rows], again, labels.max() + 1))
            report(draw + 1)
    return {
        "draws": len(ari),
        "images": part,
        "ari": ari,
        "ari_mean": round(float(np.mean(ari)), 6) if ari else None,
        "ari_lowest": min(ari, default=None),
        "clusters": [round(float(one), 6) for one in np.mean(overlaps, axis=0)] if overlaps else [],
    }


def _overlap(labels: np.ndarray, again: np.ndarray, n_clusters: int) -> np.ndarray:
    """Best Jaccard overlap (n_clusters,) of each cluster with any of the new clusters."""
    shared = np.zeros((n_clusters + 1, again.max(initial=-1) + 2))
    np.add.at(shared, (labels, again), 1)  # -1, in no cluster, is the last row and column
    either = shared.sum(axis=1, keepdims=True) + shared.sum(axis=0, keepdims=True) - shared
    ratio = np.divide(shared, either, out=np.zeros_like(shared), where=either > 0)
    return ratio[:-1, :-1].max(axis=1, initial=0)
