"""Learners that a classifier may have beside its neighbours: a linear one, a forest, and the two of them mixed.

Both read (n, dim) numbers and give each label a probability of its own, so an image may carry several labels. Fitting
is scikit-learn's; what is fitted is kept as plain arrays, and asked without scikit-learn.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.special import expit, logit
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.tree import ExtraTreeRegressor
from threadpoolctl import threadpool_limits

from triptych.pipeline.parallel import cores

COMPONENTS = 100
STRENGTH = 0.03  # inverse regularisation of the logistic regression
TREES = 40
LEAF, MOST_LEAVES = 2, 1_500  # images in a leaf at least; leaves of a tree at most
FEATURES = 0.7  # share of the numbers that a tree looks at for each split
SURE = 1e-4  # no probability nearer to 0 or 1 than this
BLOCK = 65_536


@dataclass(frozen=True)
class Linear:
    """probability = sigmoid(x @ matrix + offset). matrix : (dim, n_labels), offset : (n_labels,), float64."""

    matrix: np.ndarray
    offset: np.ndarray

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """(n, dim) float32 -> (n, n_labels) float64."""
        found = np.empty((len(x), len(self.offset)))
        for start in range(0, len(x), BLOCK):
            found[start : start + BLOCK] = expit(x[start : start + BLOCK] @ self.matrix + self.offset)
        return found


@dataclass(frozen=True)
class Forest:
    """Trees as arrays over all their nodes. feature : (n_nodes,) int32, -1 in a leaf. threshold : (n_nodes,) float64,
    the left branch is taken up to it. left, right : (n_nodes,) int32. values : (n_nodes, n_labels) float32, the share
    of training images that carry each label. roots : (n_trees,) int32."""

    roots: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    values: np.ndarray

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """(n, dim) float32 -> (n, n_labels) float64."""
        found = np.zeros((len(x), self.values.shape[1]))
        _descend(
            np.ascontiguousarray(x, np.float32),
            self.roots,
            self.feature,
            self.threshold,
            self.left,
            self.right,
            self.values,
            found,
        )
        return found


@njit(nogil=True, cache=True)
def _descend(x, roots, feature, threshold, left, right, values, found):
    for i in range(len(x)):
        for node in roots:
            while feature[node] >= 0:
                node = left[node] if x[i, feature[node]] <= threshold[node] else right[node]
            found[i] += values[node]
        found[i] /= len(roots)


def fit_linear(x: np.ndarray, carried: np.ndarray, weights: np.ndarray) -> Linear:
    """Standardise, keep the strongest components, one logistic regression per label.

    x : (n, dim) float32. carried : (n, n_labels) bool. weights : (n,) of the images. A label that all or none of the
    images carry gets that as its answer.
    """
    if (carried == carried[:1]).all():
        return Linear(np.zeros((x.shape[1], carried.shape[1])), logit(np.where(carried[0], 1 - SURE, SURE)))
    settled = np.array([own.all() or not own.any() for own in carried.T])
    slopeless = np.where(carried.all(axis=0), logit(1 - SURE), logit(SURE))
    if settled.all():  # also a single image, which has no spread to standardise by
        return Linear(np.zeros((x.shape[1], carried.shape[1])), slopeless)
    # One thread: the same numbers on any number of cores, and quicker where other processes keep the cores busy.
    with threadpool_limits(1):
        scaler = StandardScaler().fit(x)
        scaled = scaler.transform(x).astype(np.float64)
        pca = PCA(min(COMPONENTS, *scaled.shape), svd_solver="covariance_eigh").fit(scaled)
        components = pca.transform(scaled)
        slopes, offsets = np.zeros((components.shape[1], carried.shape[1])), slopeless
        for label in np.flatnonzero(~settled):
            model = LogisticRegression(C=STRENGTH, solver="newton-cholesky").fit(components, carried[:, label], weights)
            slopes[:, label], offsets[label] = model.coef_[0], model.intercept_[0]
    matrix = (pca.components_.T @ slopes) / scaler.scale_[:, None]
    offset = offsets - pca.mean_ @ (pca.components_.T @ slopes) - scaler.mean_ @ matrix
    return Linear(matrix, offset)


def fit_forest(
    x: np.ndarray, carried: np.ndarray, weights: np.ndarray, *, seed: int, groups: np.ndarray | None = None
) -> Forest:
    """Extremely randomised trees (Geurts et al. 2006) on the shares of labels; see `fit_linear` for the arguments.

    groups : (n,) which images are nearly copies of each other, those of an exposure. An image with a weight below 1 is
    then left out of so many trees instead, with its group: in a leaf of near copies, which all weigh the same, a lower
    weight would change nothing.
    """
    settings = {"min_samples_leaf": LEAF, "max_leaf_nodes": MOST_LEAVES, "max_features": FEATURES}
    wanted = carried.astype(np.float64) if carried.shape[1] > 1 else carried[:, 0].astype(np.float64)
    if groups is None or (weights >= 1).all():
        grown = ExtraTreesRegressor(TREES, **settings, random_state=seed, n_jobs=-1).fit(x, wanted, weights).estimators_
    else:
        group = np.unique(groups, return_inverse=True)[1]

        def grow(number: int) -> ExtraTreeRegressor:
            rng = np.random.default_rng([seed, number])
            kept = rng.random(group.max() + 1)[group] < weights
            counts = np.maximum(weights, 1) * (kept if kept.any() else 1.0)
            return ExtraTreeRegressor(**settings, random_state=int(rng.integers(2**31))).fit(x, wanted, counts)

        with ThreadPoolExecutor(cores()) as pool:
            grown = list(pool.map(grow, range(TREES)))
    grown = [tree.tree_ for tree in grown]
    roots = np.cumsum([0, *(tree.node_count for tree in grown[:-1])]).astype(np.int32)
    joined = {name: np.concatenate([getattr(tree, name) for tree in grown]) for name in ("feature", "threshold")}
    feature = np.where(joined["feature"] < 0, -1, joined["feature"]).astype(np.int32)
    below = [
        np.concatenate([np.maximum(getattr(tree, side), 0) + root for tree, root in zip(grown, roots, strict=True)])
        for side in ("children_left", "children_right")
    ]
    values = np.concatenate([tree.value[:, :, 0] for tree in grown]).astype(np.float32)
    left, right = (side.astype(np.int32) for side in below)
    return Forest(roots, feature, joined["threshold"], left, right, values)


def sharpened(shares: np.ndarray, sharpness: float) -> np.ndarray:
    """Probabilities further from one half (sharpness above 1) or nearer to it, by a factor on their log-odds."""
    return expit(sharpness * logit(np.clip(shares, SURE, 1 - SURE)))


def surprises(shares: np.ndarray, carried: np.ndarray) -> np.ndarray:
    """(n,) binary cross-entropy of each image's probabilities."""
    shares = np.clip(shares, SURE, 1 - SURE)
    return -np.where(carried, np.log(shares), np.log(1 - shares)).mean(axis=1)


def surprise(shares: np.ndarray, carried: np.ndarray, weights: np.ndarray) -> float:
    """Mean binary cross-entropy of probabilities; weights : (n,)."""
    return float((surprises(shares, carried) * weights).sum() / weights.sum())
