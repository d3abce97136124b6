"""Exact nearest neighbours by Manhattan or another Minkowski distance, an image's own exposure left out."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from triptych.pipeline.parallel import cores
from triptych.pipeline.vectors import neighbour_cells as cells

BLOCK = 65_536
# Fewer pairs of a query and a training row than this are measured sooner than the training rows are sorted.
WORTH_SORTING = 50_000_000


@dataclass(frozen=True)
class Neighbourhood:
    """Training rows, laid out to be asked many times. Make it with `neighbourhood`."""

    laid_out: cells.Cells | cells.Rows

    def nearest(
        self, queries: np.ndarray, query_exposures: np.ndarray, k: int, *, power: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        """As the function `nearest`, in this thread alone, without Python's lock."""
        queries = np.ascontiguousarray(queries, np.float64)
        query_exposures = np.ascontiguousarray(query_exposures, np.int64)
        rows, distances = self.to_the_power(queries, query_exposures, k, power)
        return rows, distances if power == 1 else distances ** (1 / power)

    def to_the_power(self, queries, query_exposures, k, power) -> tuple[np.ndarray, np.ndarray]:
        """The same for contiguous float64 queries and int64 exposures, with distances to the power, as measured."""
        if not isinstance(self.laid_out, cells.Cells):
            return cells.brute_force(self.laid_out, queries, query_exposures, k, power)
        usual = _within(queries)
        if usual.all():
            return cells.search(self.laid_out, queries, query_exposures, k, power)
        rows, distances = np.empty((len(queries), k), np.int64), np.empty((len(queries), k))
        own = queries[usual], query_exposures[usual], k, power
        rows[usual], distances[usual] = cells.search(self.laid_out, *own)
        own = queries[~usual], query_exposures[~usual], k, power
        rows[~usual], distances[~usual] = cells.brute_force(cells.Rows(*self.laid_out[:3]), *own)
        return rows, distances


def _within(vectors: np.ndarray) -> np.ndarray:
    return np.all(np.abs(vectors) <= cells.LARGEST, axis=1)


def neighbourhood(training: np.ndarray, training_exposures: np.ndarray, n_queries: int) -> Neighbourhood:
    """Lay out training rows for so many queries: sorted into cells where that pays, else as they come.

    training : (m, dim). training_exposures : (m,) int64, `expnum` of each.
    """
    training = np.ascontiguousarray(training, np.float64)
    training_exposures = np.ascontiguousarray(training_exposures, np.int64)
    worth = n_queries * len(training) >= WORTH_SORTING and len(training) > cells.LANES and _within(training).all()
    return Neighbourhood((cells.in_cells if worth else cells.in_rows)(training, training_exposures))


def in_order(function: Callable, tasks: Iterable, threads: int | None = None) -> Iterator:
    """Yield function(task) in the order of the tasks, computed in threads; no more wait than there are threads."""
    threads = threads or cores()
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque = deque()
        for task in tasks:
            waiting.append(pool.submit(function, task))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def blocks(n: int, threads: int | None = None) -> list[slice]:
    """Slices of up to BLOCK that make up n rows, at least one for each thread where there are that many rows."""
    size = max(1, min(BLOCK, -(-n // (threads or cores()))))
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def nearest_blocks(
    read: Callable[[slice], tuple[np.ndarray, np.ndarray]],
    n: int,
    training: np.ndarray,
    training_exposures: np.ndarray,
    k: int,
    *,
    power: int = 1,
    threads: int | None = None,
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Yield (slice, rows, distances) of n queries, block after block, so that no more than a few are in memory.

    read : function(slice) -> (queries, query_exposures) of that block, called in threads. The rest as in `nearest`.
    """
    taught = neighbourhood(training, training_exposures, n)

    def answer(block: slice) -> tuple[slice, np.ndarray, np.ndarray]:
        return block, *taught.nearest(*read(block), k, power=power)

    return in_order(answer, blocks(n, threads), threads)


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
    first, equal distances in the order of the training rows. A row whose distance is not finite (NaN or infinity in
    either vector, or more than float64 holds) is nobody's neighbour. Exact, and the same for any number of threads.
    """
    rows, distances = np.empty((len(queries), k), np.int64), np.empty((len(queries), k))
    found = nearest_blocks(
        lambda block: (queries[block], query_exposures[block]),
        *(len(queries), training, training_exposures, k),
        power=power,
    )
    for block, rows[block], distances[block] in found:
        if progress:
            progress(block.stop, len(queries), "neighbours")
    return rows, distances
