"""Exact nearest neighbours by Manhattan or another Minkowski distance, an image's own exposure left out."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit

BLOCK = 2_048
# Training rows whose distances are summed side by side, so that the processor's vector units are used.
LANES = 256


@njit(nogil=True, cache=True)
def _search(queries, query_exposures, tiles, training_exposures, rows, distances, power):
    """Fill rows and distances to the power, both (n, k); ties go to the earlier row. tiles : (n_tiles, dim, LANES)."""
    k = rows.shape[1]
    n_tiles, dim, lanes = tiles.shape
    sums = np.empty(lanes)
    for i in range(len(queries)):
        rows[i] = -1
        distances[i] = np.inf
        farthest = np.inf
        for tile in range(n_tiles):
            sums[:] = 0.0
            for d in range(dim):
                value = queries[i, d]
                column = tiles[tile, d]
                if power == 1:
                    for lane in range(lanes):
                        sums[lane] += abs(value - column[lane])
                elif power == 2:
                    for lane in range(lanes):
                        sums[lane] += (value - column[lane]) ** 2
                elif power == 3:
                    for lane in range(lanes):
                        apart = abs(value - column[lane])
                        sums[lane] += apart * apart * apart
                elif power == 5:
                    for lane in range(lanes):
                        apart = abs(value - column[lane])
                        sums[lane] += (apart * apart) * (apart * apart) * apart
                else:
                    for lane in range(lanes):
                        sums[lane] += abs(value - column[lane]) ** power
            if sums.min() >= farthest:
                continue
            for lane in range(lanes):
                row = tile * lanes + lane
                if sums[lane] >= farthest or training_exposures[row] == query_exposures[i]:
                    continue
                place = k - 1
                while place > 0 and distances[i, place - 1] > sums[lane]:
                    distances[i, place] = distances[i, place - 1]
                    rows[i, place] = rows[i, place - 1]
                    place -= 1
                distances[i, place] = sums[lane]
                rows[i, place] = row
                farthest = distances[i, k - 1]


def _tiled(training: np.ndarray) -> np.ndarray:
    """(m, dim) -> (n_tiles, dim, LANES) float64, the last tile filled up with infinitely far rows."""
    padded = np.full((-(-len(training) // LANES) * LANES, training.shape[1]), np.inf)
    padded[: len(training)] = training
    return np.ascontiguousarray(padded.reshape(-1, LANES, training.shape[1]).transpose(0, 2, 1))


def nearest(
    queries: np.ndarray,
    query_exposures: np.ndarray,
    training: np.ndarray,
    training_exposures: np.ndarray,
    k: int,
    *,
    power: int = 1,
    progress: Callable | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the k nearest training rows of every query that are not of the query's own exposure.

    queries : (n, dim), training : (m, dim) float64; exposures : (n,), (m,) int64, `expnum` of each row. power : p of
    the Minkowski distance, a whole number: 1 is Manhattan, 2 Euclidean.
    Returns rows (n, k) int64, -1 where there are fewer than k, and distances (n, k) float64, infinite there; nearest
    first, equal distances in the order of the training rows. Exact, and the same for any number of threads.
    """
    queries, tiles = np.ascontiguousarray(queries, np.float64), _tiled(training)
    query_exposures = np.ascontiguousarray(query_exposures, np.int64)
    training_exposures = np.ascontiguousarray(training_exposures, np.int64)
    rows = np.empty((len(queries), k), np.int64)
    distances = np.empty((len(queries), k))

    def search(start: int) -> int:
        block = slice(start, start + BLOCK)
        own = query_exposures[block]
        _search(queries[block], own, tiles, training_exposures, rows[block], distances[block], power)
        return len(rows[block])

    done = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for finished in pool.map(search, range(0, len(queries), BLOCK)):
            done += finished
            if progress:
                progress(done, len(queries), "neighbours")
    return rows, distances if power == 1 else distances ** (1 / power)
