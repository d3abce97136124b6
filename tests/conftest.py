"""Fixtures that every test module may use."""

import os
from pathlib import Path

import pytest

from tests import survey


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real pixels, labels and answers; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("TRIPTYCH_REAL_DATA", Path(__file__).parents[2] / "shared" / "data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder}; set TRIPTYCH_REAL_DATA to run this test")
    return folder


@pytest.fixture(scope="session")
def survey_folder(tmp_path_factory) -> Path:
    """A small made-up run with every stage; read it, do not write to it."""
    folder = tmp_path_factory.mktemp("survey") / "run"
    survey.make(folder, exposures=8)
    return folder


@pytest.fixture
def fresh_survey(tmp_path) -> Path:
    """A small made-up run with every stage, this test's own to write to."""
    survey.make(tmp_path / "run", exposures=8)
    return tmp_path / "run"
