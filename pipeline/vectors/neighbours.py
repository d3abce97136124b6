"""Exact nearest neighbours by Manhattan or another Minkowski distance. An image's own exposure is left out."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from triptych.pipeline.parallel import cores
from triptych.pipeline.vectors import neighbour_cells as cells

BLOCK = 65_536
# With fewer pairs of query and training row, measuring them all is faster than sorting the training rows.
WORTH_SORTING = 50_000_000


@dataclass(frozen=True)
class Neighbourhood:
    """Training rows prepared for many queries. Make it with `neighbourhood`."""

    laid_out: cells.Cells | cells.Rows

    def nearest(
        self, queries: np.ndarray, query_exposures: np.ndarray, k: int, *, power: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        """Like the function `nearest`, in this thread only. Releases the GIL."""
        queries = np.ascontiguousarray(queries, np.float64)
        query_exposures = np.ascontiguousarray(query_exposures, np.int64)
        rows, distances = self.to_the_power(queries, query_exposures, k, power)
        return rows, distances if power == 1 else distances ** (1 / power)

    def to_the_power(self, queries, query_exposures, k, power) -> tuple[np.ndarray, np.ndarray]:
        """The same for contiguous float64 queries and int64 exposures. Distances are returned to the power."""
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
    """Prepare training rows for `n_queries` queries: sorted into cells if that pays, else in their given order.

    training : (m, dim). training_exposures : (m,) int64, `expnum` of each.
    """
    training = np.ascontiguousarray(training, np.float64)
    training_exposures = np.ascontiguousarray(training_exposures, np.int64)
    worth = n_queries * len(training) >= WORTH_SORTING and len(training) > cells.LANES and _within(training).all()
    return Neighbourhood((cells.in_cells if worth else cells.in_rows)(training, training_exposures))


def in_order(function: Callable, tasks: Iterable, threads: int | None = None) -> Iterator:
    """Yield function(task) in the order of the tasks, computed in threads.

    At most `threads` + 1 results are pending.
    """
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
    """Slices of at most BLOCK that cover n rows. There is one for each thread at least, if there are enough rows."""
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
    """Yield (slice, rows, distances) of n queries, block by block, so that only a few blocks are in memory.

    read : function slice -> (queries, query_exposures) of that block, called in threads. For the rest see `nearest`.
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
    """Return the k nearest training rows of every query, without rows of the query's own exposure.

    queries : (n, dim), training : (m, dim) float64. exposures : (n,), (m,) int64, `expnum` of each row. power : p of
    the Minkowski distance, an integer: 1 is Manhattan, 2 Euclidean.
    Returns rows (n, k) int64, -1 if there are fewer than k, and distances (n, k) float64, infinite there. The nearest
    is first; equal distances are in the order of the training rows. A row at a distance that is not finite (because of
    NaN, infinity or overflow) is left out. The result is exact and does not depend on the number of threads.
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
