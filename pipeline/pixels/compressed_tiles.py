"""Finds the compressed tiles of an image in a FITS file, by reading the bytes directly.

A tile-compressed image is a binary table with one row per tile. `tile_tables` reads the few header cards that say how
it is packed. `TileTable.fetch` reads the compressed bytes of some tiles. Only the commonest packing is supported:
RICE_1, tiles of whole image rows, 32-bit integers or floats quantized to them. For any other packing there is no table,
and the general libraries read the file.
"""

import math
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BLOCK = 2880
HEADER_BLOCKS = 6000  # of one header, 17 MB; the longest of the archives have 0.2 MB
MOST = 999  # axes, or columns of a table, by the standard
MAX_TILE_PIXELS = 1 << 20  # larger tiles would hold most of an image
MOST_BYTES_PER_PIXEL = 16  # of compressed tiles; packed well, an image has 0.5 to 1
MAX_GZIP_SHARE = 0.25  # of an image's tiles; reading them one by one is slow
DITHERS = {"SUBTRACTIVE_DITHER_1": True, "NO_DITHER": False, "": False}
COLUMNS = {"COMPRESSED_DATA": "PB", "GZIP_COMPRESSED_DATA": "PB", "ZSCALE": "D", "ZZERO": "D"}
WIDTHS = {"L": 1, "B": 1, "A": 1, "I": 2, "J": 4, "E": 4, "K": 8, "D": 8, "P": 8, "Q": 16}
# The decoder saves about 13 ns per pixel. Each process needs 0.5 s to load it; compiling takes 5 s, once per install.
WORTH_LOADING = 60_000_000
WORTH_COMPILING = 450_000_000
PADDING = 512  # zero bytes after the last tile, because a decoder may read past it


def is_compiled() -> bool:
    """Whether the compiled decoder of `rice` is on disk, in its usual place."""
    return any((Path(__file__).parent / "__pycache__").glob("rice_kernels.bin_image-*.nbi"))


def pays(pixels: int, processes: int) -> bool:
    """Whether the compiled decoder saves more time on so many pixels than it needs to be loaded, or compiled first."""
    return pixels > processes * (WORTH_LOADING if is_compiled() else WORTH_COMPILING)


@dataclass(frozen=True)
class Tiles:
    """Compressed bytes of consecutive tiles, and what is needed to make pixels from them.

    data : uint8, padded. starts, lengths : (n_tiles,) int64, bytes in `data`. scales, zeros : (n_tiles,) float64.
    spare : (n_tiles,) int64, -1, or the row of `lossless` (n, pixels of a tile) float32 that has the tile's pixels.
    """

    data: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    scales: np.ndarray
    zeros: np.ndarray
    spare: np.ndarray
    lossless: np.ndarray


@dataclass(frozen=True)
class TileTable:
    """How one compressed image is packed. Offsets are bytes in the file; `columns` are bytes within a table row.

    shape : (ny, nx). tile_rows : image rows in a tile. quantized : floats stored as integers with a scale per tile.
    dither : seed of the subtractive dither, 0 = none. blank : the integer that stands for NaN, or None.
    """

    path: str
    shape: tuple[int, int]
    tile_rows: int
    quantized: bool
    dither: int
    blank: int | None
    start: int
    row_bytes: int
    heap: int
    end: int
    columns: dict[str, int]

    @property
    def n_tiles(self) -> int:
        """Number of tiles of the image."""
        return -(-self.shape[0] // self.tile_rows)

    def fits(self, blank: float | None) -> bool:
        """Whether this table uses the same integer for `nothing recorded` as the reader of complete headers."""
        return self.quantized or self.blank == blank

    def fetch(self, first: int = 0, last: int | None = None) -> Tiles | None:
        """Compressed bytes of the tiles first to last (excluded); None if they are damaged or packed unusually."""
        last = self.n_tiles if last is None else last
        with open(self.path, "rb") as handle:
            table = _bytes_at(handle, self.start + first * self.row_bytes, (last - first) * self.row_bytes)
            if len(table) < (last - first) * self.row_bytes:
                return None
            rows = np.frombuffer(table, np.uint8).reshape(last - first, self.row_bytes)
            lengths, starts = self._column(rows, "COMPRESSED_DATA", ">i4", 2).T
            packed = lengths > 0
            if not packed.any() or (lengths < 0).any() or (starts < 0).any():
                return None
            begin, finish = int(starts[packed].min()), int((starts + lengths)[packed].max())
            if finish > self.end - self.heap or finish - begin > MOST_BYTES_PER_PIXEL * self.shape[0] * self.shape[1]:
                return None
            lossless = self._lossless(handle, rows, np.flatnonzero(~packed), first)
            data = np.zeros(finish - begin + PADDING, np.uint8)
            if lossless is None or handle.seek(self.heap + begin) < 0:
                return None
            if handle.readinto(data.data[: finish - begin]) < finish - begin:
                return None
        scales = self._scaling(rows, "ZSCALE", 1.0)
        zeros = self._scaling(rows, "ZZERO", 0.0)
        if not (np.isfinite(scales[packed]) & np.isfinite(zeros[packed])).all():
            return None
        spare = np.full(len(rows), -1, np.int64)
        spare[~packed] = np.arange(np.count_nonzero(~packed))
        return Tiles(data, np.where(packed, starts - begin, 0), lengths, scales, zeros, spare, lossless)

    def _column(self, rows: np.ndarray, name: str, dtype: str, count: int) -> np.ndarray:
        at = self.columns[name]
        raw = np.ascontiguousarray(rows[:, at : at + count * np.dtype(dtype).itemsize])
        return raw.view(dtype).astype(np.int64 if dtype[1] == "i" else np.float64)

    def _scaling(self, rows: np.ndarray, name: str, default: float) -> np.ndarray:
        if not self.quantized:
            return np.full(len(rows), default)
        return np.ascontiguousarray(self._column(rows, name, ">f8", 1)[:, 0])

    def _lossless(self, handle, rows: np.ndarray, tiles: np.ndarray, first: int) -> np.ndarray | None:
        """Pixels, float32, of the tiles that could not be quantized and are gzipped.

        None if they are not of this kind.
        """
        pixels = np.zeros((len(tiles), self.tile_rows * self.shape[1]), np.float32)
        if not len(tiles):
            return pixels
        known = self.quantized and "GZIP_COMPRESSED_DATA" in self.columns
        if not known or len(tiles) > max(1, MAX_GZIP_SHARE * len(rows)):
            return None
        for values, tile, (length, start) in zip(
            pixels, tiles, self._column(rows[tiles], "GZIP_COMPRESSED_DATA", ">i4", 2), strict=True
        ):
            n = min(self.tile_rows, self.shape[0] - (first + tile) * self.tile_rows) * self.shape[1]
            try:
                packed = _bytes_at(handle, self.heap + int(start), min(int(length), 8 * n + 1024))
                raw = zlib.decompressobj(wbits=31).decompress(packed, 4 * n + 1)
            except (zlib.error, OSError, ValueError):
                return None
            if len(raw) != 4 * n:
                return None
            values[:n] = np.frombuffer(raw, ">f4")
        return pixels


def _bytes_at(handle, offset: int, count: int) -> bytes:
    handle.seek(offset)
    return handle.read(count)


def tile_tables(path: str | Path) -> dict[int, TileTable]:
    """Tables of the images in a file that have the supported packing, by HDU index; {} if there is none."""
    try:
        with open(path, "rb") as handle:
            size = os.fstat(handle.fileno()).st_size
            found = {index: _table(os.fspath(path), *hdu) for index, hdu in enumerate(_headers(handle, size))}
    except Exception:  # of any kind, on damaged headers; another reader says what is wrong
        return {}
    return {index: table for index, table in found.items() if table}


def is_whole(path: str | Path) -> bool:
    """Whether a file that is not packed consists of sound HDUs and nothing else, as far as their sizes say."""
    end = 0
    try:
        with open(path, "rb") as handle:
            size = os.fstat(handle.fileno()).st_size
            for cards, _, last in _headers(handle, size):
                end = last
                if max(int(cards.get(key, 0)) for key in ("ZNAXIS", "TFIELDS")) > MOST:
                    return False
                if min((int(value) for key, value in cards.items() if key.startswith("ZTILE")), default=1) < 1:
                    return False
    except Exception:  # of any kind, on damaged headers
        return False
    return end + -end % BLOCK >= size


def _headers(handle, size: int) -> Iterator[tuple[dict, int, int]]:
    """Header cards, and first and last byte of the data, of every HDU until one is damaged."""
    at = 0
    while at < size:
        handle.seek(at)
        cards = _cards(handle)
        if cards is None:
            return
        start = handle.tell()
        axes = [int(cards[f"NAXIS{axis}"]) for axis in range(1, int(cards["NAXIS"]) + 1)]
        count = math.prod(axes) if axes else 0
        data = abs(int(cards["BITPIX"])) // 8 * int(cards.get("GCOUNT", 1)) * (int(cards.get("PCOUNT", 0)) + count)
        end = start + data
        if not start <= end <= size:  # less than no data would lead back to an earlier header
            return
        yield cards, start, end
        at = end + -end % BLOCK


def _cards(handle) -> dict[str, str] | None:
    """Keyword -> value as written, without quotes and comments; None if this is not a header."""
    cards: dict[str, str] = {}
    for _ in range(HEADER_BLOCKS):
        if len(block := handle.read(BLOCK)) < BLOCK:
            return None
        if not cards and not block.startswith((b"SIMPLE  =", b"XTENSION=")):
            return None
        lines = block.decode("latin-1")
        for at in range(0, BLOCK, 80):
            key = lines[at : at + 8].rstrip()
            if key == "END":
                return cards
            if lines[at + 8 : at + 10] == "= ":
                value = lines[at + 10 : at + 80].lstrip()
                value = value[1:].split("'", 1)[0] if value.startswith("'") else value.split("/", 1)[0]
                cards.setdefault(key, value.rstrip())
    return None


def _table(path: str, cards: dict[str, str], start: int, end: int) -> TileTable | None:
    """The table of one HDU; None if it is not a compressed image or not packed in the supported way."""
    if cards.get("ZIMAGE") != "T" or cards.get("ZCMPTYPE") not in ("RICE_1", "RICE_ONE") or cards["ZNAXIS"] != "2":
        return None
    nx, ny = int(cards["ZNAXIS1"]), int(cards["ZNAXIS2"])
    tile_rows = int(cards.get("ZTILE2", 1))
    options = {cards[f"ZNAME{i}"]: cards.get(f"ZVAL{i}") for i in range(1, 9) if f"ZNAME{i}" in cards}
    quantized = cards["ZBITPIX"] == "-32"
    dither = DITHERS.get(cards.get("ZQUANTIZ", "").upper())
    columns = _columns(cards)
    row_tiles = min(nx, ny, tile_rows) > 0 and int(cards.get("ZTILE1", nx)) == nx
    known = (
        row_tiles
        and tile_rows * nx <= MAX_TILE_PIXELS
        and options.get("BLOCKSIZE", "32") == "32"
        and options.get("BYTEPIX", "4") == "4"
        and cards["ZBITPIX"] in ("-32", "32")
        and cards["NAXIS2"] == str(-(-ny // tile_rows))
        and columns.keys() >= ({"COMPRESSED_DATA", "ZSCALE", "ZZERO"} if quantized else {"COMPRESSED_DATA"})
        and columns.keys() <= COLUMNS.keys()
        and (dither is not None or not quantized)
        and not (quantized and dither and "ZDITHER0" not in cards)
        and not (quantized and "BLANK" in cards)
        and float(cards.get("BSCALE", 1)) == 1
        and float(cards.get("BZERO", 0)) == 0
    )
    if not known:
        return None
    blank = cards.get("BLANK", cards.get("ZBLANK"))
    rows = int(cards["NAXIS1"]), int(cards["NAXIS2"])
    return TileTable(
        path=path,
        shape=(ny, nx),
        tile_rows=tile_rows,
        quantized=quantized,
        dither=int(cards["ZDITHER0"]) if quantized and dither else 0,
        blank=None if blank is None else int(blank),
        start=start,
        row_bytes=rows[0],
        heap=start + int(cards.get("THEAP", rows[0] * rows[1])),
        end=end,
        columns=columns,
    )


def _columns(cards: dict[str, str]) -> dict[str, int]:
    """Names of the table's columns -> their first byte; {} if a column does not have its usual type."""
    columns, at = {}, 0
    for i in range(1, int(cards["TFIELDS"]) + 1):
        name, form = cards[f"TTYPE{i}"], cards[f"TFORM{i}"]
        kind = form.lstrip("0123456789")
        if form[: -len(kind)] not in ("", "1") or not kind.startswith(COLUMNS.get(name, kind)):
            return {}
        columns[name] = at
        at += WIDTHS[kind[0]]
    return columns
