"""What a killed process leaves is removed. What another process is still writing is left alone."""

import errno
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests import warm
from triptych.pipeline.catalog import catalog as catalog_module
from triptych.pipeline.catalog import locks
from triptych.pipeline.catalog.catalog import Catalog


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def begin(run: Path, moment: str, pipe: Connection | None = None) -> None:
    """Runs in a process of its own: start writing, report it, and wait; or kill itself in the middle."""
    if moment == "creating the run":
        catalog_module.os.replace = die
        Catalog.create(run)
    held = Catalog.open(run)
    if moment in ("a table", "a preview", "the pointer"):
        catalog_module.os.replace = die
    if moment == "a table":
        held.write_tables(exposures=pd.DataFrame({"expnum": [1, 2]}))
    if moment == "a preview":
        held.write_preview(12, [1], np.zeros((1, 4, 2)))
    if moment == "the pointer":
        held.set_info(panel=5)
    with held.new_stage("embedding", "tiny") as writer:
        writer.write_array(np.ones((3, 2), np.float32))
        if moment == "a stage":
            die()
        if moment == "another stage":
            pipe.send("writing")
            pipe.recv()
        if moment == "pointing at a stage":
            held.set_info = lambda **_: die()


def killed(run: Path, moment: str) -> None:
    process = warm.process(begin, run, moment)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def write(catalog: Catalog, value: float = 1.0):
    with catalog.new_stage("embedding", "tiny") as writer:
        writer.write_array(np.full((3, 2), value, np.float32))
    return writer.stage


def left(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def catalog(tmp_path) -> Catalog:
    return Catalog.create(tmp_path / "run")


@pytest.mark.parametrize("moment", ["a stage", "pointing at a stage"])
def test_the_next_stage_clears_what_a_killed_one_left(catalog, moment):
    killed(catalog.path, moment)
    assert any(path.name.startswith(".") or path.name == "tiny-001" for path in catalog.path.glob("embedding/*"))
    catalog.refresh()
    assert not catalog.has("embedding")
    write(catalog)
    assert left(catalog.path / "embedding") == ["tiny-001/stage.json", "tiny-001/vectors.npy"]
    assert [stage.stage_id for stage in catalog.stages("embedding")] == ["tiny-001"]
    assert catalog.info["current"] == {"embedding": "tiny-001"}


def test_what_another_process_is_writing_is_left_alone(catalog):
    here, there = Pipe()
    other = warm.process(begin, catalog.path, "another stage", there)
    other.start()
    assert here.recv() == "writing"
    write(catalog, value=2.0)
    here.send("go on")
    other.join()
    assert other.exitcode == 0
    assert [stage.array()[0, 0] for stage in catalog.stages("embedding")] == [2.0, 1.0]
    assert not [name for name in left(catalog.path / "embedding") if name.startswith(".")]


def test_the_same_result_is_the_same_stage(catalog):
    first = write(catalog)
    write(catalog, value=2.0)
    assert write(catalog).path == first.path
    assert catalog.refresh().info["current"] == {"embedding": "tiny-001"}
    assert [stage.stage_id for stage in catalog.stages("embedding")] == ["tiny-001", "tiny-002"]


def test_a_run_whose_making_was_killed_can_be_made(tmp_path):
    killed(tmp_path / "run", "creating the run")
    assert os.listdir(tmp_path / "run")
    catalog = Catalog.create(tmp_path / "run")
    catalog.set_info(panel=4)
    assert set(left(tmp_path / "run")) <= {"run.json", ".run.lock"}


@pytest.mark.parametrize(("moment", "pattern"), [("a table", "*.parquet"), ("a preview", "previews/*/*")])
def test_tables_and_previews_half_written_are_cleared(catalog, moment, pattern):
    before = left(catalog.path)
    killed(catalog.path, moment)
    assert len(left(catalog.path)) == len(before) + 1
    assert not [path for path in catalog.path.glob(pattern) if not path.name.startswith(".")]
    catalog.clear_unfinished()
    assert left(catalog.path) == before


def test_a_pointer_half_moved_is_as_it_was(catalog):
    killed(catalog.path, "the pointer")
    assert Catalog.open(catalog.path).panel == 3
    catalog.set_info(panel=7)
    assert Catalog.open(catalog.path).panel == 7
    assert set(left(catalog.path)) <= {"run.json", ".run.lock"}


def add_one(lock: Path, times: int) -> None:
    """Increase a number in a file. The result is wrong if two processes do it at once."""
    locks.POLL_SECONDS = 0.0  # all come as often as they can
    count = lock.with_name("count")
    for _ in range(times):
        with locks.wait_turn(lock):
            count.write_text(str(int(count.read_text()) + 1))


def test_one_at_a_time_though_the_lock_file_comes_and_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "POLL_SECONDS", 0.0)
    (tmp_path / "count").write_text("0")
    lock = tmp_path / ".moves.lock"
    others = [warm.process(add_one, lock, 60) for _ in range(3)]
    for other in others:
        other.start()
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(add_one, [lock] * 2, [60] * 2))
    for other in others:
        other.join()
    assert (tmp_path / "count").read_text() == "300"
    assert left(tmp_path) == ["count"]


def hold_and_die(lock: Path) -> None:
    with locks.try_exclusive(lock):
        die()


def test_a_killed_holder_stands_in_nobodys_way(tmp_path):
    lock = tmp_path / ".retrain.lock"
    process = warm.process(hold_and_die, lock)
    process.start()
    process.join()
    assert left(tmp_path) == [lock.name]
    with locks.try_exclusive(lock) as own:
        assert own
        with locks.try_exclusive(lock) as second:
            assert not second
        assert left(tmp_path) == [lock.name]
    assert left(tmp_path) == []


@pytest.mark.parametrize("number", locks.NO_FLOCK, ids=errno.errorcode.get)
def test_without_flock_the_work_goes_on_and_nothing_is_cleared(catalog, number, monkeypatch):
    def no_flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", no_flock)
    with catalog.new_stage("embedding", "tiny") as writer:
        write(catalog, value=2.0)
        writer.write_array(np.ones((3, 2), np.float32))
    with locks.try_exclusive(catalog.path / ".retrain.lock") as own:
        assert own
    assert [stage.array()[0, 0] for stage in catalog.stages("embedding")] == [2.0, 1.0]
    assert not [name for name in left(catalog.path) if name.endswith(".lock") and name != ".run.lock"]


def test_a_deleted_run_does_not_come_back(catalog):
    shutil.rmtree(catalog.path)
    with pytest.raises(FileNotFoundError):
        catalog.set_info(panel=5)
    assert not catalog.path.exists()
