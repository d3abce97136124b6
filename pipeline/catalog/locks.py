"""Locks between processes, and what a killed one leaves half-written told from what another is still writing.

All are flock's, through `filelock`: they fall with the process that holds them. Its soft locks would not, and a process
number would not tell who is alive: the writer may be on another machine that shares the folder. Where a file system has
no flock the work goes on without.
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
    """Lock a folder that is yet to be made against `clear_unfinished`; the lock lies beside it."""
    with wait_turn(folder.with_name(folder.name + LOCK)):
        yield


def clear_unfinished(parent: Path) -> None:
    """Remove the folders under `parent` whose `hold_folder` ended with its process."""
    for path in parent.glob(f".*{LOCK}"):
        # Timeout, which is an OSError, says that it is held; without flock nobody can tell, and nothing is cleared
        with contextlib.suppress(OSError), _lock(path).acquire(blocking=False):
            shutil.rmtree(path.with_name(path.name.removesuffix(LOCK)), ignore_errors=True)
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Wait until no other process or thread is in such a block with the same lock file, which stays."""
    with _held(path, wait=True, keep=True):
        yield


@contextlib.contextmanager
def try_exclusive(path: Path) -> Iterator[bool]:
    """Run the block with True where no other process or thread is in such a block with this lock file, else with False.

    The file is gone after the block, so that nothing is left behind; a killed process leaves it unlocked.
    """
    with _held(path, wait=False, keep=False) as own:
        yield own


@contextlib.contextmanager
def wait_turn(path: Path) -> Iterator[None]:
    """Wait until `try_exclusive` has this lock file for us."""
    with _held(path, wait=True, keep=False):
        yield


def _lock(path: Path) -> FileLock:
    # thread_local=False: a generator that holds it may be closed by another thread than the one that began it
    return FileLock(path, thread_local=False, fallback_to_soft=False, poll_interval=POLL_SECONDS)


@contextlib.contextmanager
def _held(path: Path, *, wait: bool, keep: bool) -> Iterator[bool]:
    path.parent.stat()  # filelock would make a folder again that was deleted
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
            path.unlink(missing_ok=True)  # filelock does not; before the release, so that who gets it next can see it
        lock.release()
