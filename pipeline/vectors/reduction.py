"""From embedding vectors to the few numbers that neighbours, clusters and maps are computed from.

A reduction is scaler -> PCA -> variance selector. Most of it is linear, so it is stored as one matrix and one offset
instead of a pickled estimator. Two of the scalers are not linear. Their first step has a name in STEPS, and its
parameters are one more array.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields

import numpy as np
from scipy.special import boxcox1p
from sklearn.decomposition import PCA
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, PowerTransformer, RobustScaler, StandardScaler

from triptych.pipeline.errors import BadInput, choose

BLOCK = 65_536
# Number of images whose vectors are float64 at one time while many blocks are reduced in threads.
PIECE = 8_192
NOTHING = np.empty(0)
EXPONENTS_KEPT = 64


def _unchanged(vectors: np.ndarray, exponents: np.ndarray) -> np.ndarray:
    return vectors


def _unit_length(vectors: np.ndarray, exponents: np.ndarray) -> np.ndarray:
    """Each vector divided by its Euclidean length. A vector of zeros stays as it is."""
    lengths = np.sqrt((vectors**2).sum(axis=1, keepdims=True))
    return vectors / np.where(lengths > 0, lengths, 1)


def _yeo_johnson(vectors: np.ndarray, exponents: np.ndarray) -> np.ndarray:
    """The Yeo-Johnson transform of each feature with its own exponent (dim,), which makes it nearly normal."""
    upper = boxcox1p(np.maximum(vectors, 0), exponents)
    return np.where(vectors >= 0, upper, -boxcox1p(np.maximum(-vectors, 0), 2 - exponents))


# Fitting exponents takes seconds, and a search fits the same images many times. Digest of the vectors -> (dim,).
_known_exponents: dict[bytes, np.ndarray] = {}


def _fitted_exponents(vectors: np.ndarray) -> np.ndarray:
    digest = hashlib.blake2b(np.ascontiguousarray(vectors).data, digest_size=16).digest()
    if digest not in _known_exponents:
        while len(_known_exponents) >= EXPONENTS_KEPT:
            _known_exponents.pop(next(iter(_known_exponents)))
        _known_exponents[digest] = PowerTransformer(standardize=False).fit(vectors).lambdas_
    return _known_exponents[digest]


# name -> function (vectors, exponents) -> vectors: the step before the linear part
STEPS: dict[str, Callable] = {"": _unchanged, "unit_length": _unit_length, "yeo_johnson": _yeo_johnson}


def _minmax(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scaler = MinMaxScaler().fit(vectors)
    return scaler.scale_, scaler.min_


def _standard(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scaler = StandardScaler().fit(vectors)
    return 1 / scaler.scale_, -scaler.mean_ / scaler.scale_


def _maxabs(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return 1 / MaxAbsScaler().fit(vectors).scale_, np.zeros(vectors.shape[1])


def _robust(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scaler = RobustScaler().fit(vectors)
    return 1 / scaler.scale_, -scaler.center_ / scaler.scale_


def _as_is(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.ones(vectors.shape[1]), np.zeros(vectors.shape[1])


@dataclass(frozen=True)
class Scaler:
    """linear : function vectors -> (scale, shift) of each feature, applied after the step named `step`."""

    linear: Callable
    step: str = ""


SCALERS: dict[str, Scaler] = {
    "minmax": Scaler(_minmax),
    "standard": Scaler(_standard),
    "maxabs": Scaler(_maxabs),
    "robust": Scaler(_robust),
    "normalizer": Scaler(_as_is, step="unit_length"),
    "power": Scaler(_standard, step="yeo_johnson"),
}


@dataclass(frozen=True)
class Reduction:
    """reduced = step(vectors) @ matrix + offset.

    matrix : (dim, kept) float64. offset : (kept,) float64. step : a name in STEPS. exponents : (dim,) float64 for the
    step `yeo_johnson`, else empty.
    """

    matrix: np.ndarray
    offset: np.ndarray
    step: str = ""
    exponents: np.ndarray = field(default_factory=lambda: NOTHING)

    def arrays(self) -> dict[str, np.ndarray]:
        """All that `of_arrays` needs to make it again, named `reduction_...`."""
        return {f"reduction_{name}": np.asarray(value) for name, value in vars(self).items()}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Reduction":
        """The reduction with these `arrays`; others among them are ignored."""
        matrix, offset, step, exponents = (arrays[f"reduction_{field.name}"] for field in fields(cls))
        return cls(matrix, offset, str(step), exponents)

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Reduce (n, dim) vectors of any float type to (n, kept) float64, block by block. BadInput if dim is wrong."""
        if vectors.ndim != 2 or vectors.shape[1] != len(self.matrix):
            raise BadInput(
                f"vectors have shape {vectors.shape}, but the reduction needs (n, {len(self.matrix)}); "
                "use the embedding it was fitted on, or train again"
            )
        first = STEPS[self.step]
        reduced = np.empty((len(vectors), len(self.offset)))
        for start in range(0, len(vectors), BLOCK):
            block = np.asarray(vectors[start : start + BLOCK], dtype=np.float64)
            reduced[start : start + BLOCK] = first(block, self.exponents) @ self.matrix + self.offset
        return reduced


def reduced(reduction: Reduction, vectors: np.ndarray) -> np.ndarray:
    """Reduce (n, dim) vectors of any float type to (n, kept) float64, PIECE at a time.

    BadInput if any is not finite.
    """
    pieces = [reduction.apply(vectors[start : start + PIECE]) for start in range(0, len(vectors), PIECE)]
    found = np.concatenate(pieces) if pieces else reduction.apply(vectors)
    bad = int((~np.isfinite(found).all(axis=1)).sum())
    if bad:
        raise BadInput(f"{bad} of {len(found)} vectors hold NaN or infinity; run `triptych embed` again")
    return found


def fit_reduction(
    vectors: np.ndarray, *, scaler: str = "minmax", components: int = 15, threshold: float = 0.0, seed: int = 0
) -> Reduction:
    """Fit scaler -> PCA(components) -> VarianceThreshold(threshold) on `vectors` (n, dim).

    With fewer images or features than `components`, there are as many components as possible. If no component has a
    variance above the threshold, the first one is kept, so that distances can be measured. BadInput if there are no
    vectors or some are not finite.
    """
    vectors = np.asarray(vectors, dtype=np.float64)
    settings = SCALERS[choose(scaler, SCALERS, "scaler")]
    if not len(vectors):
        raise BadInput("there is no image to fit a reduction to; ingest and embed some exposures first")
    if not np.isfinite(vectors).all():
        bad = int((~np.isfinite(vectors).all(axis=1)).sum())
        raise BadInput(f"{bad} of {len(vectors)} vectors hold NaN or infinity; run `triptych embed` again")
    if len(vectors) == 1:
        return Reduction(matrix=np.eye(vectors.shape[1], 1), offset=np.zeros(1))
    exponents = NOTHING
    if settings.step == "yeo_johnson":
        exponents = _fitted_exponents(vectors)
    vectors = STEPS[settings.step](vectors, exponents)
    scale, shift = settings.linear(vectors)
    pca = PCA(min(components, *vectors.shape), random_state=seed).fit(vectors * scale + shift)
    scores_variance = pca.transform(vectors * scale + shift).var(axis=0)
    kept = scores_variance > threshold
    if not kept.any():
        kept[0] = True
    axes = pca.components_[kept].T
    return Reduction(scale[:, None] * axes, (shift - pca.mean_) @ axes, settings.step, exponents)
