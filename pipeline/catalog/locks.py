"""What a killed process leaves half-written, told from what another one is still writing by a lock that falls with it.

A process number would not do: the writer may be on another machine that shares the folder.
"""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

LOCK = ".lock"
TURN_SECONDS = 0.02


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Make `folder`, and lock it against `clear` while the block runs; the lock lies beside it."""
    lock = folder.with_name(folder.name + LOCK)
    with open(lock, "w") as handle:
        with contextlib.suppress(OSError):  # a file system without locks: nobody clears anything there
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            folder.mkdir()
            yield
        finally:
            lock.unlink(missing_ok=True)


def clear(parent: Path) -> None:
    """Remove the folders under `parent` whose `held` ended with its process."""
    for lock in parent.glob(f".*{LOCK}"):
        with contextlib.suppress(OSError), open(lock, "r+") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.with_name(lock.name.removesuffix(LOCK)), ignore_errors=True)
            lock.unlink(missing_ok=True)


@contextlib.contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Wait until no other process or thread is in such a block with the same lock file."""
    with open(lock, "w") as handle:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def sole(lock: Path) -> Iterator[bool]:
    """Run the block with True where no other process or thread is in such a block with this lock file, else with False.

    The file is gone after the block, so that nothing is left behind; a killed process leaves it empty and unlocked.
    """
    while True:
        handle = open(lock, "w")  # noqa: SIM115 closed below, and not before the lock file is away
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            yield False
            return
        except OSError:  # a file system without locks: nobody can be told to wait
            handle.close()
            yield True
            return
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle.fileno()), lock.stat()):
                break
        handle.close()  # the one before us took the file away between our two steps
    try:
        yield True
    finally:
        lock.unlink(missing_ok=True)
        handle.close()


@contextlib.contextmanager
def turn(lock: Path) -> Iterator[None]:
    """Wait until `sole` has this lock file for us, for short work."""
    while True:
        with sole(lock) as own:
            if own:
                yield
                return
        time.sleep(TURN_SECONDS)
