"""Learners that a classifier may have besides its neighbours: a linear one and a forest.

Both read (n, dim) numbers and give each label a separate probability, so an image may have several labels.
scikit-learn fits them. The fitted learners are plain arrays, and answering needs no scikit-learn.
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
LEAF, MOST_LEAVES = 2, 1_500  # least number of images in a leaf; largest number of leaves in a tree
FEATURES = 0.7  # share of the numbers that a tree looks at for each split
SURE = 1e-4  # probabilities are kept at least this far from 0 and 1
BLOCK = 65_536  # rows for which the linear learner answers at a time


@dataclass(frozen=True)
class Linear:
    """probability = sigmoid(x @ matrix + offset). matrix : (dim, n_labels), offset : (n_labels,), float64."""

    matrix: np.ndarray
    offset: np.ndarray

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """Probabilities (n, n_labels) float64 of x (n, dim) float32."""
        found = np.empty((len(x), len(self.offset)))
        for start in range(0, len(x), BLOCK):
            found[start : start + BLOCK] = expit(x[start : start + BLOCK] @ self.matrix + self.offset)
        return found


@dataclass(frozen=True)
class Forest:
    """Trees as arrays over all their nodes.

    roots : (n_trees,) int32. feature : (n_nodes,) int32, -1 in a leaf. threshold : (n_nodes,) float64; a value up to it
    goes left. left, right : (n_nodes,) int32. values : (n_nodes, n_labels) float32, the share of training images with
    each label.
    """

    roots: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    values: np.ndarray

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """Probabilities (n, n_labels) float64 of x (n, dim) float32."""
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
    """Standardise, keep the COMPONENTS strongest principal components, fit one logistic regression per label.

    x : (n, dim) float32. carried : (n, n_labels) bool, which image has which label. weights : (n,) of the images. If
    all images have a label, or none has it, the answer for that label is a constant.
    """
    if (carried == carried[:1]).all():
        return Linear(np.zeros((x.shape[1], carried.shape[1])), logit(np.where(carried[0], 1 - SURE, SURE)))
    settled = np.array([own.all() or not own.any() for own in carried.T])
    slopeless = np.where(carried.all(axis=0), logit(1 - SURE), logit(SURE))
    if settled.all():  # also true for a single image, which has no spread to standardise by
        return Linear(np.zeros((x.shape[1], carried.shape[1])), slopeless)
    # One thread: the result does not depend on the number of cores, and it is faster if other processes use the cores.
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
    """Extremely randomised trees (Geurts et al. 2006), fitted to the labels. For the other arguments see `fit_linear`.

    groups : (n,) which images are near copies of each other, such as those of one exposure. If it is given, an image
    with a weight below 1 is left out of some trees, together with its group, instead of being weighted. A lower weight
    would change nothing in a leaf that holds only near copies, because they all have the same weight.
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
    """Multiply the log-odds of probabilities by `sharpness`.

    Above 1, they move away from one half; below 1, towards it.
    """
    return expit(sharpness * logit(np.clip(shares, SURE, 1 - SURE)))


def surprises(shares: np.ndarray, carried: np.ndarray) -> np.ndarray:
    """(n,) mean binary cross-entropy of each image's probabilities."""
    shares = np.clip(shares, SURE, 1 - SURE)
    return -np.where(carried, np.log(shares), np.log(1 - shares)).mean(axis=1)


def surprise(shares: np.ndarray, carried: np.ndarray, weights: np.ndarray) -> float:
    """Weighted mean of the binary cross-entropy over images. weights : (n,)."""
    return float((surprises(shares, carried) * weights).sum() / weights.sum())
