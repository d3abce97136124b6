"""Times of maps: one iteration and a whole map with each gradient, and a place for a new image on a map that stays.

    python -m benchmarks.speed.maps 10000 --repeat 5 --iterations 500
    python -m benchmarks.speed.maps 100000 --large

Vectors are drawn: 15 dimensions, 40 groups of unequal size and width. One iteration is timed on the finished
three-dimensional (two-dimensional) map, where the points are as far apart as they get: median and range of `--repeat`
rounds, in which all alternatives take turns. A whole map is 250 exaggerated iterations and `--iterations` more, once,
neighbours included. The last line is the ratio to openTSNE's own Barnes-Hut at theta 0.5 and its own `transform`.
`--large` draws one three-dimensional map only, as `triptych map --dims 3` would, and places new images on it;
`--unmoved` places them on the first three principal components, as what a place costs hardly depends on the map.
"""

import argparse
import os
import time
from statistics import median

import numpy as np
import openTSNE
from openTSNE.affinity import PerplexityBasedNN
from openTSNE.tsne import kl_divergence_bh, kl_divergence_fft
from sklearn.manifold import trustworthiness

from triptych.pipeline.vectors import tsne
from triptych.pipeline.vectors.placing import FrozenMap
from triptych.pipeline.vectors.tsne_gradient import ExactGradient, has_gpu

GROUPS = 40
CHECKED = 5_000


def draw(n: int, seed: int = 0) -> np.ndarray:
    """Vectors (n, 15) float64, principal axes first."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(GROUPS, n, p=rng.dirichlet(np.ones(GROUPS)))
    fall = np.linspace(3, 0.5, 15)
    vectors = rng.normal(0, fall, (GROUPS, 15))[kinds] + rng.normal(0, 0.3 * fall, (n, 15))
    return vectors[:, np.argsort(-vectors.var(axis=0))]


def timed(work) -> tuple[float, object]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def said(name: str, seconds: list[float], unit: str = "ms") -> None:
    scale = {"ms": 1e3, "us": 1e6, "s": 1}[unit]
    low, middle, high = (scale * f(seconds) for f in (min, median, max))
    print(f"{name:<44}{middle:>11.2f} {unit} ({low:.2f} to {high:.2f}, n={len(seconds)})", flush=True)


def iterations(vectors: np.ndarray, places: np.ndarray, repeat: int, jobs: int) -> dict[str, list[float]]:
    """Seconds of one gradient with each alternative, `repeat` of each, in turns."""
    P = PerplexityBasedNN(vectors, perplexity=30, method="annoy", n_jobs=jobs, random_state=0).P
    dims = places.shape[1]
    exact = ExactGradient("cuda" if has_gpu() else "processor")
    ways = {
        f"{dims}-D Barnes-Hut, theta 0.5": lambda: kl_divergence_bh(places, P, 1, {"theta": 0.5}, n_jobs=jobs),
        f"{dims}-D Barnes-Hut, theta 0.8": lambda: kl_divergence_bh(places, P, 1, {"theta": 0.8}, n_jobs=jobs),
        f"{dims}-D exact, {exact.device}": lambda: exact(places, P, n_jobs=jobs),
    }
    if dims == 2:
        grid = {"n_interpolation_points": 3, "min_num_intervals": 50, "ints_in_interval": 1}
        ways["2-D interpolation"] = lambda: kl_divergence_fft(places, P, 1, grid, n_jobs=jobs)
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for work in ways.values():
        work()
    for _ in range(repeat):
        for name, work in ways.items():
            taken[name].append(timed(work)[0])
    return taken


def whole_maps(vectors: np.ndarray, dims: int, n_iterations: int, jobs: int) -> dict[str, tuple[float, np.ndarray]]:
    """Seconds and places (n, dims) of whole maps."""

    def own_half() -> np.ndarray:
        drawer = openTSNE.TSNE(
            n_components=dims,
            initialization=tsne._start(vectors, dims, 0),
            negative_gradient_method="bh",
            n_iter=n_iterations,
            neighbors="exact" if len(vectors) <= tsne.EXACT_NEIGHBOURS else "annoy",
            n_jobs=jobs,
            random_state=0,
        )
        return np.asarray(drawer.fit(vectors))

    asked = {"dims": dims, "iterations": n_iterations, "jobs": jobs}
    found = {
        f"{dims}-D map, Barnes-Hut, theta 0.5": timed(own_half),
        f"{dims}-D map, Barnes-Hut, theta 0.8": timed(lambda: tsne.tsne(vectors, **asked, gradient="bh")),
    }
    if has_gpu():
        found[f"{dims}-D map, exact, cuda"] = timed(lambda: tsne.tsne(vectors, **asked, gradient="exact"))
    if dims == 2:
        found["2-D map, interpolation"] = timed(lambda: tsne.tsne(vectors, **asked, gradient="fft"))
    checked = slice(None, None, -(-len(vectors) // CHECKED))
    for name, (seconds, places) in found.items():
        kept = trustworthiness(vectors[checked], places[checked], n_neighbors=15)
        print(f"{name:<44}{seconds:>11.1f} s, trustworthiness {kept:.4f} on {len(places[checked])}", flush=True)
    return found


def large(vectors: np.ndarray, new: np.ndarray, iterations: int, repeat: int, jobs: int) -> None:
    """Print the time of one three-dimensional map, on a GPU where there is one, and of new images on it."""
    clock, processor = time.perf_counter(), time.process_time()
    places = tsne.tsne(vectors, dims=3, iterations=iterations, jobs=jobs)
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    checked = np.random.default_rng(0).permutation(len(vectors))[:CHECKED]
    kept = trustworthiness(vectors[checked], places[checked], n_neighbors=15)
    print(
        f"3-D map of {len(vectors)}, 250 + {iterations} iterations: {clock:.0f} s by the clock, {processor:.0f} s of "
        f"the processor, trustworthiness {kept:.4f} on {len(checked)} (n=1)",
        flush=True,
    )
    by_neighbours(FrozenMap(vectors, np.ascontiguousarray(places, np.float64), jobs), new, repeat)


def unmoved(vectors: np.ndarray, new: np.ndarray, repeat: int, jobs: int) -> None:
    """Print the time of new images among so many landmarks, on the first three principal components."""
    by_neighbours(FrozenMap(vectors, vectors[:, :3], jobs), new, repeat)


def by_neighbours(landmarks: FrozenMap, new: np.ndarray, repeat: int) -> list[float]:
    """Print the time per new image of both ways; return the seconds of each of 100, refined."""
    dims = landmarks.places.shape[1]
    landmarks.place(new[:1], "transform")
    one = [timed(lambda i=i: landmarks.place(new[i : i + 1]))[0] for i in range(100)]
    said(f"{dims}-D, one image by its neighbours", one)
    many = [timed(lambda: landmarks.place(new[:100]))[0] / 100 for _ in range(repeat)]
    said(f"{dims}-D, each of 100 by its neighbours", many)
    alone = [timed(lambda i=i: landmarks.place(new[i : i + 1], "transform"))[0] for i in range(repeat)]
    said(f"{dims}-D, one image, refined", alone)
    refined = [timed(lambda: landmarks.place(new[:100], "transform"))[0] / 100 for _ in range(repeat)]
    said(f"{dims}-D, each of 100, refined", refined)
    return refined


def placing(vectors: np.ndarray, places: np.ndarray, new: np.ndarray, repeat: int, jobs: int) -> float:
    """Print the time per new image of each way; return that of openTSNE's transform over that of ours, 100 images."""
    dims = places.shape[1]
    refined = by_neighbours(FrozenMap(vectors, places, jobs), new, repeat)
    affinities = PerplexityBasedNN(vectors, perplexity=30, method="annoy", n_jobs=jobs, random_state=0)
    theirs = openTSNE.TSNEEmbedding(places, affinities, negative_gradient_method="bh", n_jobs=jobs)
    other = timed(lambda: theirs.transform(new[:100]))[0] / 100
    said(f"{dims}-D, each of 100, openTSNE's transform", [other])
    return other / median(refined)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("n", type=int, nargs="+", help="numbers of images")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="threads; 1 on a busy machine")
    parser.add_argument("--large", action="store_true", help="one three-dimensional map, and places on it")
    parser.add_argument("--unmoved", action="store_true", help="places alone, on principal components")
    asked = parser.parse_args()
    for n in asked.n:
        vectors, new = np.split(draw(n + 100), [n])
        print(f"n = {n}, {asked.jobs} threads, GPU: {'yes' if has_gpu() else 'no'}")
        if asked.unmoved:
            unmoved(vectors, new, asked.repeat, asked.jobs)
            continue
        if asked.large:
            large(vectors, new, asked.iterations, asked.repeat, asked.jobs)
            continue
        ratios = {}
        for dims in (2, 3):
            found = whole_maps(vectors, dims, asked.iterations, asked.jobs)
            half, *others = found.values()
            places = np.ascontiguousarray(half[1], dtype=np.float64)
            taken = iterations(vectors, places, asked.repeat, asked.jobs)
            for name, seconds in taken.items():
                said(f"{name}, one iteration", seconds)
            best = min(median(seconds) for name, seconds in taken.items() if "0.5" not in name)
            ratios[f"{dims}-D iteration"] = median(taken[f"{dims}-D Barnes-Hut, theta 0.5"]) / best
            ratios[f"{dims}-D map"] = half[0] / min(seconds for seconds, _ in others)
            ratios[f"{dims}-D place"] = placing(vectors, places, new, asked.repeat, asked.jobs)
        print("ratio: " + ", ".join(f"{name} {ratio:.1f}" for name, ratio in ratios.items()), flush=True)


if __name__ == "__main__":
    main()
