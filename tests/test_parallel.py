"""Tasks in processes, and a task that kills its process."""

import os

from pipeline.parallel import WorkerLost, unordered


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
