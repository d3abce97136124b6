"""Prediction at survey scale: neighbours against scikit-learn's, and the whole way from vectors to a Parquet table.

    OMP_NUM_THREADS=1 python -m benchmarks.speed.predict RUN RUN [--images 5670000] [--rounds 5]

The first run's vectors teach, the second's are asked; both are multiplied to the numbers wanted by moving each vector
drawn towards one of its 30 nearest by a random part, with noise of a quarter of the way. Without runs they are drawn in
40 groups. scikit-learn picks its algorithm itself (`auto`, a k-d tree here) and has the same number of threads. It is
asked `--asked` random ones of the queries that we answer all, in turns, and all its distances must be ours. Seconds of
the processor are given beside those of the clock, as other work may hold the cores. The whole way runs in a process of
its own, once, from a memory-mapped float16 file.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

from benchmarks.speed.maps import draw
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.classifier.classifier import Model, fit
from triptych.pipeline.classifier.cross_fitted_heads import indicators
from triptych.pipeline.classifier.prediction_table import (
    as_table,
    asks_neighbours,
    prediction_blocks,
    reduced,
    write_blocks,
)
from triptych.pipeline.image_ids import image_id_of
from triptych.pipeline.parallel import cores
from triptych.pipeline.reasons import GOOD, REASONS
from triptych.pipeline.vectors.neighbours import nearest, neighbourhood

NEIGHBOURS = 7
CCDS = 61
BLOCK = 65_536


def taken_by(work: Callable) -> tuple[float, float, object]:
    """Seconds by the clock and of the processor, and the result."""
    clock, processor = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - clock, time.process_time() - processor, result


def told(name: str, seconds: list[float], each: int, unit: str = "us") -> float:
    """Print the median and range of seconds for `each` things; return the median in the unit."""
    low, middle, high = (f(seconds) / each * {"us": 1e6, "ms": 1e3, "s": 1}[unit] for f in (min, median, max))
    print(f"  {name:<52}{middle:>10.2f} {unit} ({low:.2f} to {high:.2f}, n={len(seconds)})", flush=True)
    return middle


def moved(vectors: np.ndarray, nearby: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, dim): drawn vectors, each moved towards one of its nearest."""
    one = rng.integers(0, len(vectors), n)
    other = vectors[nearby[one, rng.integers(1, nearby.shape[1], n)]] - vectors[one]
    return vectors[one] + rng.uniform(0, 1, (n, 1)) * other + rng.normal(0, 0.25, other.shape) * np.abs(other)


def nearby(vectors: np.ndarray) -> np.ndarray:
    """(n, 30) rows of the nearest of each vector, itself first."""
    return nearest(vectors, np.full(len(vectors), -1), vectors, np.zeros(len(vectors)), 30)[0]


def keys_of(n: int) -> pd.DataFrame:
    rows = np.arange(n)
    expnums, ccdnums = rows // CCDS + 1, rows % CCDS + 1
    names = np.array([f"S{ccdnum}" for ccdnum in range(CCDS + 1)])
    return pd.DataFrame({"image_id": image_id_of(expnums, ccdnums), "expnum": expnums, "ccdname": names[ccdnums]})


def a_model(vectors: np.ndarray) -> Model:
    """A kNN of these vectors, whose labels are the nearest of ten of them; of exposures that are never asked."""
    kinds, _ = nearest(vectors, np.full(len(vectors), -1), vectors[:10], np.arange(10), 1)
    names = (*list(REASONS)[:9], GOOD)
    keys = keys_of(len(vectors)).assign(reasons=[(names[kind],) for kind in kinds[:, 0]])
    return fit(vectors, keys.assign(expnum=-1 - keys.expnum), classifier="knn")


def compared(name: str, training: np.ndarray, queries: np.ndarray, power: int, asked: int, rounds: int) -> None:
    """Print microseconds per query of both, and their ratio."""
    exposures, none = np.arange(len(training)), np.full(len(queries), -1)
    theirs = NearestNeighbors(n_neighbors=NEIGHBOURS, p=power, n_jobs=cores()).fit(training)
    some = np.random.default_rng(1).permutation(len(queries))[:asked]
    nearest(queries, none, training, exposures, NEIGHBOURS, power=power)
    ours_taken, theirs_taken = [], []
    for _ in range(rounds):
        *seconds, (_, distances) = taken_by(
            lambda: nearest(queries, none, training, exposures, NEIGHBOURS, power=power)
        )
        ours_taken.append(seconds)
        *seconds, (expected, _) = taken_by(lambda: theirs.kneighbors(queries[some]))
        theirs_taken.append(seconds)
        np.testing.assert_allclose(distances[some], expected, rtol=1e-9)
    print(f"{name}: {len(queries)} queries, power {power} ({theirs._fit_method})")
    for place, kind in enumerate(("clock", "processor")):
        ours = told(f"neighbours, {kind}", [seconds[place] for seconds in ours_taken], len(queries))
        others = told(f"scikit-learn, {kind}, on {len(some)}", [seconds[place] for seconds in theirs_taken], len(some))
        each = [
            theirs_seconds[place] / len(some) / (ours_seconds[place] / len(queries))
            for ours_seconds, theirs_seconds in zip(ours_taken, theirs_taken, strict=True)
        ]
        print(f"  ratio, {kind}: {others / ours:.1f} ({min(each):.1f} to {max(each):.1f} of each round)", flush=True)


def steps(model: Model, vectors: np.ndarray, folder: Path, rounds: int) -> None:
    """Print what each step costs for one block, in one thread."""
    keys = keys_of(len(vectors))
    expnums, ids = keys.expnum.to_numpy(), model.training.image_id.to_numpy()
    taught = neighbourhood(model.vectors, model.training.expnum.to_numpy(), 10**9)
    answer = asks_neighbours(model, indicators(model.training.reasons, model.classes), 10**9)
    whole = answer(vectors, keys)
    table = as_table(whole, keys, model.classes, ids)
    places = reduced(model.reduction, vectors)
    ways = {
        "sorting the training images into cells": lambda: neighbourhood(
            model.vectors, model.training.expnum.to_numpy(), 10**9
        ),
        "reduction": lambda: reduced(model.reduction, vectors),
        "neighbours": lambda: taught.nearest(places, expnums, NEIGHBOURS),
        "reduction, neighbours and shares": lambda: answer(vectors, keys),
        "Arrow table": lambda: as_table(whole, keys, model.classes, ids),
        "Parquet": lambda: write_blocks(folder / "block.parquet", [table]),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, work in ways.items():
            taken[name].append(taken_by(work)[1])
    print(f"one block of {len(vectors)} images, {vectors.shape[1]} dimensions, processor, one thread")
    for name, seconds in taken.items():
        told(name, seconds, 1, "ms")


def memory(name: str) -> float:
    """MB of this process, by its name in /proc/self/status."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024


def whole_way(folder: Path) -> None:
    """Predict all vectors of the folder into a table, and print seconds and memory; for a process of its own."""
    model = a_model(np.load(folder / "training.npy"))
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    keys = keys_of(len(vectors))
    before = memory("VmRSS")
    clock, processor, n = taken_by(
        lambda: write_blocks(
            folder / "table.parquet",
            prediction_blocks(
                asks_neighbours(model, indicators(model.training.reasons, model.classes), len(keys)),
                *(vectors, keys, model.classes, model.training.image_id.to_numpy()),
            ),
        )
    )
    size = (folder / "table.parquet").stat().st_size / 1e6
    print(
        f"the whole way, {n} images of {vectors.shape[1]} {vectors.dtype}, {cores()} threads, once: {clock:.1f} s by "
        f"the clock, {processor:.1f} s of the processor; {before:.0f} MB before, {memory('VmHWM'):.0f} MB at most; "
        f"table {size:.0f} MB",
        flush=True,
    )


def write_vectors(path: Path, vectors: np.ndarray, n: int) -> None:
    """Write n vectors like these as float16, block by block."""
    rng, near = np.random.default_rng(3), nearby(vectors)
    file = np.lib.format.open_memmap(path, "w+", np.float16, (n, vectors.shape[1]))
    for start in range(0, n, BLOCK):
        file[start : start + BLOCK] = moved(vectors, near, min(BLOCK, n - start), rng)
    file.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="*", type=Path, help="one that teaches and one that is asked; else drawn")
    parser.add_argument("--images", type=int, default=5_670_000)
    parser.add_argument("--training", type=int, default=40_000)
    parser.add_argument("--queries", type=int, default=200_000, help="of a comparison")
    parser.add_argument("--asked", type=int, default=2_000, help="queries to scikit-learn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--whole-way", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.whole_way:
        whole_way(asked.whole_way)
        return
    if asked.runs:
        first, second = (np.array(Catalog.open(run).stage("embedding").array(), np.float64) for run in asked.runs)
    else:
        first, second = np.split(draw(20_000), 2)
    rng = np.random.default_rng(0)
    model = a_model(moved(first, nearby(first), asked.training, rng))
    seen, other = model.vectors, model.reduction.apply(second)
    shape = (asked.training, asked.queries // 10)
    whole = [rng.integers(0, 4, (rows, 15)).astype(float) for rows in shape]
    even = [rng.uniform(size=(rows, 15)) for rows in shape]
    more = moved(other, nearby(other), asked.queries, rng)
    print(f"{asked.training} training images, {seen.shape[1]} features, {NEIGHBOURS} neighbours, {cores()} threads")
    compared("multiplied", seen, more, 1, asked.asked, asked.rounds)
    compared("the second run as it is", seen, other, 1, asked.asked, asked.rounds)
    compared("multiplied", seen, more, 2, asked.asked, asked.rounds)
    compared("uniform", *even, 1, asked.asked // 10, asked.rounds)
    compared("whole numbers from 0 to 3, many ties", *whole, 1, asked.asked // 10, asked.rounds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_vectors(folder / "vectors.npy", second, asked.images)
        np.save(folder / "training.npy", moved(first, nearby(first), asked.training, rng))
        steps(model, np.load(folder / "vectors.npy", mmap_mode="r")[:BLOCK], folder, asked.rounds)
        subprocess.run([sys.executable, "-m", "benchmarks.speed.predict", "--whole-way", name], check=True)


if __name__ == "__main__":
    main()
