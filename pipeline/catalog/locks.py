"""Locks between processes. They also tell a half-written folder of a killed process from one still being written.

All of them are flock locks, through `filelock`. The system releases such a lock when its process ends. Two other
methods would not work: filelock's "soft" locks stay after a crash, and a process number says nothing about a process
on another machine that shares the folder. On a file system without flock, the work goes on without a lock.
"""

import contextlib
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

LOCK = ".lock"
POLL_SECONDS = 0.02
NO_FLOCK = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)


@contextlib.contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Protect a folder, which need not exist yet, from `clear_unfinished`. The lock file is next to the folder."""
    with wait_turn(folder.with_name(folder.name + LOCK)):
        yield


def clear_unfinished(parent: Path) -> None:
    """Remove the folders in `parent` whose `hold_folder` ended because the process was killed."""
    for path in parent.glob(f".*{LOCK}"):
        # Timeout (an OSError) means that somebody holds the lock; without flock nobody can tell, so nothing is removed
        with contextlib.suppress(OSError), _lock(path).acquire(blocking=False):
            shutil.rmtree(path.with_name(path.name.removesuffix(LOCK)), ignore_errors=True)
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Wait until no other process or thread is in such a block with the same lock file. The file stays afterwards."""
    with _held(path, wait=True, keep=True):
        yield


@contextlib.contextmanager
def try_exclusive(path: Path) -> Iterator[bool]:
    """Run the block with True if no other process or thread is in such a block with this lock file, else with False.

    The lock file is removed after the block. A killed process leaves the file, but unlocked.
    """
    with _held(path, wait=False, keep=False) as own:
        yield own


@contextlib.contextmanager
def wait_turn(path: Path) -> Iterator[None]:
    """Wait until the lock file that `try_exclusive` uses is free, then hold it during the block."""
    with _held(path, wait=True, keep=False):
        yield


def _lock(path: Path) -> FileLock:
    # thread_local=False: a generator that holds the lock may be closed by a different thread than the one that began it
    return FileLock(path, thread_local=False, fallback_to_soft=False, poll_interval=POLL_SECONDS)


@contextlib.contextmanager
def _held(path: Path, *, wait: bool, keep: bool) -> Iterator[bool]:
    path.parent.stat()  # raises if the folder is gone; filelock would make it again
    lock, own = _lock(path), True
    try:
        lock.acquire(blocking=wait)
    except Timeout:
        own = False
    except OSError as error:
        if error.errno not in NO_FLOCK:
            raise
    try:
        yield own
    finally:
        if own and not keep:
            path.unlink(missing_ok=True)  # before the release, so that the next holder sees that the file is gone
        lock.release()
