"""Folders that are made once for all tests and copied for each. Making one takes seconds, a copy milliseconds."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

FOLDER = "TRIPTYCH_TEST_TEMPLATES"  # environment variable; the same for all processes of one test run


def begin() -> None:
    """Make the folder of all templates. Processes started after this share it."""
    os.environ[FOLDER] = tempfile.mkdtemp(prefix="triptych-templates-")


def end() -> None:
    """Remove the folder of all templates and everything in it."""
    shutil.rmtree(os.environ.pop(FOLDER), ignore_errors=True)


def made(name: str, make: Callable[[Path], object]) -> Path:
    """The template of that name. `make(folder)` makes it if it does not exist. Do not write to it."""
    template = Path(os.environ[FOLDER]) / name
    with FileLock(f"{template}.lock"):
        if not template.exists():
            aside = template.with_name(f"{name}.making")
            shutil.rmtree(aside, ignore_errors=True)
            make(aside)
            aside.rename(template)
    return template


def copy(name: str, make: Callable[[Path], object], folder: Path) -> Path:
    """A copy of the template of that name in `folder`. If `folder` exists, it must be empty."""
    return Path(shutil.copytree(made(name, make), folder, dirs_exist_ok=True))
