"""Fixtures for every test module, and the order and grouping of the tests."""

import os
from pathlib import Path

import pytest

from tests import process  # isort: skip  (before any module that computes)

process.wait()

from tests import passwords, slow_tests, survey, templates  # noqa: E402

# Files with the longest tests start first, so that no process is still busy with one when all others have finished.
BROWSER_TESTS = Path(__file__).parent / "ui"
LONGEST_FIRST = (
    "test_loop",
    "test_rerun",
    "test_wheel",
    "test_notebooks",
    "test_documentation",
    "test_bombs",
    "test_dask_cluster",
    "test_parts",
    "test_two_trails",
    "test_whole_way",
    "test_blindness",
    "test_cut_connections",
    "test_three_inspectors",
    "test_mosaic",
    "test_map",
    "test_model",
    "test_review",
    "test_sessions",
    "test_accessibility",
    "test_lost_votes",
)


def pytest_addoption(parser):
    parser.addoption("--second-try", action="store_true", help="Give a browser test that failed one more try.")
    parser.addoption("--note-slow", action="store_true", help="Measure, and write tests/slow.txt anew.")


def pytest_configure(config):
    passwords.make_cheap()
    if config.getoption("--note-slow"):
        config.pluginmanager.register(slow_tests.Note())
    if not hasattr(config, "workerinput"):
        templates.begin()


def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        templates.end()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop():
    process.begin()


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(config, items):
    """Tests of one file share fixtures, so they run in one process unless they name a group of their own.

    Browser tests come last. After the first page, Playwright's event loop runs in the process, and then no test can run
    an event loop of its own. One test elsewhere that takes a page would draw all of them forward.
    """
    slow_tests.mark(items)
    for item in items:
        if "browser_name" in item.fixturenames and BROWSER_TESTS not in item.path.parents:
            raise pytest.UsageError(f"{item.nodeid} takes a page or a browser; it belongs into tests/ui")
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: (BROWSER_TESTS in item.path.parents, places.get(item.path.stem, len(places))))
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.relative_to(config.rootpath).as_posix()))


def pytest_terminal_summary(terminalreporter):
    """Name each test that needed a second try, and show how its first try failed. Each is a fault to be found."""
    again = terminalreporter.stats.get("rerun", [])
    if again:
        terminalreporter.section("needed a second try: find out why", red=True)
        for report in again:
            terminalreporter.line(report.nodeid, red=True)
            terminalreporter.line(report.longreprtext)
            for title, text in report.sections:
                terminalreporter.line(f"{title}:\n{text}")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real pixels, labels and answers. Tests that need it are skipped if it does not exist."""
    folder = Path(os.environ.get("TRIPTYCH_REAL_DATA", Path(__file__).parents[2] / "shared" / "data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder}; set TRIPTYCH_REAL_DATA to run this test")
    return folder


@pytest.fixture(scope="session")
def survey_folder(tmp_path_factory) -> Path:
    """A small made-up run with every stage. Do not write to it."""
    folder = tmp_path_factory.mktemp("survey") / "run"
    survey.make(folder, exposures=8)
    return folder


@pytest.fixture
def fresh_survey(tmp_path) -> Path:
    """A small made-up run with every stage. It is this test's own copy, so the test may write to it."""
    survey.make(tmp_path / "run", exposures=8)
    return tmp_path / "run"
