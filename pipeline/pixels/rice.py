"""Reads RICE-compressed CCDs by compiled code that releases the GIL.

`measure` decodes a CCD tile by tile, and makes in the same pass block means and the few pixels for the sky statistics.
`window` decodes only the tiles that overlap a window. Pixels equal those of cfitsio bit for bit. Both return None if
the file is damaged or packed in another way; then the caller reads it with fitsio.
"""

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from triptych.pipeline.pixels.compressed_tiles import Tiles, TileTable, tile_tables
from triptych.pipeline.pixels.rice_kernels import N_RANDOM, bin_image, decode_window

FEW_ROWS = 128  # that are decoded at once where nobody takes them


@functools.cache
def _randoms() -> np.ndarray:
    """The random numbers of the FITS standard's subtractive dither: (10000,) float32."""
    seed, values = 1, np.empty(N_RANDOM, np.float32)
    for i in range(N_RANDOM):
        seed = 16807 * seed % 2147483647
        values[i] = seed / 2147483647
    return values


@dataclass(frozen=True)
class Decoded:
    """What one pass over a CCD's tiles gives.

    means : over bin x bin pixels. thinned : every step-th pixel of both axes. n_recorded : number of finite pixels;
    n_filled : of those that are not exactly 0.
    """

    means: np.ndarray
    thinned: np.ndarray
    n_recorded: int
    n_filled: int


def measure(
    table: TileTable,
    bin: int,
    step: int,
    side: int = 1,
    strip_rows: int = 0,
    take: Callable[[np.ndarray, np.ndarray], None] | None = None,
) -> Decoded | None:
    """Decode one CCD, without the whole image in memory; None if this decoder cannot read it.

    take : called with each strip of `strip_rows` rows as it comes: its pixels (rows, nx) float32, and means of squares
    of side x side of them, NaN where one pixel is. Both are memory that the next strip uses again. If the answer is
    None, what was taken is worth nothing.
    """
    tiles = table.fetch()
    if tiles is None:
        return None
    ny, nx = table.shape
    rows = strip_rows if strip_rows and strip_rows % table.tile_rows == 0 else ny  # else tiles cross strips
    rows = min(rows if take else table.tile_rows * max(1, FEW_ROWS // table.tile_rows), ny)
    strip, squares = _strip(rows * nx), np.empty((rows // side if take else 0, nx // side), np.float32)
    means = np.empty((-(-ny // bin), -(-nx // bin)), np.float32)
    thinned = np.empty((-(-ny // step), -(-nx // step)), np.float32)
    sums = (np.zeros(nx), np.zeros(nx, np.int32), np.zeros(nx, np.float32), np.zeros(1, np.int64))
    n_recorded = n_filled = 0
    for top in range(0, ny, rows):
        bottom = min(top + rows, ny)
        first, last = top // table.tile_rows, -(-bottom // table.tile_rows)
        done = bin_image(
            _fields(tiles), first, last, *_packing(table), bin, means, step, thinned, strip, side, squares, sums
        )
        if done[0] < 0:
            return None
        n_recorded, n_filled = n_recorded + done[0], n_filled + done[1]
        if take:
            pixels = strip[: (bottom - top) * nx].reshape(bottom - top, nx)
            small = squares[: (bottom - top) // side]
            for start in range(0, bottom - top, strip_rows or ny):
                end = start + (strip_rows or ny)
                take(pixels[start:end], small[start // side : end // side])
    return Decoded(means, thinned, n_recorded, n_filled)


_of_thread = threading.local()


def _strip(size: int) -> np.ndarray:
    """Memory for that many pixels, float32, one piece for each thread: fresh memory takes longer than decoding."""
    kept = getattr(_of_thread, "strip", None)
    if kept is None or len(kept) < size:
        kept = _of_thread.strip = np.empty(size, np.float32)
    return kept[:size]


def window(
    path: str | Path, hdu: int, rows: slice = slice(None), columns: slice = slice(None), table: TileTable | None = None
) -> np.ndarray | None:
    """Full-resolution pixels (rows, columns) float32 of a part of an image, from the tiles that overlap it.

    rows, columns : slices without a step, in array orientation. table : from `tile_tables`, to avoid reading headers
    again. None if this decoder cannot read the image.
    """
    table = table or tile_tables(path).get(hdu)
    if table is None:
        return None
    (top, bottom, _), (left, right, _) = rows.indices(table.shape[0]), columns.indices(table.shape[1])
    pixels = np.empty((max(0, bottom - top), max(0, right - left)), np.float32)
    if not pixels.size:
        return pixels
    first, last = top // table.tile_rows, -(-bottom // table.tile_rows)
    tiles = table.fetch(first, last)
    if tiles is None or not decode_window(
        _fields(tiles), first, *_packing(table), (top, bottom), (left, right), pixels
    ):
        return None
    return pixels


def _fields(tiles: Tiles) -> tuple:
    return (tiles.data, tiles.starts, tiles.lengths, tiles.scales, tiles.zeros, tiles.spare, tiles.lossless)


def _packing(table: TileTable) -> tuple:
    blanks = (table.blank is not None, 0 if table.blank is None else table.blank)
    return (*table.shape, table.tile_rows, table.dither, table.quantized, _randoms(), blanks)
