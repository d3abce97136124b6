"""Exact nearest neighbours by Manhattan distance, an image's own exposure left out."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit

BLOCK = 2_048


@njit(nogil=True, cache=True)
def _search(queries, query_exposures, training, training_exposures, rows, distances):
    """Fill rows and distances, both (n, k); ties go to the earlier training row."""
    k = rows.shape[1]
    for i in range(len(queries)):
        rows[i] = -1
        distances[i] = np.inf
        for j in range(len(training)):
            if training_exposures[j] == query_exposures[i]:
                continue
            total = 0.0
            for d in range(queries.shape[1]):
                total += abs(queries[i, d] - training[j, d])
            if total >= distances[i, k - 1]:
                continue
            place = k - 1
            while place > 0 and distances[i, place - 1] > total:
                distances[i, place] = distances[i, place - 1]
                rows[i, place] = rows[i, place - 1]
                place -= 1
            distances[i, place] = total
            rows[i, place] = j


def nearest(
    queries: np.ndarray,
    query_exposures: np.ndarray,
    training: np.ndarray,
    training_exposures: np.ndarray,
    k: int,
    *,
    progress: Callable | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the k nearest training rows of every query that are not of the query's own exposure.

    queries : (n, dim), training : (m, dim) float64; exposures : (n,), (m,) int64, `expnum` of each row.
    Returns rows (n, k) int64, -1 where there are fewer than k, and distances (n, k) float64, infinite there; nearest
    first, equal distances in the order of the training rows. Exact, and the same for any number of threads.
    """
    queries, training = np.ascontiguousarray(queries, np.float64), np.ascontiguousarray(training, np.float64)
    query_exposures = np.ascontiguousarray(query_exposures, np.int64)
    training_exposures = np.ascontiguousarray(training_exposures, np.int64)
    rows = np.empty((len(queries), k), np.int64)
    distances = np.empty((len(queries), k))

    def search(start: int) -> int:
        block = slice(start, start + BLOCK)
        _search(queries[block], query_exposures[block], training, training_exposures, rows[block], distances[block])
        return len(rows[block])

    done = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for finished in pool.map(search, range(0, len(queries), BLOCK)):
            done += finished
            if progress:
                progress(done, len(queries), "neighbours")
    return rows, distances
