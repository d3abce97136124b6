"""FITS files that are packed as a whole, by gzip or bzip2, read as a stream of what is in them."""

import bz2
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path

PACKERS = {b"\x1f\x8b": gzip.GzipFile, b"BZ": bz2.BZ2File}
NO_MORE = "Not a gzipped file"  # what is said of bytes behind the last packed part


def packer_of(path: str | Path) -> type | None:
    """The class that unpacks a file, by its first bytes; None if it is not packed."""
    with open(path, "rb") as handle:
        return PACKERS.get(handle.read(2))


@contextmanager
def opened(path: str | Path) -> Iterator[tuple[BufferedIOBase, bool]]:
    """(stream of the unpacked bytes, whether the file is packed) in this block."""
    packer = packer_of(path)
    with open(path, "rb") as raw:
        if packer is None:
            yield raw, False
            return
        with packer(raw) if packer is bz2.BZ2File else packer(fileobj=raw) as handle:
            yield handle, True


def unpacked(path: str | Path) -> bytes | None:
    """All bytes of a packed file, without what may follow its last part; None if it is not packed.

    The file was looked at before, so it is known to fit into the memory.
    """
    pieces = []
    with opened(path) as (handle, packed):
        if not packed:
            return None
        try:
            while piece := handle.read1(1 << 22):  # `read` would lose the last piece before such bytes
                pieces.append(piece)
        except gzip.BadGzipFile as error:
            if not str(error).startswith(NO_MORE):
                raise
        return b"".join(pieces)
