"""Damaged files of a run: one line that names the file, on the command line and in every answer; nothing is lost."""

import json
import shutil
from pathlib import Path

import pytest

from tests import survey
from tests.app.test_server import Browser
from tests.ui.conftest import serving
from triptych.app import cli
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import CatalogError

FILES = (
    "run.json",
    "labels.json",
    "labels.db",
    "exposures.parquet",
    "ccds.parquet",
    "embedding/triptych-001/stage.json",
    "embedding/triptych-001/vectors.npy",
    "embedding/triptych-001/keys.parquet",
    "model/mixed-001/stage.json",
    "model/mixed-001/classifier.json",
    "model/mixed-001/head.safetensors",
    "model/mixed-001/training.parquet",
    "prediction/mixed-001/stage.json",
    "prediction/mixed-001/table.parquet",
    "candidates/exposure-001/exposures_scored.parquet",
)
VERBS = (
    ["status"],
    ["explain", "900001"],
    ["export", "--format", "bad_expid", "--policy", "any", "-o", "list.txt"],
    ["similar", "900001-S4"],
    ["labels", "show"],
    ["predict"],  # last, as it makes again what is missing
)
OTHER_SHAPES = {"run.json": '{"camera": "decam", "current": []}', "labels.json": "[1]", "stage.json": '{"name": 3}'}


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def other(path: Path) -> None:
    """A file that can be read, and holds something else."""
    path.write_text(OTHER_SHAPES.get(path.name, "[]" if path.suffix == ".json" else "no such thing\n" * 900))


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    survey.make(folder, exposures=8)
    run_verb(["labels", "show"], folder)  # the run knows its store from now on
    return folder


@pytest.fixture
def run(whole, tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(whole, tmp_path / "run")
    return tmp_path / "run"


def run_verb(verb: list[str], run: Path) -> int:
    """Run one verb in this process, as the command line does; return its exit status."""
    n = 2 if verb[0] == "labels" else 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["triptych", *verb[:n], str(run), *verb[n:]])
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0)
    return 0


@pytest.mark.parametrize("damage", [half, emptied, other])
@pytest.mark.parametrize("name", FILES)
def test_each_command_says_in_one_line_what_is_damaged(run, name, damage, capsys):
    damage(run / name)
    said = []
    for verb in VERBS:
        status = run_verb(verb, run)
        told = capsys.readouterr()
        if status:
            *before, line = told.err.strip().splitlines()
            assert line.startswith("triptych: "), told.err
            assert not [one for one in before if one.startswith("triptych: ")], told.err
            said.append(line)
    assert said, "no command minds"
    assert any(Path(name).name in line or Path(name).parent.name in line for line in said), said
    assert all("restore" in line or "run `" in line or "`triptych" in line for line in said), said


def test_a_damaged_stage_hides_no_other(run):
    catalog = Catalog.open(run)
    first = catalog.stage("cluster")
    shutil.copytree(first.path, first.path.with_name("hdbscan-002"))
    emptied(first.path.with_name("hdbscan-002") / "stage.json")
    assert [stage.stage_id for stage in catalog.stages("cluster")] == ["hdbscan-001"]
    with pytest.raises(CatalogError, match=r"hdbscan-002/stage.json cannot be read .*; restore it from a copy"):
        catalog.stage("cluster", "hdbscan-002")


def test_a_run_of_a_newer_program_is_left_alone(run, capsys):
    info = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**info, "format": 2}))
    assert run_verb(["status"], run) == 1
    assert "has the format 2, but this Triptych knows 1; update Triptych" in capsys.readouterr().err


def test_a_file_is_no_run_folder(run, capsys):
    assert run_verb(["status"], run / "run.json") == 1
    assert "is not a run folder; make one with" in capsys.readouterr().err


def test_a_full_disk_is_one_line(run, capsys, monkeypatch):
    import errno

    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device", "list.txt")

    monkeypatch.setattr("triptych.pipeline.catalog.files.put_in_place", full)
    assert run_verb(["export", "--format", "bad_expid", "--policy", "any", "-o", "list.txt"], run) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("triptych: list.txt: No space left on device; make room on the disk")


ADDRESSES = (
    "/",
    "/?room=review",
    "/api/queue",
    "/api/exposure/900001?assisted=1",
    "/clusters/list?assisted=1",
    "/agreement/report",
    "/explain/900001?assisted=1",
    "/model/overview",
    "/lead/overview",
    "/adjudicate/queue",
    "/export/summary",
)


@pytest.mark.parametrize(
    "name", ["run.json", "exposures.parquet", "ccds.parquet", "prediction/mixed-001/table.parquet", "labels.db"]
)
def test_the_server_says_what_is_damaged_and_goes_on_when_it_is_mended(whole, tmp_path, name):
    shutil.copytree(whole, tmp_path / "run")
    path = tmp_path / "run" / name
    with serving(tmp_path / "run", "--no-worker") as server:
        browser = Browser(server.url)
        browser.log_in("lea")
        sound = path.read_bytes()
        path.write_bytes(b"no such thing" * 1000)
        for address in ADDRESSES:
            answer = browser.ask(address)
            assert answer.status in (200, 404, 503), (address, answer.status, answer.text[:300])
            assert "Traceback" not in answer.text
        path.write_bytes(sound)
        for address in ADDRESSES[:4]:
            assert browser.ask(address).status == 200, address
    assert "Traceback" not in server.log.read_text(), server.log.read_text()
