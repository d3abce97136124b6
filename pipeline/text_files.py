"""Text files of somebody else, read without trusting their size: a line, the lines and what is unpacked have limits.

Their encoding is told by their first bytes (byte order mark), else it is UTF-8 if every byte fits, else Windows-1252.
"""

import codecs
import gzip
import io
import os
import zlib
from pathlib import Path
from typing import Any

from triptych.pipeline.errors import BadInput
from triptych.pipeline.memory import memory_bytes

LINE_BYTES = 1 << 20  # the longest lines of real tables have thousands; a comment of a vote at most 2000 letters
# of memory for each line that is read, at least; a line for each CCD of 600,000 exposures, 37 million, needs 15 GB
LINE_MEMORY = 400
UNPACKED_TIMES = 100  # of the packed size; lists of exposures pack to a tenth, the dullest to a fortieth
UNPACKED_BYTES = 16 << 20  # however small the packed file is
PIECE_BYTES = 1 << 16
GZIPPED = b"\x1f\x8b"
# the longer marks first: that of UTF-32 begins with that of UTF-16
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
NOT_IN_WINDOWS = b"\x81\x8d\x8f\x90\x9d"  # bytes that mean nothing in Windows-1252


class _Limited(io.RawIOBase):
    """The bytes of a file, unpacked if it is gzipped, until they break a limit: then BadInput."""

    def __init__(self, path: Path):
        self.path, self.packed = path, path.suffix.lower() == ".gz" or first_bytes(path, 2) == GZIPPED
        self.source: Any = gzip.open(path, "rb") if self.packed else open(path, "rb")  # noqa: SIM115
        self.most = UNPACKED_BYTES + UNPACKED_TIMES * os.path.getsize(path) if self.packed else None
        self.most_lines = memory_bytes() // LINE_MEMORY
        self.read_bytes = self.lines = self.in_line = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        try:
            data = self.source.read(min(len(buffer), LINE_BYTES))
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise BadInput(f"{self.path} cannot be unpacked ({error}); gzip it again") from None
        self._count(data)
        buffer[: len(data)] = data
        return len(data)

    def _count(self, data: bytes) -> None:
        self.read_bytes += len(data)
        if self.most is not None and self.read_bytes > self.most:
            raise BadInput(f"{self.path} unpacks to more than {self.most >> 20} MB; if it is sound, gunzip it first")
        self.lines += data.count(b"\n") or data.count(b"\r")
        if self.lines > self.most_lines:
            raise BadInput(f"{self.path} has more than {self.most_lines:,} lines, too many for this memory; split it")
        last = max(data.rfind(b"\n"), data.rfind(b"\r"))
        self.in_line = self.in_line + len(data) if last < 0 else len(data) - last - 1
        if self.in_line > LINE_BYTES:
            raise BadInput(
                f"{self.path} has a line of more than {LINE_BYTES >> 20} MB after line {self.lines}; is it a text file?"
            )

    def close(self) -> None:
        if not self.closed:
            self.source.close()
        super().close()


def first_bytes(path: str | Path, n: int) -> bytes:
    """The first n bytes of a file as they are stored."""
    with open(path, "rb") as handle:
        return handle.read(n)


def encoding_of(path: str | Path) -> str:
    """The encoding of a text file, gzipped or not: `utf-8-sig`, `utf-16`, `utf-32`, `cp1252` or `latin-1`.

    BadInput at a limit.
    """
    decoder, sound, windows = codecs.getincrementaldecoder("utf-8")("strict"), True, True
    with _Limited(Path(path)) as raw:
        piece = raw.read(PIECE_BYTES) or b""
        told = next((name for mark, name in MARKS if piece.startswith(mark)), "") or _unmarked(piece[:512])
        while piece:
            if sound:
                try:
                    decoder.decode(piece)
                except UnicodeDecodeError:
                    sound = False
            windows = windows and not any(byte in piece for byte in NOT_IN_WINDOWS)
            piece = raw.read(PIECE_BYTES) or b""
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        sound = False
    return told or ("utf-8-sig" if sound else "cp1252" if windows else "latin-1")


def _unmarked(first: bytes) -> str:
    """`utf-16-le` or `utf-16-be` if every second byte is 0, as in a Western text without a byte order mark; else ''."""
    even, odd = first[0::2], first[1::2]
    if len(first) < 4 or even.count(0) + odd.count(0) < len(odd) * 0.9:
        return ""
    return "utf-16-le" if not even.count(0) else "utf-16-be" if not odd.count(0) else ""


def open_text(path: str | Path, newline: str | None = None) -> io.TextIOWrapper:
    """Open a text file, gzipped or not, in the encoding that it is in. Reading raises BadInput at a limit."""
    encoding = encoding_of(path)
    buffered = io.BufferedReader(_Limited(Path(path)))
    return io.TextIOWrapper(buffered, encoding=encoding, errors="replace", newline=newline)
