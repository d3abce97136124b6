"""An exposure that returns with another pipeline version: what is kept, who votes again, and what is exported."""

import shutil

import numpy as np
import pandas as pd
import pytest

from tests import fits_makers as make
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.embedding.embed import embed
from triptych.pipeline.ingest import reprocessed
from triptych.pipeline.ingest.ingest import ingest

EXPOSURES = range(101, 109)


def other_pixels(expnum: int, ccdname: str) -> np.ndarray:
    """A CCD with a bright arc over it, as if the pipeline had no longer masked a ghost."""
    y, x = np.mgrid[: make.SHAPE[0], : make.SHAPE[1]]
    arc = 400 * np.exp(-(((np.hypot(x - 5, y - 20) - 18) / 3) ** 2))
    return (make.pixels(ccdname, expnum) + arc).astype(np.float32)


def come_back(folder, expnum: int, plver: str, changed: bool) -> None:
    """Another file of the exposure with another version."""
    pixels = other_pixels if changed else lambda number, name: make.pixels(name, number)
    images = (make.image(name, pixels(expnum, name)) for name in make.CCDS)
    make.write(folder / f"{expnum}_{plver}.fits", make.primary(expnum, PLVER=plver), *images)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A folder of files and a run that has them, embedded."""
    folder = tmp_path_factory.mktemp("night")
    (folder / "files").mkdir()
    for expnum in EXPOSURES:
        make.exposure(folder / "files" / f"{expnum}.fits", expnum=expnum)
    catalog = Catalog.create(folder / "run", camera="mosaic3")
    ingest(catalog, folder / "files")
    embed(catalog, workers=1)
    return folder


@pytest.fixture
def night(first, tmp_path):
    """(folder of files, run), copied for one test. 101 and 102 have returned, 101 with other pixels."""
    shutil.copytree(first, tmp_path / "night")
    files = tmp_path / "night" / "files"
    come_back(files, 101, "V5.0", changed=True)
    come_back(files, 102, "V5.0", changed=False)
    return files, Catalog.open(tmp_path / "night" / "run")


def known(catalog: Catalog) -> pd.DataFrame:
    return reprocessed.read(catalog).drop(columns="utc")


def test_how_far_an_exposure_moved_is_kept(night):
    files, catalog = night
    assert reprocessed.read(catalog).empty
    ingest(catalog, files)
    assert catalog.exposures().set_index("expnum").plver[[101, 102, 103]].tolist() == ["V5.0", "V5.0", "V4.3"]
    assert reprocessed.read(catalog).moved.isna().all()
    embed(catalog, workers=1)
    found = reprocessed.read(catalog).set_index("expnum")
    assert found.index.tolist() == [101, 102]
    assert found.moved[101] > 2
    assert found.moved[102] == 0
    assert found.moved_much.tolist() == [True, False]
    assert found.plver_before.tolist() == ["V4.3", "V4.3"]
    assert found.plver_now.tolist() == ["V5.0", "V5.0"]
    rows = reprocessed.changes(catalog)
    assert reprocessed.moved_since(rows[101], "V4.3") == (found.moved[101], True)
    assert reprocessed.moved_since(rows[102], "V4.3") == (0, False)
    assert reprocessed.moved_since(rows[102], "V1") == (None, None)


def test_the_same_again_changes_nothing(night):
    files, catalog = night
    found = []
    for _ in range(2):
        ingest(catalog, files)
        embed(catalog, workers=1)
        found.append(reprocessed.read(catalog))
    pd.testing.assert_frame_equal(*found)


class Stop(Exception):
    pass


def stop_at(wanted: str):
    def progress(done, total, text=""):
        if wanted in text:
            raise Stop

    return progress


def test_an_ingest_and_an_embedding_that_are_broken_off_are_finished_by_the_next(night, tmp_path):
    files, catalog = night
    shutil.copytree(catalog.path, tmp_path / "straight")
    straight = Catalog.open(tmp_path / "straight")
    ingest(straight, files)
    embed(straight, workers=1)
    with pytest.raises(Stop):  # the pixels of both are replaced, the tables are not
        ingest(catalog, files, workers=1, progress=stop_at("exposure 102"))
    assert reprocessed.changes(catalog) == {}
    ingest(catalog, files)
    with pytest.raises(Stop):
        embed(catalog, workers=1, progress=stop_at(""))
    embed(catalog, workers=1)
    pd.testing.assert_frame_equal(known(catalog), known(straight))


def test_a_stage_that_was_written_before_the_kill_is_measured_by_the_next_call(night):
    files, catalog = night
    ingest(catalog, files)
    table = (catalog.path / reprocessed.FILE).read_bytes()
    embed(catalog, workers=1)
    whole = known(catalog)
    (catalog.path / reprocessed.FILE).write_bytes(table)  # as a kill between the two leaves it
    embed(catalog, workers=1)
    pd.testing.assert_frame_equal(known(catalog), whole)


def test_another_version_while_the_last_was_not_finished_is_measured_from_what_was_judged(night):
    files, catalog = night
    with pytest.raises(Stop):
        ingest(catalog, files, workers=1, progress=stop_at("exposure 101"))
    come_back(files, 101, "V6.0", changed=False)
    ingest(catalog, files)
    embed(catalog, workers=1)
    found = reprocessed.read(catalog).set_index("expnum")
    assert (found.plver_before[101], found.plver_now[101], found.moved[101]) == ("V4.3", "V6.0", 0)


def test_two_changes_of_version_count_together(night):
    files, catalog = night
    ingest(catalog, files)
    embed(catalog, workers=1)
    come_back(files, 101, "V6.0", changed=True)
    ingest(catalog, files)
    embed(catalog, workers=1)
    rows = reprocessed.changes(catalog)[101]
    assert [row["plver_now"] for row in rows] == ["V5.0", "V6.0"]
    assert reprocessed.moved_since(rows)[1] is False
    assert reprocessed.moved_since(rows, "V4.3")[1] is True


def test_without_vectors_of_the_old_version_it_is_not_known(first, tmp_path):
    files = tmp_path / "files"
    shutil.copytree(first / "files", files)
    catalog = Catalog.create(tmp_path / "run", camera="mosaic3")
    ingest(catalog, files)
    come_back(files, 101, "V5.0", changed=True)
    ingest(catalog, files)
    embed(catalog, workers=1)
    assert reprocessed.moved_since(reprocessed.changes(catalog)[101]) == (None, None)
