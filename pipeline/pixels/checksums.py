"""Checksums of FITS files: whether the data of an HDU are still those that its header was written for.

DATASUM is the sum of the data, CHECKSUM makes the sum of the whole HDU all ones (FITS standard 4.0, section 4.4.2.7 and
appendix J). Programs that cut images out or edit headers often leave both cards as they were. Then CHECKSUM no longer
agrees with the header and DATASUM as they stand, and says nothing about the data. So data are damaged only where the
header agrees with itself and the data do not agree with it.
"""

import os
from io import BufferedIOBase

import numpy as np
from astropy.io.fits import Header

from triptych.pipeline.pixels.words import text

ONES = 0xFFFFFFFF
PIECE = 4 << 20  # bytes


def ones_sum(data: bytes | bytearray | memoryview, total: int = 0) -> int:
    """The 32-bit ones' complement sum of some bytes, a multiple of 4, added to an earlier sum."""
    total += int(np.frombuffer(data, ">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & ONES) + (total >> 32)
    return total


def datasum_of(header: Header, written: bytes) -> int | None:
    """The sum that the data of an HDU must have; None where its header does not say it or was changed since.

    written : the header's bytes, whole blocks.
    """
    value = text(header, "DATASUM")
    if not value.isascii() or not value.isdecimal() or int(value) > ONES:
        return None
    if text(header, "CHECKSUM") and ones_sum(written, int(value)) not in (ONES, 0):
        return None
    return int(value)


def sum_of_stream(handle: BufferedIOBase, count: int) -> int:
    """The sum of the next bytes of a stream, which is then behind them. Missing bytes count as 0."""
    total = 0
    while count > 0 and (data := handle.read(min(count, PIECE))):
        count -= len(data)
        total = ones_sum(data + bytes(-len(data) % 4), total)
    return total


def agree(found: int, said: int) -> bool:
    """Whether two sums are the same; all ones and 0 are."""
    return found % ONES == said % ONES


def sum_of_file(path: str | os.PathLike, start: int, count: int) -> int:
    """The sum of some bytes of a file."""
    with open(path, "rb", buffering=0) as handle:
        handle.seek(start)
        total, piece = 0, bytearray(PIECE)
        while count > 0 and (got := handle.readinto(memoryview(piece)[: min(count, PIECE)])):
            count -= got
            piece[got : got + -got % 4] = bytes(-got % 4)
            total = ones_sum(memoryview(piece)[: got + -got % 4], total)
        return total
