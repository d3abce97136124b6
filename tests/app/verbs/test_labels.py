"""`triptych labels import` as a person types it: several files, one of them bad; what would be read."""

import pytest
from typer.testing import CliRunner

from triptych.app.cli import app
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import open_store


def type_in(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def lists(tmp_path):
    content = {"a.txt": "500001 clouds\n", "b.csv": "x;y\n1;2\n", "c.txt": "500003 ghost\n", "e.txt": "# none yet\n"}
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    return [tmp_path / name for name in content]


def test_a_list_that_cannot_be_read_costs_itself(tmp_path, lists):
    result = type_in("labels", "import", tmp_path / "run", *lists, tmp_path / "absent.txt")
    assert result.exit_code == 1
    assert "b.csv is; give --kind" in result.stderr
    assert "absent.txt is not a file" in result.stderr
    assert "3 of 5 files read, 2 not" in result.stderr
    with open_store(Catalog.open(tmp_path / "run")) as store:
        assert store.labels().expnum.tolist() == [500001, 500003]


def test_an_empty_list_is_a_list(tmp_path, lists):
    result = type_in("labels", "import", tmp_path / "run", lists[-1])
    assert result.exit_code == 0
    assert "it holds no exposure" in result.stderr


def test_a_dry_run_stores_nothing_and_makes_no_run(tmp_path, lists):
    result = type_in("labels", "import", tmp_path / "run", lists[0], "--dry-run")
    assert result.exit_code == 0
    assert "read as bad_expid (a guess; --kind says it); nothing is stored" in result.stderr
    assert not (tmp_path / "run").exists()
    assert type_in("labels", "import", tmp_path / "run", lists[0]).exit_code == 0
    assert type_in("labels", "import", tmp_path / "run", lists[2], "--dry-run").exit_code == 0
    with open_store(Catalog.open(tmp_path / "run")) as store:
        assert store.labels().expnum.tolist() == [500001]


def test_an_export_of_lists_alone_says_that_nobody_has_judged(tmp_path, lists):
    type_in("labels", "import", tmp_path / "run", lists[0])
    result = type_in("export", tmp_path / "run", "-o", tmp_path / "out.txt")
    assert result.exit_code == 0
    assert "the 1 labels of imported lists are no votes and are not written" in " ".join(result.stderr.split())
