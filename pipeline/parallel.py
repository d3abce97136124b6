"""Many independent tasks in processes: results as they come, a crash of one task costs that task only."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import as_completed

from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import BrokenProcessPool

from pipeline.errors import TriptychError


class WorkerLost(TriptychError):
    """A worker process died on a task, as when memory runs out or a decoder crashes."""


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processes_for(n_tasks: int, workers: int | None = None) -> int:
    """How many processes `unordered` runs so many tasks in; 1 is this one."""
    workers = min(workers or cores(), n_tasks)
    return 1 if workers <= 1 or n_tasks < 3 else workers


def unordered(function: Callable, tasks: Iterable, workers: int | None = None) -> Iterator[tuple]:
    """Yield (task, function(task)) as they finish, in `workers` processes (all cores if None).

    Tasks and results are pickled; a script that calls this needs no `if __name__ == "__main__"`. When a worker dies,
    the tasks that were left run again one by one, each in a process of its own, and the one that kills it yields
    (task, WorkerLost). One worker, or one or two tasks, run in this process.
    """
    tasks = list(tasks)
    workers = processes_for(len(tasks), workers)
    if workers == 1:
        yield from ((task, function(task)) for task in tasks)
        return
    left = []
    pool = ProcessPoolExecutor(max_workers=workers)
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
        yield task, _alone(function, task)


def _alone(function: Callable, task):
    """The result of a task in a process of its own, or WorkerLost."""
    pool = ProcessPoolExecutor(max_workers=1)
    try:
        return pool.submit(function, task).result()
    except BrokenProcessPool:
        return WorkerLost("the process that read it died")
    finally:
        pool.shutdown(kill_workers=True)
