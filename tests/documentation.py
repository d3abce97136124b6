"""The documentation as a site, as `make docs` builds it. It is built once per test run."""

import os
import subprocess
import sys
from pathlib import Path

from tests import templates

ROOT = Path(__file__).parents[1]


def build(folder: Path) -> None:
    """Build the site in `folder`. Any warning is an error."""
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "WARNING" not in done.stdout, done.stdout


def site() -> Path:
    """The folder of the site. Do not write to it."""
    return templates.made("documentation", build)
