"""Runs work on a Dask cluster: one that is started here, or one that is running, on one machine or many.

The cluster gets a function, a small order and a task at a time. It gets only a few tasks per thread at once, because
hundreds of thousands of tasks would make a large graph. If a worker dies, the tasks that it was doing run again on
other workers.
"""

import json
import logging
import queue
import re
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, cast

import distributed
from distributed.client import FutureCancelledError
from distributed.comm.core import CommClosedError
from distributed.scheduler import KilledWorker

from triptych.pipeline.errors import BadInput, TriptychError
from triptych.pipeline.parallel import WorkerLost, cores

log = logging.getLogger("triptych.scheduler")

CONNECT_SECONDS = 10
NOTICE_SECONDS = 15.0  # if there is no worker for so long, log a line, and again after as long
LOST_SECONDS = 20.0  # a scheduler that does not answer for so long counts as gone
LOOK_SECONDS = 1.0
AHEAD = 3  # number of tasks per thread that are given to the cluster at once
FORMS = "local, tcp://HOST:PORT, or the scheduler file that `dask scheduler --scheduler-file FILE` writes"


class SchedulerLost(TriptychError):
    """The cluster's scheduler has gone. Finished work is kept."""


class Cluster:
    """A connection to a Dask cluster. address : as the user wrote it, for messages."""

    def __init__(self, client: distributed.Client, address: str):
        self.client = client
        self.address = address
        self._threads = 0
        # times: of the last look; since when the scheduler has not answered, or has had no worker (0 = it does, it has)
        self._looked = self._silent = self._without = 0.0

    def call(self, function: Callable, *arguments):
        """Run function(*arguments) on one of the workers and return its result. WorkerLost if it kills its workers."""
        ((_, result),) = self.unordered(lambda task: (function, *task), [arguments], lambda task: None)
        if isinstance(result, WorkerLost):
            raise result
        return result

    def unordered(
        self, order: Callable[[Any], tuple], tasks: Iterable, key: Callable[[Any], Hashable]
    ) -> Iterator[tuple]:
        """Yield (task, result) as they finish; (task, WorkerLost) if a task kills every worker that tries it.

        order : function task -> (function, *arguments). These are sent to a worker, and the result is sent back. key :
        function task -> a name, by which the cluster sees that two clients want the same; None for no such name. Dask
        blames all tasks that a dying worker had. So the tasks that Dask gives up run again at the end, one by one.
        """
        left = []
        for task, result in self._run(order, tasks, key):
            if isinstance(result, WorkerLost):
                left.append(task)
            else:
                yield task, result
        for task in left:
            yield from self._run(order, [task], lambda again: key(again) and f"{key(again)}-again")

    def _run(self, order: Callable, tasks: Iterable, key: Callable) -> Iterator[tuple]:
        waiting, finished, under_way = iter(tasks), queue.SimpleQueue(), {}
        try:
            while True:
                self._look()
                room = max(4, AHEAD * self._threads) - len(under_way)
                for task in islice(waiting, max(0, room)):
                    future = self.client.submit(*order(task), key=key(task), pure=False)
                    under_way[future] = task
                    future.add_done_callback(finished.put)
                if not under_way:
                    return
                done = self._drain(finished)
                for future, result in self._gather(done):
                    yield under_way.pop(future), result
                for future in done:
                    if future in under_way:
                        future.add_done_callback(finished.put)
        finally:
            self._cancel(list(under_way))

    def _drain(self, finished: queue.SimpleQueue) -> list:
        """Futures that are finished. Waits up to LOOK_SECONDS for the first."""
        try:
            done = [finished.get(timeout=LOOK_SECONDS)]
        except queue.Empty:
            return []
        while not finished.empty():
            done.append(finished.get())
        return done

    def _gather(self, futures: list) -> list[tuple]:
        """(future, result) for each future with a result, in one request; WorkerLost if its task killed the workers.

        A result may get lost when its worker dies after announcing it. Then it is computed again, and its future is
        left out here. Any other error of a task is raised.
        """
        states = [(future, future.status) for future in futures]
        if any(status == "cancelled" for _, status in states):
            raise self._lost()
        wrong = [(future, self._explained(future.exception())) for future, status in states if status == "error"]
        ready = [future for future, status in states if status == "finished"]
        try:
            return wrong + list(zip(ready, cast(list, self.client.gather(ready)), strict=True))
        except KilledWorker:  # a result was lost, and computing it again killed more workers: the next status says so
            return wrong
        except (FutureCancelledError, CommClosedError, OSError):
            raise self._lost() from None

    def _explained(self, error: BaseException) -> WorkerLost:
        """Return WorkerLost if a task killed its workers. Otherwise raise the error, in our own words if we can."""
        if isinstance(error, KilledWorker):
            return WorkerLost("every worker that tried it died")
        reason = str(error.__cause__ or error)
        if isinstance(error, ImportError) or "deserialization" in str(error):
            raise BadInput(
                f"the cluster at {self.address} does not have this program ({reason.splitlines()[0]}); start its "
                "scheduler and workers in an environment with the same version of triptych"
            ) from None
        raise error

    def _look(self) -> None:
        """Ask once a second how many threads the cluster has. Log a line if it has had none for a while."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS and self._threads:
            return
        self._looked = now
        if not self._answers():
            self._silent = self._silent or now
            if self.client.status == "closed" or now - self._silent > LOST_SECONDS:
                raise self._lost()
            return
        self._silent = 0.0
        self._without = 0.0 if self._threads else self._without or now
        if self._without and now - self._without >= NOTICE_SECONDS:
            self._without = now
            log.warning("%s", self._no_workers())

    def _answers(self) -> bool:
        """Whether the scheduler answers. If so, note how many threads it has."""
        if self.client.status != "running":
            return False
        try:
            self._threads = sum(cast(dict, self.client.nthreads()).values())
        except (CommClosedError, OSError, TimeoutError):
            return False
        return True

    def _no_workers(self) -> str:
        waited = f"the cluster at {self.address} has had no worker for {NOTICE_SECONDS:.0f} s; waiting"
        address = self.client.scheduler.address if self.client.scheduler else self.address
        return f"{waited}. Start some with `dask worker {address} --nthreads 1`, or press Ctrl-C"

    def _lost(self) -> SchedulerLost:
        return SchedulerLost(
            f"the scheduler at {self.address} has gone; finished work is kept: start it and run the same command again"
        )

    def _cancel(self, futures: list) -> None:
        """Cancel futures that are no longer wanted, if the scheduler still answers."""
        if futures and self.client.status == "running":
            try:
                self.client.cancel(futures, force=True)
            except (CommClosedError, OSError, TimeoutError):
                return


@contextmanager
def connect(address: str, workers: int | None = None) -> Iterator[Cluster]:
    """Connect to the cluster at `address`; the connection is closed at the end of the block.

    address : `local` starts a cluster of `workers` processes (None = one per core) with one thread each, which ends
    with the connection; or tcp://HOST:PORT; or a scheduler file. BadInput if no scheduler answers.
    """
    address = str(address)
    if address == "local":
        with _embedded(workers or cores()) as cluster, distributed.Client(cluster, set_as_default=False) as client:
            yield Cluster(client, address)
        return
    with _client(address) as client:
        yield Cluster(client, address)


def _embedded(workers: int) -> distributed.LocalCluster:
    return distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
        memory_limit=0,
        silence_logs=logging.CRITICAL,
    )


def _client(address: str) -> distributed.Client:
    contact = contact_of(address)
    try:
        return distributed.Client(contact, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BadInput(
            f"no scheduler answers at {address} ({reason}); start one with `dask scheduler`, or give --scheduler local"
        ) from None


def contact_of(address: str) -> str:
    """The scheduler's address, such as tcp://10.0.0.1:8786, from what the user wrote. BadInput if it is no address."""
    path = Path(address).expanduser()
    if path.is_file():
        try:
            return str(json.loads(path.read_text())["address"])
        except (ValueError, KeyError, TypeError):
            raise BadInput(f"{path} is not a scheduler file; give {FORMS}") from None
    if re.fullmatch(r"[a-z]+://.+", address):
        return address
    if re.fullmatch(r"[\w.-]+:\d+", address):
        return f"tcp://{address}"
    raise BadInput(f"{address!r} is neither a scheduler's address nor an existing file; give {FORMS}")
