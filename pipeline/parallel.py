"""Runs many independent tasks in processes or threads. Results come as they finish; a crash costs one task only."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, as_completed, wait
from itertools import islice

import joblib
from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import BrokenProcessPool

from triptych.pipeline.errors import TriptychError


class WorkerLost(TriptychError):
    """A worker process died during a task, for example because memory ran out or a decoder crashed."""


def cores() -> int:
    """Number of cores that this process may use. Respects a container's limit and LOKY_MAX_CPU_COUNT."""
    return joblib.cpu_count()


def processes_for(n_tasks: int, workers: int | None = None) -> int:
    """Number of processes that `unordered` uses for so many tasks. 1 means this process itself."""
    workers = min(workers or cores(), n_tasks)
    return 1 if workers <= 1 or n_tasks < 3 else workers


def unordered(function: Callable, tasks: Iterable, workers: int | None = None) -> Iterator[tuple]:
    """Yield (task, function(task)) as they finish, in `workers` processes (None = one per core).

    Tasks and results are pickled. A script that calls this needs no `if __name__ == "__main__"`. If a worker dies, the
    remaining tasks run again one by one, each in a process of its own. The task that kills its worker gives
    (task, WorkerLost). With one worker, or with one or two tasks, everything runs in this process.
    """
    tasks = list(tasks)
    workers = processes_for(len(tasks), workers)
    if workers == 1:
        yield from ((task, function(task)) for task in tasks)
        return
    left = []
    pool = _pool(workers)
    try:
        futures = {pool.submit(function, task): task for task in tasks}
        for future in as_completed(futures):
            task = futures.pop(future)
            try:
                result = future.result()
            except BrokenProcessPool:
                left.append(task)
                continue
            yield task, result
    finally:
        pool.shutdown(kill_workers=True)
    for task in left:
        yield task, alone(function, task)


def _pool(workers: int) -> ProcessPoolExecutor:
    """A pool whose processes end when this process is killed, instead of waiting for ever."""
    return ProcessPoolExecutor(max_workers=workers, initializer=_end_with, initargs=(os.getpid(),))


def _end_with(parent: int) -> None:
    """End this worker when its parent is gone, checked every second. Ignore Ctrl-C: the parent decides when to end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def in_threads(function: Callable, tasks: Iterable, threads: int) -> Iterator[tuple]:
    """Yield (task, function(task)) as they finish, in `threads` threads, for work that releases the GIL.

    At most `threads` results wait to be taken, which limits the memory.
    """
    waiting = iter(tasks)
    with ThreadPoolExecutor(threads) as pool:
        under_way = {pool.submit(function, task): task for task in islice(waiting, threads)}
        try:
            while under_way:
                done, _ = wait(under_way, return_when=FIRST_COMPLETED)
                finished = [(under_way.pop(future), future.result()) for future in done]
                under_way |= {pool.submit(function, task): task for task in islice(waiting, len(finished))}
                yield from finished
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def alone(function: Callable, task):
    """Run a task in a process of its own. Return its result, or a WorkerLost if that process dies."""
    pool = _pool(1)
    try:
        return pool.submit(function, task).result()
    except BrokenProcessPool:
        return WorkerLost("the process that read it died")
    finally:
        pool.shutdown(kill_workers=True)
