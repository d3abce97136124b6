"""Text files of somebody else, read without trusting their size: a line, the lines and what is unpacked have limits."""

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


class _Limited(io.RawIOBase):
    """The bytes of a file, unpacked if it is gzipped, until they break a limit: then BadInput."""

    def __init__(self, path: Path):
        self.path, self.packed = path, path.suffix == ".gz"
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


def open_text(path: str | Path, newline: str | None = None) -> io.TextIOWrapper:
    """Open a text file, gzipped or not, in any encoding that extends ASCII. Reading raises BadInput at a limit."""
    buffered = io.BufferedReader(_Limited(Path(path)))
    return io.TextIOWrapper(buffered, encoding="utf-8-sig", errors="replace", newline=newline)
