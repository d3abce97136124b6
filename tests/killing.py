"""Start a command as a person would, and kill it without warning while it is writing."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests import warm

PATIENCE_SECONDS = 300.0


def command(*words, **options) -> warm.Program:
    """`triptych WORDS...` in a process of its own."""
    return warm.start("triptych.app.cli", *words, **options)


def finish(*words) -> str:
    """Run `triptych WORDS...` until it ends without an error. Returns its output."""
    process = command(*words)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    return said


def kill(process: subprocess.Popen | warm.Program, when: Callable[[], bool]) -> list[psutil.Process]:
    """Kill the process with SIGKILL as soon as `when` is true. Returns its child processes.

    It is an error if the process ends before that.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    while not when():
        assert process.poll() is None, f"it ended before it could be killed:\n{process.stdout.read()}"
        assert time.monotonic() < until, "it never came so far"
        time.sleep(0.0005)
    helpers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    process.stdout.close()
    return helpers


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """The processes that still run ten seconds after their parent was killed."""
    _, left = psutil.wait_procs([own for own in processes if own.is_running()], timeout=10)
    return [own for own in left if own.is_running() and own.status() != psutil.STATUS_ZOMBIE]


def appears(folder: Path, pattern: str, times: int = 1) -> Callable[[], bool]:
    """A function that tells whether `folder` has at least `times` paths that match the pattern."""
    return lambda: len(list(folder.glob(pattern))) >= times
