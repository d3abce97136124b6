"""One seed, one result: every table and array is the same if a run is repeated, or killed and repeated."""

import json
import shutil
from pathlib import Path

import pytest

from tests import skies
from tests.killing import alive, appears, command, finish, kill
from triptych.pipeline.catalog.catalog import STAGE_COMMANDS, Catalog
from triptych.pipeline.store.store import LabelStore, Vote, open_store

pytestmark = pytest.mark.slow

EXPOSURES = skies.EIGHT[0]
# Of when and how long, not of what.
TIMES = {"created", "seconds"}
OF_THE_STORE = ("labels.db", "labels.db-wal", "labels.db-shm", "labels.json")
# the paths that show that a step is running, and how many there are by then
MOMENTS = {
    "labels.db": 1,
    "previews/*/*.npz": 3,
    "embedding/.work-*/*.npy": 3,
    "model/*/*": 1,
    "prediction/*/*": 1,
    "candidates/*/*": 1,
    "cluster/*/*": 1,
    "map2d/*/*": 1,
    "map3d/*/*": 1,
}
WITH_HELPERS = "embedding/.work-*/*.npy"  # the step that starts processes of its own for so few exposures


def everything(folder: Path) -> list[str]:
    """All steps. Each call trains again, so the model is neighbours, which is quick. Learners have their own test."""
    sky = skies.sky(*skies.EIGHT)
    return ["run", str(folder), str(sky), "--label", str(sky / "truth.csv"), "--seed", "3", "--classifier", "knn"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """The run that was never stopped. Do not write to it."""
    folder = tmp_path_factory.mktemp("rerun") / "undisturbed"
    finish(*everything(folder))
    return folder


def contents(folder: Path) -> dict[str, object]:
    """The bytes of every file of a run. For JSON: the values without the times. For the label store: the rows."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".lock":
            continue
        if path.is_dir() or path.name in OF_THE_STORE:
            found[name] = None
        elif path.name in ("stage.json", "run.json"):
            found[name] = {key: value for key, value in json.loads(path.read_text()).items() if key not in TIMES}
            for move in found[name].get("moves", []):
                move.pop("utc")
        else:
            found[name] = path.read_bytes()
    for name in OF_THE_STORE:
        found.pop(name, None)
    with open_store(Catalog.open(folder)) as store:
        labels = store.labels().drop(columns="imported_utc")
        found["labels"] = labels.sort_values(list(labels), ignore_index=True).to_json()
    return found


def assert_same(folder: Path, other: Path) -> None:
    """No file is missing, none is left over, and none differs."""
    here, there = contents(folder), contents(other)
    assert sorted(here) == sorted(there)
    assert [name for name in there if here[name] != there[name]] == []
    catalog = Catalog.open(folder)
    for kind in STAGE_COMMANDS:
        listed = [stage.stage_id for stage in catalog.stages(kind)]
        assert len(listed) == len(set(listed))
    assert catalog.exposures().expnum.is_unique
    assert catalog.ccds().image_id.is_unique


def test_again_in_the_same_folder_adds_nothing(undisturbed, tmp_path):
    folder = tmp_path / "again"
    shutil.copytree(undisturbed, folder)
    finish(*everything(folder))
    assert_same(folder, undisturbed)


def test_killed_in_every_step_one_after_the_other(undisturbed, tmp_path, monkeypatch):
    """The result is the same run that one process makes from beginning to end."""
    folder, helpers = tmp_path / "killed", []
    for pattern, times in MOMENTS.items():
        monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2" if pattern == WITH_HELPERS else "1")
        helpers += kill(command(*everything(folder)), appears(folder, pattern, times))
        assert times == 1 or len(list(folder.glob(pattern))) < EXPOSURES, "it was killed in the middle"
    finish(*everything(folder))
    assert_same(folder, undisturbed)
    assert helpers
    assert alive(helpers) == []


def pointers(folder: Path) -> dict[str, str]:
    return Catalog.open(folder).info["current"]


@pytest.fixture
def own(undisturbed, tmp_path) -> Path:
    """A copy of the undisturbed run with a few votes that are newer than its model."""
    folder = tmp_path / "run"
    shutil.copytree(undisturbed, folder)
    with LabelStore(f"sqlite:///{folder / 'labels.db'}") as store:
        for expnum in Catalog.open(folder).exposures().expnum[:3]:
            for inspector in ("amy", "ben"):
                store.cast(Vote(expnum=int(expnum), inspector=inspector, judgement="bad", reasons=("PSF",)))
    return folder


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("model", ["train", "RUN", "--no-simulated", "--seed", "3"]),
        ("model", ["train", "RUN", "--search", "--search-candidates", "3", "--seed", "3"]),
        ("prediction", ["retrain", "RUN"]),
        ("evaluation", ["evaluate", "RUN", "--classifier", "knn", "--seed", "3"]),
    ],
)
def test_a_verb_killed_while_it_writes(own, kind, words):
    calm = own.with_name("calm")
    shutil.copytree(own, calm)
    finish(*[calm if word == "RUN" else word for word in words])
    words = [own if word == "RUN" else word for word in words]
    before, there = pointers(own), len(list(own.glob(f"{kind}/*/*")))
    kill(command(*words), appears(own, f"{kind}/*/*", there + 1))
    assert pointers(own) in (before, pointers(calm))
    finish(*words)
    assert_same(own, calm)


@pytest.mark.parametrize("words", [["train", "--search"], ["retrain"], ["evaluate"]])
def test_a_verb_killed_while_it_computes_changes_nothing(own, words):
    before = contents(own)
    kill(command(words[0], own, *words[1:]), appears(own, "labels.db-wal"))
    assert contents(own) == before


def test_there_is_something_to_compare(undisturbed):
    catalog = Catalog.open(undisturbed)
    assert len(catalog.ccds()) == 61 * EXPOSURES
    for kind in ("embedding", "prediction", "cluster", "map2d", "map3d"):
        assert catalog.stage(kind).info["rows"] == 61 * EXPOSURES
    assert len(catalog.stage("candidates").table("exposures_scored")) == EXPOSURES
