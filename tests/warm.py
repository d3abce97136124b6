"""Start our programs in processes that are forked from a warm parent, which has already imported everything.

    process = start("triptych.app.worker", run, stdin=True)      # as `python -m triptych.app.worker RUN` would
    process.kill(); process.wait()

The parent is Python's own fork server. It only imports modules, so a fork of it is as good as a new process.
To import the server or the worker again takes seconds of processor time, and the tests start about two hundred of them.
"""

import atexit
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

import dask

ROOT = Path(__file__).parents[1]
WARM = ["tests.warm_imports"]
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(WARM)


class Program:
    """A process with the interface of `subprocess.Popen`. `stdout` is text and includes the error output."""

    def __init__(self, process, stdout, stdin):
        self._process, self.stdout, self.stdin = process, stdout, stdin

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code; negative if a signal ended it. subprocess.TimeoutExpired after `timeout` seconds."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout)
        return self._process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """The rest of its output, until it ends."""
        said = self.stdout.read()
        self.wait(timeout)
        self.stdout.close()
        return said, None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def start(module: str, *words, log: Path | None = None, stdin: bool = False, session: bool = False) -> Program:
    """Start `python -m MODULE WORDS...` in the folder of the project.

    log : file to which the output is added, instead of `stdout`. stdin : whether it reads a pipe that this process
    holds open. session : whether it runs in a session of its own.
    """
    ours, theirs, reader, said = None, None, None, None
    if stdin:
        theirs, ours = multiprocessing.Pipe(duplex=False)
    if log is None:
        reader, said = multiprocessing.Pipe(duplex=False)
    arguments = (module, [str(word) for word in words], dict(os.environ), theirs, said, log, session)
    process = _forks.Process(target=_run, args=arguments, name=f"{module} {' '.join(map(str, words))}")
    process.start()
    for end in (theirs, said):
        if end is not None:
            end.close()
    stdout = None if reader is None else os.fdopen(os.dup(reader.fileno()), "r", errors="replace")
    if reader is not None:
        reader.close()
    return Program(process, stdout, ours)


def process(function: Callable, *arguments) -> BaseProcess:
    """A process that will call the function. It is not started yet. Arguments are pickled."""
    return _forks.Process(target=function, args=arguments)


def dask_workers() -> dask.config.set:
    """In this context, Dask clusters started by this process also fork their workers from the warm parent."""
    forkserver.ensure_running()  # if it is not running yet, Dask makes it import other modules
    return dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})


def _run(module, words, environment, stdin, said, log, session) -> None:
    """Runs in the fork: set its streams, folder and environment, then call the module's `main`."""
    if session:
        os.setsid()
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    if stdin is not None:
        os.dup2(stdin.fileno(), 0)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if log else said.fileno()
    os.dup2(target, 1)
    os.dup2(target, 2)
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    for end in (stdin, said):
        if end is not None:
            end.close()
    sys.argv = [module, *words]
    try:
        importlib.import_module(module).main()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
