"""All images of a survey, sorted once into cells of images that are close together.

It is the k-d split of `neighbour_cells` with exchanged roles. There, training rows are in cells and images are the
queries. Here, images are in cells, and a new training row asks which images it is close to. Where a cell is split
depends on the variance of a sample. That changes which images share a cell, but nothing that is measured.
"""

from collections.abc import Callable

import numpy as np

from triptych.pipeline.errors import BadInput
from triptych.pipeline.vectors.neighbour_cells import LANES, LARGEST, STRIDE

SAMPLE = 2048
CELLS_AT_ONCE = 1024


def in_memory(name: str, shape: tuple, kind) -> np.ndarray:
    """Make an array in memory. The default `make`, for arrays that need not be stored."""
    return np.empty(shape, kind)


def _order(vectors: np.ndarray) -> np.ndarray:
    """(n,) int64: row numbers in the order of their cells, LANES in each."""
    order = np.arange(len(vectors))

    def grow(first: int, last: int) -> None:
        if last - first == 1:
            return
        middle = (first + last + 1) // 2
        own = order[first * LANES : last * LANES]
        widest = int(vectors[own[:: max(1, len(own) // SAMPLE)]].var(axis=0).argmax())
        order[first * LANES : last * LANES] = own[np.argpartition(vectors[own, widest], (middle - first) * LANES)]
        grow(first, middle)
        grow(middle, last)

    if len(vectors):
        grow(0, -(-len(vectors) // LANES))
    return order


def lay_out(vectors: np.ndarray, expnums: np.ndarray, make: Callable = in_memory) -> tuple[dict, dict]:
    """Sort reduced vectors into cells.

    vectors : (n, dim) float64, may be memory-mapped. expnums : (n,) int64. make : function (name, shape, dtype) ->
    array to be filled. Returns the arrays, by name, and the plain values `dim, scale, spread`:

    tiles (n_cells, dim, LANES) float64, dim padded with zeros to a multiple of STRIDE; rough, the same in float32,
    relative to `middle` (dim,) and times `scale`; low, high (n_cells, dim) float32, the box of each cell in the same
    units; rows (n_cells, LANES) int32, the image in each lane, -1 = none; exposures (n_cells, LANES) int64; slots (n,)
    int32, cell * LANES + lane of each image. spread : sum over features of the largest absolute value in `rough`.
    BadInput if a vector is not finite or too large.
    """
    n, dim = vectors.shape
    n_cells, filled = -(-n // LANES), dim + -dim % STRIDE
    middle, scale = _frame(vectors, filled)
    arrays = {
        "tiles": make("tiles", (n_cells, filled, LANES), np.float64),
        "rough": make("rough", (n_cells, filled, LANES), np.float32),
        "low": make("low", (n_cells, filled), np.float32),
        "high": make("high", (n_cells, filled), np.float32),
        "rows": make("rows", (n_cells, LANES), np.int32),
        "exposures": make("exposures", (n_cells, LANES), np.int64),
        "slots": make("slots", (n,), np.int32),
        "middle": make("middle", (filled,), np.float64),
    }
    arrays["middle"][:] = middle
    order, largest = _order(vectors), np.zeros(filled)
    for first in range(0, n_cells, CELLS_AT_ONCE):
        cells = slice(first, min(first + CELLS_AT_ONCE, n_cells))
        rows = np.full((cells.stop - first) * LANES, -1)
        own = order[first * LANES : cells.stop * LANES]
        rows[: len(own)] = own
        # A lane without an image repeats one of its own cell, so that it does not enlarge the box.
        held = np.where(rows < 0, own[-1], rows)
        block = np.pad(vectors[held], ((0, 0), (0, filled - dim))).reshape(-1, LANES, filled).transpose(0, 2, 1)
        rough = ((block - middle[:, None]) * scale).astype(np.float32)
        arrays["tiles"][cells], arrays["rough"][cells] = block, rough
        arrays["low"][cells], arrays["high"][cells] = rough.min(axis=2), rough.max(axis=2)
        arrays["rows"][cells] = rows.reshape(-1, LANES)
        arrays["exposures"][cells] = expnums[held].reshape(-1, LANES)
        arrays["slots"][own] = first * LANES + np.arange(len(own))
        largest = np.maximum(largest, np.abs(rough).max(axis=(0, 2)))
    return arrays, {"dim": dim, "scale": scale, "spread": float(largest.sum())}


def _frame(vectors: np.ndarray, filled: int) -> tuple[np.ndarray, float]:
    """The middle of all vectors, and a power of two; (vector - middle) times it is between -1 and 1."""
    low, high = np.zeros(vectors.shape[1]), np.zeros(vectors.shape[1])
    for start in range(0, len(vectors), CELLS_AT_ONCE * LANES):
        block = vectors[start : start + CELLS_AT_ONCE * LANES]
        least, most = block.min(axis=0), block.max(axis=0)
        low, high = (np.minimum(low, least), np.maximum(high, most)) if start else (least, most)
    if not (np.abs(low) <= LARGEST).all() or not (np.abs(high) <= LARGEST).all():
        raise BadInput(f"some vectors are not finite or larger than {LARGEST:.0e}; run `triptych embed` again")
    middle = low + (high - low) / 2
    widest = max((high - middle).max(initial=0), (middle - low).max(initial=0), 1 / LARGEST)
    return np.pad(middle, (0, filled - len(middle))), float(2.0 ** -np.ceil(np.log2(widest)))


def vectors_at(tiles: np.ndarray, slots: np.ndarray, dim: int) -> np.ndarray:
    """(n, dim) float64: vectors of the images in these slots, exactly as they were given."""
    return np.ascontiguousarray(tiles[slots // LANES, :dim, slots % LANES])
