"""How much memory there is. What a file of somebody else says of its size is compared with that before it is read."""

import mmap
import os
import resource
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from triptych.pipeline.errors import BadInput

# the limit of a container or a batch job, in the two forms of Linux; elsewhere these files do not exist
LIMIT_FILES = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_bytes() -> int:
    """Memory that this process can have at most: that of the machine, or less where somebody has set a limit."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in LIMIT_FILES:
        with suppress(OSError, ValueError):  # without a limit the file says `max`
            found.append(int(Path(path).read_text()))
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        found.append(limit)
    return min(found)


def must_fit(n_bytes: int, what: object) -> None:
    """BadInput if so many bytes cannot be held in memory. what : the file that asks for them, for the message."""
    if n_bytes > (most := memory_bytes()):
        raise BadInput(
            f"{what} would take {n_bytes / 1e9:,.0f} GB of memory, and there are {most / 1e9:,.1f}; "
            "if it is sound, split it, or use a machine with more memory"
        )


@dataclass(frozen=True)
class Needs:
    """What a step will take, from what it took at other sizes: bytes of memory, and seconds of one processor.

    seconds : None if that was not measured.
    """

    n_bytes: float
    seconds: float | None = None

    def __str__(self) -> str:
        if self.seconds is None:
            return f"about {self.n_bytes / 1e9:,.1f} GB of memory"
        time = f"{self.seconds / 60:,.0f} minutes" if self.seconds >= 90 else f"{self.seconds:,.0f} seconds"
        return f"about {self.n_bytes / 1e9:,.1f} GB of memory and {time} of one processor"

    def must_fit(self, doing: str, remedy: str) -> None:
        """BadInput if the step needs more memory than there is. doing : what needs it; remedy : what helps."""
        if self.n_bytes > (most := memory_bytes()):
            raise BadInput(
                f"{doing} takes about {self.n_bytes / 1e9:,.1f} GB of memory, and there are {most / 1e9:,.1f}; "
                f"{remedy}, or use a machine with more memory"
            )


def let_go(array: np.ndarray) -> None:
    """Release the pages of a memory-mapped file that were read. Otherwise they count as memory of this process.

    array : a memory-mapped array, or one that joins several, its `files`. Any other is left alone.
    """
    for own in getattr(array, "files", (array,)):
        if isinstance(own, np.memmap) and own.mode == "r" and hasattr(mmap, "MADV_DONTNEED"):
            mapped = own._mmap  # pyright: ignore[reportAttributeAccessIssue]  # not in numpy's stubs
            mapped.madvise(mmap.MADV_DONTNEED)
