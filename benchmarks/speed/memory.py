"""Peak memory of a command and of every process that it starts."""

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

EVERY_SECONDS = 0.05
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Peak:
    """What a process tree took, in bytes.

    shared_once : highest sum over its processes seen at one moment, pages that several share counted once (PSS).
    resident : the same with such pages counted in each process (RSS). at_most : sum of every process's own highest
    RSS as the kernel keeps it, whenever that was: no moment between two looks can have been above it.
    """

    shared_once: int
    resident: int
    at_most: int
    processes: int
    seconds: float


def peak_of(command: Sequence[str]) -> Peak:
    """Run a command to its end and watch it. RuntimeError with what it said when it fails."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    own = psutil.Process(process.pid)
    shared_once = resident = 0
    highest: dict[int, int] = {}
    while process.poll() is None:
        seen = list(_seen(own))
        shared_once = max(shared_once, sum(pss for _, pss, _, _ in seen))
        resident = max(resident, sum(rss for _, _, rss, _ in seen))
        highest |= {pid: top for pid, _, _, top in seen}
        time.sleep(EVERY_SECONDS)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {process.stdout.read()}")
    seconds = time.perf_counter() - started
    return Peak(shared_once, resident, sum(highest.values()), len(highest), seconds)


def triptych(*words) -> Peak:
    """Peak memory of `triptych WORDS...`; its output must be short."""
    return peak_of([sys.executable, "-m", "triptych.app.cli", *map(str, words)])


def _seen(parent: psutil.Process) -> Iterator[tuple[int, int, int, int]]:
    """Process number, PSS, RSS and highest RSS, in bytes, of a process and its descendants as they are now."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in [parent, *parent.children(recursive=True)]:
            with contextlib.suppress(psutil.Error, OSError, AttributeError):
                now = process.memory_full_info()
                status = Path(f"/proc/{process.pid}/status").read_text()
                yield process.pid, now.pss, now.rss, 1024 * int(re.search(r"VmHWM:\s+(\d+)", status).group(1))
