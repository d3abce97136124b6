"""Files that survive a power cut: contents before the name, and the name before anybody is told."""

import ast
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from triptych.pipeline.catalog import files
from triptych.pipeline.catalog.catalog import Catalog

ROOT = Path(__file__).parents[3]


@pytest.fixture
def disk(monkeypatch):
    """What is done to the disk, in order: ("sync", path) and ("rename", from, to)."""
    done, sync, replace = [], os.fsync, os.replace

    def fsync(handle):
        done.append(("sync", os.readlink(f"/proc/self/fd/{handle}")))
        sync(handle)

    def rename(source, target):
        done.append(("rename", str(source), str(target)))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", rename)
    return done


def check_order(disk, path: Path, inside: tuple[str, ...] = ()) -> None:
    """What came to lie at `path` was on disk before it got its name, and the name before anything else happened."""
    at = next(number for number, act in enumerate(disk) if act[0] == "rename" and act[2] == str(path))
    aside = disk[at][1]
    for name in (aside, *(f"{aside}/{one}" for one in inside)):
        assert ("sync", name) in disk[:at], f"{name} was not on disk when it was renamed"
    assert disk[at + 1] == ("sync", str(path.parent))


def test_the_pointer_is_on_disk_before_it_is_the_pointer(tmp_path, disk):
    catalog = Catalog.create(tmp_path / "run")
    check_order(disk, catalog.path / "run.json")
    assert ("sync", str(tmp_path)) in disk, "the new folder's own name"
    disk.clear()
    catalog.set_info(panel=5)
    check_order(disk, catalog.path / "run.json")


def test_a_stage_is_on_disk_with_all_its_files_before_it_has_its_name(tmp_path, disk):
    catalog = Catalog.create(tmp_path / "run")
    disk.clear()
    with catalog.new_stage("embedding", "tiny") as writer:
        writer.write_array(np.ones((3, 2), np.float32))
        writer.write_table(pd.DataFrame({"image_id": [1, 2, 3]}), "keys")
    stage = writer.stage.path
    check_order(disk, stage, inside=("vectors.npy", "keys.parquet", "stage.json"))
    renamed = [act[2] for act in disk if act[0] == "rename"]
    assert renamed.index(str(stage)) < renamed.index(str(catalog.path / "run.json"))
    assert ("sync", str(catalog.path)) in disk[: disk.index(("sync", str(stage.parent)))], "the kind's folder"


def test_tables_and_previews_too(tmp_path, disk):
    catalog = Catalog.create(tmp_path / "run")
    disk.clear()
    catalog.write_preview(12, [1], np.zeros((1, 4, 2)))
    catalog.write_tables(exposures=pd.DataFrame({"expnum": [12]}))
    check_order(disk, catalog.preview_path(12))
    check_order(disk, catalog.path / "exposures.parquet")


def test_a_folder_that_cannot_be_brought_to_disk_is_no_fault(tmp_path, monkeypatch):
    def refuse(handle):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    files.sync_folder(tmp_path)


# who may rename past `put_in_place`, and why
OTHERS = {
    "pipeline/catalog/files.py": "it is the one that does it",
    "pipeline/catalog/parts.py": "puts aside what it is about to delete",
    "pipeline/catalog/retention.py": "hides what it is about to delete",
}


def test_nobody_else_renames_what_must_survive():
    found = set()
    for top in ("pipeline", "app"):
        for path in (ROOT / top).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
                    continue
                if (node.value.id, node.attr) in {("os", "rename"), ("os", "replace"), ("shutil", "move")}:
                    found.add(path.relative_to(ROOT).as_posix())
    assert found == set(OTHERS)
