"""Reads RICE-compressed CCDs by compiled code that releases the GIL.

`measure` decodes a CCD tile by tile, and makes in the same pass block means and the few pixels for the sky statistics.
`window` decodes only the tiles that overlap a window. Pixels equal those of cfitsio bit for bit. Both return None if
the file is damaged or packed in another way; then the caller reads it with fitsio.
"""

import functools
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from triptych.pipeline.pixels.compressed_tiles import Tiles, TileTable, tile_tables
from triptych.pipeline.pixels.rice_kernels import N_RANDOM, bin_image, decode_window


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

    image : (ny, nx) float32, all pixels. means : over bin x bin of them. thinned : every step-th of both axes. squares
    : means over side x side pixels, NaN where one of them is. n_recorded : number of finite pixels; n_filled : of those
    that are not exactly 0.
    """

    image: np.ndarray
    means: np.ndarray
    thinned: np.ndarray
    squares: np.ndarray
    n_recorded: int
    n_filled: int


def measure(table: TileTable, bin: int, step: int, side: int) -> Decoded | None:
    """Decode one CCD; None if this decoder cannot read it.

    `image` is memory that the next call in the same thread uses again: take from it what you need before.
    """
    tiles = table.fetch()
    if tiles is None:
        return None
    ny, nx = table.shape
    image = _image(ny * nx)
    means = np.empty((-(-ny // bin), -(-nx // bin)), np.float32)
    thinned = np.empty((-(-ny // step), -(-nx // step)), np.float32)
    squares = np.empty((ny // side, nx // side), np.float32)
    counts = bin_image(_fields(tiles), *_packing(table), bin, means, step, thinned, image, side, squares)
    if counts[0] < 0:
        return None
    return Decoded(image.reshape(ny, nx), means, thinned, squares, *counts)


_of_thread = threading.local()


def _image(size: int) -> np.ndarray:
    """Memory for that many pixels, float32, one piece for each thread: fresh memory takes longer than decoding."""
    kept = getattr(_of_thread, "image", None)
    if kept is None or len(kept) < size:
        kept = _of_thread.image = np.empty(size, np.float32)
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
