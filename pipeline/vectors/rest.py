"""The images of a survey that are placed among others: read, reduced and placed block by block, in threads."""

from collections.abc import Callable, Iterator

import numpy as np

from triptych.pipeline.memory import let_go
from triptych.pipeline.vectors.neighbours import in_order
from triptych.pipeline.vectors.reduction import Reduction, reduced

BLOCK = 65_536


def blocks_of(
    place: Callable,
    reduction: Reduction,
    vectors: np.ndarray,
    wanted: np.ndarray,
    *,
    threads: int | None = None,
    progress: Callable | None = None,
) -> Iterator[tuple[np.ndarray, tuple]]:
    """Yield (rows, place(reduced)) for the wanted rows, BLOCK rows of `vectors` at a time.

    place : function (m, k) float64 -> arrays (m, ...), called in threads. vectors : (n, dim), best memory-mapped.
    wanted : (n,) bool. rows : (m,) int64. progress : called with (rows done, rows wanted, text). BadInput if a wanted
    vector is not finite.
    """

    def placed(rows: np.ndarray) -> tuple[np.ndarray, tuple]:
        first, end = rows[0], rows[-1] + 1
        own = vectors[first:end] if len(rows) == end - first else vectors[first:end][rows - first]
        found = place(reduced(reduction, own))
        let_go(vectors)
        return rows, found

    starts = range(0, len(wanted), BLOCK)
    tasks = (start + own for start in starts if len(own := np.flatnonzero(wanted[start : start + BLOCK])))
    done, total = 0, int(wanted.sum())
    for rows, found in in_order(placed, tasks, threads):
        done += len(rows)
        if progress:
            progress(done, total, "placing the others")
        yield rows, found


def taken(vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The rows (m,), rising, of `vectors` (n, dim), in memory: (m, dim). The pages between them do not stay there."""
    found = np.empty((len(rows), vectors.shape[1]), vectors.dtype)
    for start in range(0, len(vectors), BLOCK):
        first, end = np.searchsorted(rows, (start, start + BLOCK))
        found[first:end] = vectors[rows[first:end]]
        let_go(vectors)
    return found


def reduced_rows(reduction: Reduction, vectors: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The wanted rows (n,) bool of `vectors` (n, dim), reduced: (m, k) float64. Other rows are not held in memory."""
    found = [own for _, (own,) in blocks_of(lambda own: (own,), reduction, vectors, wanted)]
    return np.concatenate(found) if found else np.empty((0, len(reduction.offset)))


def landmarks_of(table) -> np.ndarray:
    """Rows (m,) int64 of the images from which a stage was computed: those of its table that were not placed."""
    return np.flatnonzero(~table.placed.to_numpy(bool)) if "placed" in table else np.arange(len(table))
