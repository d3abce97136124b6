"""Files that arrive in a folder: which are still being written, and whether there is anything new.

Files are looked at again and again rather than announced by the operating system: a network file system announces
nothing of what other machines write, and one that is announced is not yet complete. A file counts as complete when size
and times have been the same over `quiet` seconds of this machine's clock; the file's own clock may be another's.
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
    """Size, and times of the last change of contents and of rights, of a file and of a picture's tiles; () if gone."""
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
    """What has been seen of each file, from look to look.

    quiet : seconds. known : path -> digest of files that were read earlier; those that are still the same are complete.
    """

    def __init__(self, quiet: float, known: Mapping[str, str], clock: Callable[[], float] = time.monotonic):
        self.quiet, self.known, self.clock = quiet, known, clock
        self.seen: dict[str, tuple[Stamp, float]] = {}
        self.read: dict[str, Stamp] = {}
        self.waiting: set[str] = set()

    def look(self, paths: Iterable[str]) -> bool:
        """Look at all files that there are; True if some are new, changed or gone. `waiting`: those still written."""
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
        """What this look has found complete was read."""
        self.read = {path: stamp for path, (stamp, _) in self.seen.items() if path not in self.waiting} | {
            path: stamp for path, stamp in self.read.items() if path in self.waiting
        }
