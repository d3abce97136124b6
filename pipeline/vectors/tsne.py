"""t-SNE in two or three dimensions, with openTSNE or as published, and the settings of a map."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import openTSNE
import pandas as pd
from sklearn.manifold import TSNE

from triptych.pipeline.errors import BadInput, choose
from triptych.pipeline.vectors.reduction import Reduction, fit_reduction
from triptych.pipeline.vectors.tsne_gradient import ExactGradient, has_gpu

AXES = ("x", "y", "z")
# Barnes-Hut accuracy: 0.8 is 2.4 times faster than 0.5 in three dimensions, with equal trustworthiness.
THETA = 0.8
# Above this many points interpolation (FFT) is faster than Barnes-Hut. It exists in two dimensions only.
FFT_ABOVE = 10_000
# Exact neighbours up to here, Annoy (seeded) above. Not "hnsw": openTSNE mistakes its squared distances for distances.
EXACT_NEIGHBOURS = 20_000
FEWEST = 8
# Below this many points one thread is as fast as several, and much faster on a busy machine.
ONE_THREAD_BELOW = 10_000
# From this many points on, "auto" uses the exact gradient on a GPU.
GPU_FROM = 5_000
# name -> what it is
GRADIENTS: dict[str, str] = {
    "auto": "exact with a GPU and at least 5,000 points, else fft in two dimensions above 10,000 points, else bh",
    "bh": "Barnes-Hut, theta 0.8",
    "fft": "interpolation, two dimensions only",
    "exact": "every pair; on the GPU if there is one, else on the processor",
}


def _gradient(name: str, n: int, dims: int) -> str | ExactGradient:
    """The gradient method to give to openTSNE."""
    choose(name, GRADIENTS, "gradient")
    if name == "fft" and dims == 3:
        raise BadInput("the fft gradient works in two dimensions only; use bh or exact for three")
    if name == "exact" or (name == "auto" and n >= GPU_FROM and has_gpu()):
        return ExactGradient("cuda" if has_gpu() else "processor")
    if name != "auto":
        return name
    return "fft" if dims == 2 and n > FFT_ABOVE else "bh"


def tsne(
    reduced: np.ndarray,
    *,
    dims: int = 2,
    perplexity: float = 30.0,
    iterations: int = 500,
    exaggerated: int = 250,
    seed: int = 0,
    jobs: int | None = None,
    gradient: str = "auto",
    progress: Callable | None = None,
) -> np.ndarray:
    """Return (n, dims) float32 coordinates.

    reduced : (n, k) float. The start is the principal components. The perplexity is at most (n - 1) / 3. Fewer than
    FEWEST points are only projected, because that is too few for t-SNE. The same vectors and seed give the same map
    with any number of threads. jobs : number of threads; by default one below 10,000 points, else all processors.
    gradient : a name in GRADIENTS. BadInput unless dims is 2 or 3.
    """
    if dims not in (2, 3):
        raise BadInput(f"a map has 2 or 3 dimensions, not {dims}")
    n = len(reduced)
    method = _gradient(gradient, n, dims)
    if n < FEWEST:
        return _projected(reduced, dims)
    total = exaggerated + iterations
    steps = iter(range(50, total + 50, 50))
    fitted = openTSNE.TSNE(
        n_components=dims,
        perplexity=min(perplexity, (n - 1) / 3),
        metric="euclidean",
        neighbors="exact" if n <= EXACT_NEIGHBOURS else "annoy",
        initialization=_start(reduced, dims, seed),
        negative_gradient_method=method,
        theta=THETA,
        early_exaggeration_iter=exaggerated,
        n_iter=iterations,
        random_state=seed,
        n_jobs=jobs or (1 if n < ONE_THREAD_BELOW else os.cpu_count()),
        callbacks=(lambda *_: progress(min(next(steps, total), total), total, f"{dims}-D map")) if progress else None,
        callbacks_every_iters=50,
    ).fit(np.ascontiguousarray(reduced, dtype=np.float64))
    return np.asarray(fitted, dtype=np.float32)


def _start(reduced: np.ndarray, dims: int, seed: int) -> np.ndarray:
    """First principal components, scaled down, plus a little seeded noise that separates identical images."""
    start = np.zeros((len(reduced), dims))
    centred = reduced - reduced.mean(axis=0)
    start[:, : reduced.shape[1]] = centred[:, :dims]
    start /= max(start[:, 0].std(), 1e-12) * 1e4
    return start + np.random.default_rng(seed).normal(0, 1e-6, start.shape)


def published_tsne(
    reduced: np.ndarray,
    *,
    dims: int = 2,
    perplexity: float = 50.0,
    iterations: int = 750,
    exaggerated: int = 250,
    seed: int = 0,
    jobs: int | None = None,
    gradient: str = "auto",
    progress: Callable | None = None,
) -> np.ndarray:
    """Return (n, dims) float32 coordinates from scikit-learn's t-SNE with the settings of the published analysis.

    init "pca", learning rate "auto", Barnes-Hut with theta 0.5. The total number of iterations includes 250 exaggerated
    ones. `gradient` must be "auto". The published map itself had no seed.
    """
    if dims not in (2, 3):
        raise BadInput(f"a map has 2 or 3 dimensions, not {dims}")
    if gradient != "auto":
        raise BadInput(f"the published map has its own gradient; leave out {gradient!r} or the preset")
    n = len(reduced)
    if n < FEWEST or reduced.shape[1] < dims:
        return _projected(reduced, dims)
    drawer = TSNE(
        n_components=dims,
        perplexity=min(perplexity, (n - 1) / 3),
        init="pca",
        learning_rate="auto",
        max_iter=iterations + exaggerated,
        random_state=seed,
        n_jobs=jobs or (1 if n < ONE_THREAD_BELOW else os.cpu_count()),
    )
    if progress:
        progress(0, 1, f"{dims}-D map")
    places = drawer.fit_transform(np.ascontiguousarray(reduced, dtype=np.float64))
    if progress:
        progress(1, 1, f"{dims}-D map")
    return places.astype(np.float32)


def _projected(reduced: np.ndarray, dims: int) -> np.ndarray:
    """The first principal components, for inputs too small for t-SNE."""
    flat = np.zeros((len(reduced), dims), np.float32)
    flat[:, : reduced.shape[1]] = (reduced - reduced.mean(axis=0))[:, :dims]
    return flat


@dataclass(frozen=True)
class Preset:
    """Settings of a map: the reduction before it, and the t-SNE function with its perplexity and iterations."""

    scaler: str
    components: int
    threshold: float
    perplexity: float
    iterations: int
    draw: Callable[..., np.ndarray]

    def reduction(self, vectors: np.ndarray, seed: int) -> Reduction:
        """The reduction before the map, fitted to (n, dim) vectors."""
        return fit_reduction(
            vectors, scaler=self.scaler, components=self.components, threshold=self.threshold, seed=seed
        )


# name -> settings; "published" has the classifier's space of Luo et al., their perplexity and their library
PRESETS: dict[str, Preset] = {
    "default": Preset("standard", 15, 0.0, 30.0, 500, tsne),
    "published": Preset("minmax", 15, 0.001, 50.0, 750, published_tsne),
}


def map_table(keys: pd.DataFrame, places: np.ndarray) -> pd.DataFrame:
    """Columns image_id, x, y[, z] in the order of `keys`. places : (n, dims)."""
    return pd.DataFrame({"image_id": keys.image_id.to_numpy(), **dict(zip(AXES, places.T, strict=False))})
