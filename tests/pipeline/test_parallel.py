"""Tasks in processes, and a task that kills its process."""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.killing import alive, appears, kill
from triptych.pipeline.parallel import WorkerLost, unordered


def square(number: int) -> int:
    if number == 5:
        os._exit(3)
    return number * number


def test_results_come_with_their_tasks():
    assert dict(unordered(square, [1, 2, 3, 4], workers=2)) == {1: 1, 2: 4, 3: 9, 4: 16}
    assert dict(unordered(square, [1, 2, 3], workers=1)) == {1: 1, 2: 4, 3: 9}
    assert list(unordered(square, [])) == []


def test_a_crash_costs_its_task_only():
    results = dict(unordered(square, range(8), workers=2))
    assert isinstance(results.pop(5), WorkerLost)
    assert results == {number: number**2 for number in range(8) if number != 5}


def note_and_wait(folder: str) -> None:
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(600)


def test_processes_end_when_the_one_that_started_them_is_killed(tmp_path):
    code = (
        "from tests.pipeline.test_parallel import note_and_wait; from triptych.pipeline.parallel import unordered; "
        f"list(unordered(note_and_wait, [{str(tmp_path)!r}] * 4, workers=2))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2], stdout=subprocess.PIPE)
    helpers = kill(process, appears(tmp_path, "*", 2))
    assert {int(path.name) for path in tmp_path.iterdir()} <= {helper.pid for helper in helpers}
    assert alive(helpers) == []
