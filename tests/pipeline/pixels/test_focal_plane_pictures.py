"""Focal-plane pictures: names, tiles, blank tiles."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from triptych.pipeline.camera import DECAM
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.ingest.ingest import ingest
from triptych.pipeline.pixels import focal_plane_pictures
from triptych.pipeline.pixels.fits import Unusable
from triptych.pipeline.pixels.full_resolution import full_ccd


def problem_of(function, *arguments) -> str:
    with pytest.raises(Unusable) as caught:
        function(*arguments)
    assert caught.value.detail
    return caught.value.problem


def test_exposure_numbers_in_names():
    for name in ("Ghost_img_D00158660.jpg", "158660.png", "D00158660_20121104.jpeg"):
        assert focal_plane_pictures.expnum_of_name(name) == 158660
    for name in ("decam_trails.jpg", "night_20121104_158660.png", "00000000.png"):
        assert problem_of(focal_plane_pictures.expnum_of_name, name) == "no_expnum"


def test_which_tiles_file(tmp_path):
    picture = tmp_path / "ghost_12345.jpg"
    assert problem_of(focal_plane_pictures.tiles_path, picture) == "no_tiles"
    (tmp_path / "other_tiles.csv").touch()
    assert focal_plane_pictures.tiles_path(picture).name == "other_tiles.csv"
    (tmp_path / "more_tiles.csv").touch()
    assert problem_of(focal_plane_pictures.tiles_path, picture) == "no_tiles"
    (tmp_path / "Ghost_tiles.csv").touch()
    assert focal_plane_pictures.tiles_path(picture).name == "Ghost_tiles.csv"
    (tmp_path / "ghost_12345_tiles.csv").touch()
    assert focal_plane_pictures.tiles_path(picture).name == "ghost_12345_tiles.csv"


@pytest.mark.parametrize(
    "table",
    [
        "",
        "tile,x0,y0,x1,y1\n0,1,2,3,4\n",
        "ccdnum,x0,y0,x1,y1\n99,1,2,3,4\n",
        "ccdnum,x0,y0,x1,y1\n1,a,2,3,4\n",
        "ccdnum,x0,y0,x1,y1\n1,1,2,3,4\n1,1,2,3,4\n",
    ],
)
def test_tiles_that_cannot_be_used(tmp_path, table):
    path = tmp_path / "a_tiles.csv"
    path.write_text(table)
    assert problem_of(focal_plane_pictures.read_tiles, path, DECAM) == "no_tiles"


def test_blank_tiles_and_halves():
    rng = np.random.default_rng(0)
    grey = np.full((120, 200), 23.0, np.float32) + rng.integers(-3, 4, (120, 200))
    tiles = pd.DataFrame(
        {"ccdnum": [2, 31, 61, 1], "x0": [10, 80, 10, 80], "y0": [10, 10, 60, 60], "x1": [68, 138, 68, 138]}
    ).assign(y1=lambda t: t.y0 + 28)
    grey[10:24, 80:138] = rng.normal(60, 15, (14, 58))  # half of S7
    grey[60:88, 80:138] = rng.normal(60, 15, (28, 58))
    cut = focal_plane_pictures.cut_tiles(grey, tiles, DECAM)
    assert sorted(cut) == [1, 31]  # neither the dead N30 nor the blank S30
    assert {number: pixels.shape for number, pixels in cut.items()} == dict.fromkeys(cut, (58, 28))
    assert np.isfinite(cut[1]).all()
    assert np.isfinite(cut[31][:, :13]).all()  # array x runs southwards: the blank half is at high x
    assert np.isnan(cut[31][:, 15:]).all()
    grey[60:88, 10:68] = rng.normal(60, 15, (28, 58))
    assert 61 in focal_plane_pictures.cut_tiles(grey, tiles, DECAM)  # not blank, not dead
    assert problem_of(focal_plane_pictures.cut_tiles, grey[:80], tiles, DECAM) == "wrong_shape"
    whole = tiles.assign(x0=0, y0=0, x1=grey.shape[1], y1=grey.shape[0])  # four copies of the picture
    assert problem_of(focal_plane_pictures.cut_tiles, grey, whole, DECAM) == "wrong_shape"


def test_pictures_that_cannot_be_read(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90), np.uint8)).save(tmp_path / "a.jpg")
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.jpg").write_text("no picture")
    assert focal_plane_pictures.read_grey(tmp_path / "a.jpg").shape == (90, 90)
    assert problem_of(focal_plane_pictures.read_grey, tmp_path / "cut.jpg") == "truncated"
    assert problem_of(focal_plane_pictures.read_grey, tmp_path / "text.jpg") == "unreadable"


def test_sixteen_bits_are_scaled_to_eight(tmp_path):
    grey = np.random.default_rng(0).integers(0, 256, (40, 60)).astype(np.uint16)
    Image.fromarray(grey * 257).save(tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").mode.startswith("I")
    assert np.array_equal(focal_plane_pictures.read_grey(tmp_path / "a.png"), grey.astype(np.float32))


def test_a_blank_tile_that_an_older_run_has(tmp_path):
    (tmp_path / "files").mkdir()
    grey = np.full((90, 120), 20, np.uint8)
    grey[5:35, 10:50] = np.random.default_rng(0).integers(60, 200, (30, 40))
    Image.fromarray(grey).save(tmp_path / "files" / "D00000777.png")
    (tmp_path / "files" / "D00000777_tiles.csv").write_text("ccdnum,x0,y0,x1,y1\n1,60,50,100,80\n2,10,5,50,35\n")
    run = Catalog.create(tmp_path / "run", camera="mosaic3")
    ingest(run, tmp_path / "files", workers=1)
    ccds = run.ccds()
    assert ccds.ccdname.tolist() == ["CCD2"]
    old = ccds.assign(image_id=77701, ccdname="CCD1", ccdnum=1)
    assert np.isnan(full_ccd(run, 77701, old)).all()
    assert full_ccd(run, 77701, old).shape == (40, 30)
