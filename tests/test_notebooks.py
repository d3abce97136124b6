"""The notebooks run as they are, and are committed without output."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def execute(name: str) -> None:
    book = nbformat.read(NOTEBOOKS / name, as_version=4)
    NotebookClient(book, timeout=600, resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda p: p.name)
def test_committed_without_output(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None


@pytest.mark.slow
def test_run_then_read(tmp_path, monkeypatch):
    """The first notebook makes a run from nothing, the second reads that run."""
    monkeypatch.setenv("TRIPTYCH_NOTEBOOK_FOLDER", str(tmp_path))
    monkeypatch.setenv("TRIPTYCH_NOTEBOOK_EXPOSURES", "14")
    monkeypatch.setenv("TRIPTYCH_RUN", str(tmp_path / "run"))
    monkeypatch.setenv("MPLBACKEND", "agg")
    execute("run_the_pipeline.ipynb")
    assert (tmp_path / "bad_expid.txt").read_text().startswith("#")
    execute("read_the_results.ipynb")
