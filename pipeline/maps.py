"""Two- and three-dimensional t-SNE maps of all images, made with openTSNE."""

import os
from collections.abc import Callable

import numpy as np
import openTSNE
import pandas as pd

from pipeline.catalog import Catalog, Stage
from pipeline.errors import BadInput
from pipeline.reduction import fit_reduction

COMPONENTS = 15
AXES = ("x", "y", "z")
# Barnes-Hut accuracy: 0.8 is 2.4 times faster than 0.5 in three dimensions at equal trustworthiness.
THETA = 0.8
# Above this many points interpolation (FFT) is faster than Barnes-Hut, and it exists in two dimensions only.
FFT_ABOVE = 10_000
# Exact neighbours up to here; beyond, Annoy (seeded). Never "hnsw": openTSNE takes its squared distances for distances.
EXACT_NEIGHBOURS = 20_000
FEWEST = 8
# Below this many points one thread is as fast as several, and far faster on a machine that is busy with other things.
ONE_THREAD_BELOW = 10_000


def tsne(
    reduced: np.ndarray,
    *,
    dims: int = 2,
    perplexity: float = 30.0,
    iterations: int = 500,
    exaggerated: int = 250,
    seed: int = 0,
    jobs: int | None = None,
    progress: Callable | None = None,
) -> np.ndarray:
    """Return (n, dims) float32 coordinates.

    reduced : (n, k) float. Starts from the principal components; perplexity is at most (n - 1) / 3, and fewer than 8
    points are only projected, as t-SNE has nothing to work on. The same vectors and seed give the same map, whatever
    the number of threads (`jobs`: by default one below 10,000 points, all processors above).
    """
    if dims not in (2, 3):
        raise BadInput(f"a map has 2 or 3 dimensions, not {dims}")
    n = len(reduced)
    if n < FEWEST:
        flat = np.zeros((n, dims), np.float32)
        flat[:, : reduced.shape[1]] = (reduced - reduced.mean(axis=0))[:, :dims]
        return flat
    total = exaggerated + iterations
    steps = iter(range(50, total + 50, 50))
    fitted = openTSNE.TSNE(
        n_components=dims,
        perplexity=min(perplexity, (n - 1) / 3),
        metric="euclidean",
        neighbors="exact" if n <= EXACT_NEIGHBOURS else "annoy",
        initialization=_start(reduced, dims, seed),
        negative_gradient_method="fft" if dims == 2 and n > FFT_ABOVE else "bh",
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
    """First principal components, scaled small, with a trace of seeded noise that parts identical images."""
    start = np.zeros((len(reduced), dims))
    centred = reduced - reduced.mean(axis=0)
    start[:, : reduced.shape[1]] = centred[:, :dims]
    start /= max(start[:, 0].std(), 1e-12) * 1e4
    return start + np.random.default_rng(seed).normal(0, 1e-6, start.shape)


def make_map(
    catalog: Catalog,
    *,
    dims: int = 2,
    perplexity: float = 30.0,
    iterations: int = 500,
    seed: int = 0,
    jobs: int | None = None,
    progress: Callable | None = None,
) -> Stage:
    """Map the current embedding; write and return the stage `map2d` or `map3d`, rows as in the embedding."""
    embedding = catalog.stage("embedding")
    vectors, keys = embedding.array(), embedding.table("keys")
    reduced = fit_reduction(vectors, scaler="standard", components=COMPONENTS, seed=seed).apply(vectors)
    places = tsne(
        reduced, dims=dims, perplexity=perplexity, iterations=iterations, seed=seed, jobs=jobs, progress=progress
    )
    parameters = {"dims": dims, "perplexity": perplexity, "iterations": iterations, "seed": seed, "theta": THETA}
    table = pd.DataFrame({"image_id": keys.image_id.to_numpy()})
    for axis, values in zip(AXES, places.T, strict=False):
        table[axis] = values
    with catalog.new_stage(f"map{dims}d", "tsne", parents=[embedding], parameters=parameters) as writer:
        writer.write_table(table)
    return writer.stage
