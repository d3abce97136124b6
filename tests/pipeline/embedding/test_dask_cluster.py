"""Embedding on a cluster: identical vectors, killed workers, killed clients, and clusters that do not exist."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import dask
import numpy as np
import pytest

from tests import survey, warm
from tests.killing import command
from triptych.pipeline import dask_cluster
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.embedding import embed
from triptych.pipeline.errors import BadInput
from triptych.pipeline.parallel import WorkerLost

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The stage that this process makes without a cluster."""
    catalog = survey.make(tmp_path_factory.mktemp("whole") / "run", exposures=8)
    return embed.embed(catalog, workers=1)


@pytest.fixture
def run(tmp_path):
    return survey.make(tmp_path / "run", exposures=8)


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes of one thread each; a killed one is started again."""
    with warm.dask_workers(), dask_cluster._embedded(2) as made:
        yield made


class Shards:
    """Watches the files of finished units. If a unit is computed twice, its file is replaced by a new one."""

    def __init__(self, catalog):
        self.catalog = catalog
        self.seen: dict[str, set] = {}

    def look(self) -> int:
        for path in self.catalog.path.glob("embedding/.work-*/[!.]*.npy"):
            found = path.stat()
            self.seen.setdefault(path.name, set()).add((found.st_ino, found.st_mtime_ns))
        return len(self.seen)

    def computed_twice(self) -> list[str]:
        return [name for name, files in self.seen.items() if len(files) > 1]


def processes_of(cluster) -> list[int]:
    return [worker.pid for worker in cluster.workers.values() if worker.pid]


def test_a_cluster_makes_the_same_stage_and_counts_every_image(run, whole, cluster):
    seen = []
    stage = embed.embed(run, scheduler=cluster.scheduler_address, progress=lambda done, total: seen.append(done))
    assert stage.digest == whole.digest
    assert seen == [61 * (i + 1) for i in range(8)]
    assert not list((run.path / "embedding").glob(".work-*"))
    assert embed.embed(run, scheduler=cluster.scheduler_address).stage_id == stage.stage_id


def test_a_worker_killed_in_the_middle_costs_only_its_share(run, whole, cluster):
    shards, killed = Shards(run), []

    def progress(done, total):
        shards.look()
        if not killed:
            killed.append(processes_of(cluster)[0])
            os.kill(killed[0], signal.SIGKILL)

    stage = embed.embed(run, scheduler=cluster.scheduler_address, progress=progress)
    assert killed
    assert stage.digest == whole.digest
    assert len(shards.seen) == 8
    assert not shards.computed_twice()


def test_a_client_that_dies_leaves_its_finished_units_to_the_next(run, whole, cluster):
    """Kill it in the middle with SIGKILL. The same command then computes only the units that were not finished."""
    shards = Shards(run)
    client = command("embed", run.path, "--scheduler", cluster.scheduler_address)
    try:
        while shards.look() < 2 and client.poll() is None:
            time.sleep(0.01)
    finally:
        client.kill()
        client.wait()
    assert not run.refresh().has("embedding") or run.stage("embedding").digest != whole.digest
    finished = shards.look()
    stage = embed.embed(run.refresh(), scheduler=cluster.scheduler_address, progress=lambda done, total: shards.look())
    assert finished >= 2
    assert stage.digest == whole.digest
    assert not shards.computed_twice()


def die_on_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def die_soon_on_three(number: int) -> int:
    if number == 3:
        time.sleep(0.5)  # until the next task waits behind it
    return die_on_three(number)


def refuse(number: int) -> int:
    raise BadInput(f"{number} is refused")


@pytest.mark.slow
def test_a_task_that_kills_every_worker_is_given_up_and_the_others_are_done(cluster):
    with dask_cluster.connect(cluster.scheduler_address) as connected:
        results = dict(connected.unordered(lambda n: (die_on_three, n), range(6), lambda n: None))
    assert isinstance(results.pop(3), WorkerLost)
    assert results == {n: n * n for n in range(6) if n != 3}


def test_a_task_that_waited_on_a_dying_worker_is_not_given_up_with_the_one_that_killed_it():
    with warm.dask_workers(), dask_cluster._embedded(1) as made:
        made.scheduler.allowed_failures = 0  # one death is enough for Dask to give up all that the worker had
        with dask_cluster.connect(made.scheduler_address) as connected:
            results = dict(connected.unordered(lambda n: (die_soon_on_three, n), range(6), lambda n: None))
    assert isinstance(results.pop(3), WorkerLost)
    assert results == {n: n * n for n in range(6) if n != 3}


def test_an_error_of_a_task_is_the_same_error_here(cluster):
    with dask_cluster.connect(cluster.scheduler_address) as connected, pytest.raises(BadInput, match="7 is refused"):
        connected.call(refuse, 7)


def test_no_more_tasks_are_given_away_than_a_few_per_thread(cluster):
    asked = []

    def tasks():
        for number in range(1000):
            asked.append(number)
            yield number

    with dask_cluster.connect(cluster.scheduler_address) as connected:
        results = connected.unordered(lambda n: (abs, n), tasks(), lambda n: None)
        next(results)
        assert len(asked) < 20
        results.close()


def test_a_worker_that_does_not_see_the_run_says_so(run, cluster, tmp_path):
    from triptych.pipeline.embedding import work_units

    order = work_units.Order(str(run.path), "triptych", "cpu", work=str(tmp_path / "elsewhere"))
    unit = work_units.Unit(900001, (90000101,), "0", "decam")
    with dask_cluster.connect(cluster.scheduler_address) as connected, pytest.raises(BadInput, match="every worker"):
        connected.call(work_units.compute, order, unit)


def test_a_cluster_that_is_not_there_is_one_line(run, monkeypatch):
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nothing answers
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(BadInput, match=r"no scheduler answers at .* --scheduler local") as caught:
            embed.embed(run, scheduler=address)
    assert "\n" not in str(caught.value)


def test_an_address_that_says_nothing_lists_what_can_be_given(tmp_path):
    with pytest.raises(BadInput, match=r"local, tcp://HOST:PORT, or the scheduler file"):
        dask_cluster.contact_of(str(tmp_path / "not-there.json"))
    (tmp_path / "other.json").write_text(json.dumps({"kind": "something else"}))
    with pytest.raises(BadInput, match="is not a scheduler file"):
        dask_cluster.contact_of(str(tmp_path / "other.json"))
    (tmp_path / "scheduler.json").write_text(json.dumps({"address": "tcp://10.0.0.1:8786"}))
    assert dask_cluster.contact_of(str(tmp_path / "scheduler.json")) == "tcp://10.0.0.1:8786"
    assert dask_cluster.contact_of("node7:8786") == "tcp://node7:8786"


@pytest.fixture
def empty_scheduler(tmp_path):
    """A scheduler process without a worker, and its file."""
    path = tmp_path / "scheduler.json"
    options = ("--scheduler-file", path, "--port", "0", "--no-dashboard", "--host", "127.0.0.1")
    process = warm.start("distributed.cli.dask_scheduler", *options, log=tmp_path / "scheduler.log")
    try:
        while not path.exists() and process.poll() is None:
            time.sleep(0.05)
        yield path, process
    finally:
        process.kill()
        process.wait()


def start_worker(path: Path) -> warm.Program:
    options = ("--scheduler-file", path, "--nthreads", "1", "--no-dashboard", "--no-nanny")
    return warm.start("distributed.cli.dask_worker", *options, log=path.with_name("worker.log"))


@pytest.mark.slow
def test_a_cluster_without_workers_says_so_and_goes_on_when_one_comes(
    run, whole, empty_scheduler, monkeypatch, caplog, tmp_path
):
    path, _ = empty_scheduler
    monkeypatch.setattr(dask_cluster, "NOTICE_SECONDS", 0.5)
    started = []

    class StartOne(logging.Handler):
        """Does what the message asks for: starts a worker."""

        def emit(self, record):
            if not started:
                started.append((record.getMessage(), start_worker(path)))

    handler = StartOne()
    dask_cluster.log.addHandler(handler)
    try:
        stage = embed.embed(run, scheduler=str(path))
    finally:
        dask_cluster.log.removeHandler(handler)
        for _, process in started:
            process.terminate()
            process.wait()
    assert "has had no worker" in started[0][0]
    assert "dask worker tcp://" in started[0][0]
    assert stage.digest == whole.digest


@pytest.mark.slow
def test_a_scheduler_that_dies_ends_the_work_with_what_to_do(run, whole, empty_scheduler, monkeypatch):
    path, process = empty_scheduler
    monkeypatch.setattr(dask_cluster, "LOST_SECONDS", 3)
    worker = start_worker(path)
    try:
        with pytest.raises(dask_cluster.SchedulerLost, match="run the same command again"):
            embed.embed(run, scheduler=str(path), progress=lambda done, total: process.kill())
    finally:
        worker.kill()
        worker.wait()
    shards = Shards(run)
    assert shards.look() >= 1
    stage = embed.embed(run, workers=1, progress=lambda done, total: shards.look())
    assert stage.digest == whole.digest
    assert not shards.computed_twice()


@pytest.mark.slow
def test_the_cluster_of_one_s_own_ends_with_the_work(run, whole):
    """With workers that are new interpreters, as on a real cluster."""
    with dask.config.set({"distributed.worker.multiprocessing-method": "spawn"}):
        stage = embed.embed(Catalog.open(run.path), scheduler="local", workers=2)
    assert np.array_equal(stage.array(), whole.array())


SRUN = """#!/bin/bash
# stands for Slurm's own: two tasks of the job, at once
trap 'kill $(jobs -p) 2>/dev/null' TERM EXIT
"$@" & "$@" &
wait
"""


@pytest.mark.slow
def test_the_example_for_slurm_runs(run, whole, tmp_path):
    """Run the whole script. Only `srun` is replaced, by a script that starts the two tasks itself."""
    srun = tmp_path / "bin" / "srun"
    srun.parent.mkdir()
    srun.write_text(SRUN)
    srun.chmod(0o755)
    path = f"{srun.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    job = subprocess.run(
        ["bash", str(ROOT / "docs" / "embed.slurm"), str(run.path)],
        env={**os.environ, "PATH": path, "SLURM_JOB_ID": "7"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert job.returncode == 0, job.stderr
    assert run.refresh().stage("embedding").digest == whole.digest
    assert not list(run.path.glob(".scheduler-*"))
