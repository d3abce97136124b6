"""Which tests take long: `slow.txt` lists them, and `make test-quick` leaves them out.

    make test PYTEST=--note-slow      # measure, and write the list anew

A test can also say so itself (`@pytest.mark.slow`): then it is slow however fast the machine is.
"""

import os
from pathlib import Path

import pytest

LIST = Path(__file__).with_name("slow.txt")
LONG = 0.7  # seconds of processor time, with what the test sets up for those after it
SPENT = "processor seconds"  # name of the property of a report


def name_of(item) -> str:
    """A test function, without its parameters: tests/project/test_docs.py::test_links."""
    return item.nodeid.split("[")[0]


def listed() -> set[str]:
    """The names in the list."""
    return set(LIST.read_text().split()) if LIST.exists() else set()


def mark(items) -> None:
    """Mark the listed tests as slow."""
    slow = listed()
    for item in items:
        if name_of(item) in slow:
            item.add_marker(pytest.mark.slow)


class Note:
    """Measures each test, in the process that runs it, and writes the list in the process that reports."""

    def __init__(self):
        self._begun, self._spent = 0.0, {}

    def pytest_runtest_setup(self, item):
        self._begun = _processor_seconds()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        if report.when == "teardown":
            report.user_properties = [*report.user_properties, (SPENT, _processor_seconds() - self._begun)]
        return report

    def pytest_runtest_logreport(self, report):
        for name, seconds in report.user_properties:
            if name == SPENT:
                test = report.nodeid.split("[")[0].split("@")[0]
                self._spent[test] = max(seconds, self._spent.get(test, 0.0))

    def pytest_sessionfinish(self, session):
        """Write the list; of tests that did not run, what it said before."""
        if hasattr(session.config, "workerinput"):
            return
        slow = {test for test, seconds in self._spent.items() if seconds > LONG and "tests/ui/" not in test}
        LIST.write_text("".join(f"{test}\n" for test in sorted(slow | (listed() - set(self._spent)))))


def _processor_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
