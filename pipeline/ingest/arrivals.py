"""Files that arrive in a folder: which of them are still being written, and whether anything is new.

The files are checked again and again. Notices from the operating system would not do: on a network file system there
are none about files that another machine writes, and a new file is not complete at once. A file counts as complete when
its size and times have not changed for `quiet` seconds by this machine's clock. The file's own times may come from
another machine's clock.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from triptych.pipeline.ingest.sources import digest_of
from triptych.pipeline.pixels import focal_plane_pictures
from triptych.pipeline.pixels.fits import Unusable

Stamp = tuple[int, ...]


def stamp_of(path: str | Path) -> Stamp:
    """Size, modification time and change time of a file, and of a picture's tiles file; () if the file is gone."""
    names = [path]
    if focal_plane_pictures.is_picture_name(path):
        with contextlib.suppress(Unusable):
            names.append(focal_plane_pictures.tiles_path(path))
    stamp: Stamp = ()
    for name in names:
        try:
            status = os.stat(name)
        except OSError:
            continue
        stamp += (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return stamp


class Arrivals:
    """What is known of each file, from look to look.

    quiet : seconds. known : path -> digest of files that were read earlier; if unchanged, they are complete.
    """

    def __init__(self, quiet: float, known: Mapping[str, str], clock: Callable[[], float] = time.monotonic):
        self.quiet, self.known, self.clock = quiet, known, clock
        self.seen: dict[str, tuple[Stamp, float]] = {}
        self.read: dict[str, Stamp] = {}
        self.waiting: set[str] = set()

    def look(self, paths: Iterable[str]) -> bool:
        """Check all existing files. Return True if complete files are new or changed, or read files are gone.

        `waiting` then holds the files that may still be written.
        """
        now, seen, waiting = self.clock(), {}, set()
        for path in paths:
            stamp = stamp_of(path)
            before = self.seen.get(path)
            if before is None and path in self.known and self.known[path] == digest_of(path):
                self.read[path] = stamp
                since = now - self.quiet
            else:
                since = before[1] if before and before[0] == stamp else now
            seen[path] = (stamp, since)
            if now - since < self.quiet:
                waiting.add(path)
        self.seen, self.waiting = seen, waiting
        return not self.read.keys() <= seen.keys() or any(
            self.read.get(path) != stamp for path, (stamp, _) in seen.items() if path not in waiting
        )

    def note_read(self) -> None:
        """Record that all complete files of the last look were read."""
        self.read = {path: stamp for path, (stamp, _) in self.seen.items() if path not in self.waiting} | {
            path: stamp for path, stamp in self.read.items() if path in self.waiting
        }
