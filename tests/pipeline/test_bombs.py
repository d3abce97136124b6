"""Files of others that are made to fill the memory: each is refused in one line, and the others of its folder go on."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from tests import fits_makers as make
from tests import warm
from tests.pipeline import bombs
from triptych.pipeline import memory, text_files
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.embedding import external, vector_files
from triptych.pipeline.errors import BadInput
from triptych.pipeline.ingest.ingest import ingest
from triptych.pipeline.labels.imported import lines
from triptych.pipeline.pixels import fits

MOST_MB = 150  # that a refusal may take; what is refused would take 500 or more


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """{name: (what was said, MB of memory that it took)} of every bomb, read in a process of its own."""
    folder = tmp_path_factory.mktemp("bombs")
    for name, (make_one, _, _) in bombs.BOMBS.items():
        make_one(folder / name)
    process = warm.process(bombs.read_all, folder, folder / "said.json")
    process.start()
    process.join(300)
    assert process.exitcode == 0
    return json.loads((folder / "said.json").read_text())


@pytest.mark.parametrize("name", bombs.BOMBS)
def test_a_bomb_is_refused_in_one_line_and_takes_no_memory(refused, name):
    words, took = refused[name]
    assert bombs.BOMBS[name][2] in words
    assert "\n" not in words
    assert took < MOST_MB


def test_the_other_files_of_a_folder_are_read(tmp_path):
    (tmp_path / "files").mkdir()
    make.exposure(tmp_path / "files" / "good.fits", 102)
    for name in ("header.fits.gz", "axes.fits.gz", "less.fits"):
        bombs.BOMBS[name][0](tmp_path / "files" / name)
    run = Catalog.create(tmp_path / "run", camera="mosaic3")
    report = ingest(run, tmp_path / "files")
    assert (report.n_new, report.problems) == (1, {"too_large": 2, "unreadable": 1})
    assert "gunzip the file first" in " ".join(run.quarantine().detail)


@pytest.fixture
def small(monkeypatch):
    """A machine with 1 MB of memory."""
    monkeypatch.setattr(memory, "memory_bytes", lambda: 1 << 20)


@pytest.mark.parametrize("kind", ["npy", "list.parquet", "columns.parquet", "keys.parquet", "h5"])
def test_vectors_are_refused_if_the_memory_cannot_hold_them(tmp_path, small, kind):
    n, dim, path = 10_000, 32, tmp_path / f"x.{kind}"
    keys = pd.DataFrame({"expnum": np.arange(1, n + 1), "ccdnum": 1})
    values = np.zeros((n, dim), np.float32)
    if kind == "npy":
        np.save(path, values)
    elif kind == "h5":
        stored = bombs.h5(path, data=values[:1])
        stored.parent.create_dataset("idx_1_label_0", data=np.zeros(300_000))
        del stored.parent["idx_0_label_0"]
        stored.file.close()
    elif kind == "keys.parquet":
        pd.concat([keys] * 10).to_parquet(path)
    elif kind == "list.parquet":
        keys.assign(vector=list(values)).to_parquet(path)
    else:
        pd.concat([keys, pd.DataFrame(values, columns=[f"f{i}" for i in range(dim)])], axis=1).to_parquet(path)
    with pytest.raises(BadInput, match=r"GB of memory, and there are 0.0; if it is sound, split it"):
        vector_files.read_keys(path) if kind == "keys.parquet" else external.read(path)


def test_vectors_of_a_whole_survey_are_not_refused_here_where_they_fit(monkeypatch):
    monkeypatch.setattr(memory, "memory_bytes", lambda: 128 << 30)
    memory.must_fit(4 * 37_200_000 * 768, "vectors.parquet")


@pytest.mark.parametrize("packed", [False, True])
def test_an_image_that_has_grown_since_it_was_ingested_is_not_read(tmp_path, monkeypatch, packed):
    path = make.exposure(tmp_path / "a.fits", packed=packed)
    monkeypatch.setattr(fits, "PIXELS", make.SHAPE[0] * make.SHAPE[1] - 1)
    with pytest.raises(fits.Unusable, match=r"too_large: HDU 1 is .* pixels, more than any CCD has"):
        fits.read_pixels(path, 1)


def test_a_list_of_every_ccd_of_a_large_survey_is_within_the_limits():
    assert text_files.LINE_MEMORY * 600_000 * 62 < 16 << 30


def test_a_list_with_more_lines_than_the_memory_can_hold_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "memory_bytes", lambda: 1 << 20)
    (tmp_path / "list.txt").write_text("1\n" * 3000)
    with pytest.raises(BadInput, match=r"has more than 2,621 lines, too many for this memory; split it"):
        list(lines(tmp_path / "list.txt"))


def test_a_packed_list_as_surveys_have_them_is_read(tmp_path):
    path = tmp_path / "list.txt.gz"
    text = "".join(f"{expnum} Clouds\n" for expnum in range(100_000, 300_000))
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    assert sum(1 for _ in lines(path)) == 200_000


def test_a_damaged_packed_list_is_refused_in_words(tmp_path):
    path = tmp_path / "list.txt.gz"
    path.write_bytes(gzip.compress(b"123 Clouds\n" * 1000)[:-20])
    with pytest.raises(BadInput, match=r"cannot be unpacked .*; gzip it again"):
        list(lines(path))


def test_memory_is_that_of_the_narrowest_limit(tmp_path, monkeypatch):
    whole = memory.memory_bytes()
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "LIMIT_FILES", (str(limit), str(tmp_path / "absent")))
    limit.write_text("max\n")
    assert memory.memory_bytes() >= whole
    limit.write_text("1000000\n")
    assert memory.memory_bytes() == 1_000_000
