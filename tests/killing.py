"""Start a command as a person would, and kill it with no warning while it writes something."""

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
    """Let `triptych WORDS...` end well; returns what it said."""
    process = command(*words)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    return said


def kill(process: subprocess.Popen | warm.Program, when: Callable[[], bool]) -> list[psutil.Process]:
    """Kill the process with SIGKILL as soon as `when` is true, which must come before it ends; its own processes."""
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
    """Those that still run after they had time to see that their parent is gone."""
    _, left = psutil.wait_procs([own for own in processes if own.is_running()], timeout=10)
    return [own for own in left if own.is_running() and own.status() != psutil.STATUS_ZOMBIE]


def appears(folder: Path, pattern: str, times: int = 1) -> Callable[[], bool]:
    """Whether so many paths of that pattern are there."""
    return lambda: len(list(folder.glob(pattern))) >= times
