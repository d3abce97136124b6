"""Files whose names are bytes that are not UTF-8."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import fits_makers as make
from triptych.app.pictures import quality_masks
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.ingest.arrivals import Arrivals
from triptych.pipeline.ingest.ingest import ingest
from triptych.pipeline.ingest.manifest import Manifest
from triptych.pipeline.ingest.parts import ingest_part, join
from triptych.pipeline.ingest.sources import find_files
from triptych.pipeline.pixels.file_paths import path_of, shown, written
from triptych.pipeline.pixels.full_resolution import full_ccd, full_mask

ODD = os.fsdecode(b"se\xf1al")


@pytest.fixture
def run(tmp_path) -> Catalog:
    return Catalog.create(tmp_path / "run", camera="mosaic3")


@pytest.fixture
def files(tmp_path) -> Path:
    """A sound file, an odd name in an odd folder with a mask, and an odd name of a damaged file."""
    folder = tmp_path / "files"
    make.exposure(folder / "good.fits", 101)
    flags = np.zeros(make.SHAPE, np.int16)
    flags[:12] = 1
    planes = [make.image("CCD1", make.pixels("CCD1")), make.image("CCD1", flags, EXTTYPE="MASK")]
    try:
        make.write(folder / ODD / f"{ODD}.fits", make.primary(102), *planes)
    except OSError:
        pytest.skip("this file system takes no such names")
    (folder / f"{ODD}.fits").write_bytes(b"")
    return folder


def test_paths_as_text_and_back():
    for path in ("/sky/a.fits", "/sky/señal.fits", f"/sky/{ODD}/{ODD} 1%.fits", "/file:/x.fits"):
        text = written(path)
        text.encode()
        assert str(path_of(text)) == path
        assert (text == path) == (ODD not in path)
    assert written(f"/sky/{ODD}.fits") == "file:///sky/se%F1al.fits"
    assert written("") == ""
    assert shown(f"taken from /sky/{ODD}") == r"taken from /sky/se\xf1al"


def test_they_are_ingested_like_any_other(run, files):
    report = ingest(run, files, workers=1)
    assert (report.n_new, report.problems) == (2, {"empty": 1})
    assert run.exposures().expnum.tolist() == [101, 102]
    row = run.ccds().iloc[-1]
    assert row.source == row.mask_source == written(files.resolve() / ODD / f"{ODD}.fits")
    assert run.exposures().image_filename.tolist() == ["good.fits", "se%F1al.fits"]
    assert run.quarantine().path.tolist() == [written(files.resolve() / f"{ODD}.fits")]
    assert full_ccd(run, 10201).mean() == pytest.approx(110, abs=0.5)
    assert full_mask(run, 10201).mean() == 0.25
    ((_, classes),) = quality_masks.read([row.to_dict()], "")
    assert classes is not None
    assert (classes > 0).mean() == 0.25


def test_they_are_known_again(run, files):
    ingest(run, files, workers=1)
    report = ingest(run, files, workers=1)
    assert (report.n_new, report.n_skipped, report.n_quarantined) == (0, 2, 1)
    known = {path: record.digest for path, record in Manifest(run.path / "ingested.parquet").files.items()}
    arrivals = Arrivals(10.0, known)
    assert not arrivals.look(find_files(files)[0])
    assert not arrivals.waiting
    make.exposure(files / f"{ODD}.fits", 103)
    assert ingest(run, files, workers=1).n_quarantined == 0
    (files / f"{ODD}.fits").unlink()
    assert ingest(run, files, workers=1).n_new == 0
    assert run.exposures().expnum.tolist() == [101, 102, 103]


def test_parts_read_them(run, files):
    ingest_part(run, files, (1, 1), workers=1)
    assert join(run, workers=1).n_new == 2
    assert ingest_part(run, files, (1, 1), workers=1).n_new == 0


def test_the_command_line_prints_what_it_has_to_say(run, files):
    words = [sys.executable, "-m", "triptych", "ingest", str(run.path), str(files)]
    done = subprocess.run(words, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"})
    assert done.returncode == 0, done.stderr
    assert b"exposures read: 2" in done.stdout + done.stderr
