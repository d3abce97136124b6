"""The notebooks run as they are, and are committed without output."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests import skies

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def execute(name: str, quicker: tuple[str, str] = ("", "")) -> None:
    """Run every cell; quicker : a setting, and what it is here so that the test takes less time."""
    book = nbformat.read(NOTEBOOKS / name, as_version=4)
    assert any(quicker[0] in cell.source for cell in book.cells)
    for cell in book.cells:
        cell.source = cell.source.replace(*quicker) if quicker[0] else cell.source
    NotebookClient(book, timeout=600, resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda p: p.name)
def test_committed_without_output(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None


@pytest.mark.slow
def test_run_then_read(tmp_path, monkeypatch):
    """The first notebook makes a run, of exposures of which one is still to be drawn; the second reads that run."""
    skies.copied(*skies.EIGHT, tmp_path / "exposures")
    next(iter((tmp_path / "exposures").glob("*.fits.fz"))).unlink()
    monkeypatch.setenv("TRIPTYCH_NOTEBOOK_FOLDER", str(tmp_path))
    monkeypatch.setenv("TRIPTYCH_NOTEBOOK_EXPOSURES", str(skies.EIGHT[0]))
    monkeypatch.setenv("TRIPTYCH_RUN", str(tmp_path / "run"))
    monkeypatch.setenv("MPLBACKEND", "agg")
    execute("run_the_pipeline.ipynb")
    assert (tmp_path / "bad_expid.txt").read_text().startswith("#")
    assert len(list((tmp_path / "exposures").glob("*.fits.fz"))) == skies.EIGHT[0]
    execute("read_the_results.ipynb", quicker=("folds=5", "folds=2, classifier='knn'"))
