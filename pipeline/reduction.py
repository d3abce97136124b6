"""From embedding vectors to the few numbers that neighbours, clusters and maps are computed on.

A reduction is scaler -> PCA -> variance selector. Each of them is linear, so the whole of it is one matrix and one
offset: two arrays that a stage can hold, instead of a pickled estimator.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from pipeline.errors import BadInput, choose

BLOCK = 65_536


def _minmax(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scaler = MinMaxScaler().fit(vectors)
    return scaler.scale_, scaler.min_


def _standard(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scaler = StandardScaler().fit(vectors)
    return 1 / scaler.scale_, -scaler.mean_ / scaler.scale_


# name -> function(vectors) -> (scale, shift) of each feature: scaled = vectors * scale + shift
SCALERS = {"minmax": _minmax, "standard": _standard}


@dataclass(frozen=True)
class Reduction:
    """matrix : (dim, kept) float64. offset : (kept,) float64. reduced = vectors @ matrix + offset."""

    matrix: np.ndarray
    offset: np.ndarray

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Reduce (n, dim) vectors of any float type to (n, kept) float64, block by block."""
        if vectors.ndim != 2 or vectors.shape[1] != len(self.matrix):
            raise BadInput(
                f"vectors have shape {vectors.shape} and the reduction takes (n, {len(self.matrix)}); "
                "use the embedding it was fitted on, or train again"
            )
        reduced = np.empty((len(vectors), len(self.offset)))
        for start in range(0, len(vectors), BLOCK):
            block = np.asarray(vectors[start : start + BLOCK], dtype=np.float64)
            reduced[start : start + BLOCK] = block @ self.matrix + self.offset
        return reduced


def fit_reduction(
    vectors: np.ndarray, *, scaler: str = "minmax", components: int = 15, threshold: float = 0.0, seed: int = 0
) -> Reduction:
    """Fit scaler -> PCA(components) -> VarianceThreshold(threshold) on `vectors` (n, dim).

    With fewer images or features than `components` there are as many components as there can be. Where no component's
    variance exceeds the threshold the first one is kept, so that there is something to measure distances in.
    """
    vectors = np.asarray(vectors, dtype=np.float64)
    if not len(vectors):
        raise BadInput("there is no image to fit a reduction on; ingest and embed some exposures first")
    if not np.isfinite(vectors).all():
        bad = int((~np.isfinite(vectors).all(axis=1)).sum())
        raise BadInput(f"{bad} of {len(vectors)} vectors hold NaN or infinity; run `triptych embed` again")
    scale, shift = SCALERS[choose(scaler, SCALERS, "scaler")](vectors)
    if len(vectors) == 1:
        return Reduction(matrix=np.eye(vectors.shape[1], 1), offset=np.zeros(1))
    pca = PCA(min(components, *vectors.shape), random_state=seed).fit(vectors * scale + shift)
    scores_variance = pca.transform(vectors * scale + shift).var(axis=0)
    kept = scores_variance > threshold
    if not kept.any():
        kept[0] = True
    axes = pca.components_[kept].T
    return Reduction(matrix=scale[:, None] * axes, offset=(shift - pca.mean_) @ axes)
