"""Ingest as it is called: tables, previews, which files are read again, and which go to quarantine."""

import gzip
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from PIL import Image

from tests import fits_makers as make
from tests import warm
from triptych.app.pictures.version import picture_version
from triptych.pipeline.catalog import preview_files
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput, CatalogError
from triptych.pipeline.image_ids import image_id_of
from triptych.pipeline.ingest import ingest as ingest_module
from triptych.pipeline.ingest.ingest import ingest
from triptych.pipeline.ingest.sources import PROBLEMS
from triptych.pipeline.pixels.fits import PixelReader
from triptych.pipeline.pixels.full_resolution import full_ccd, full_mask


@pytest.fixture
def run(tmp_path) -> Catalog:
    return Catalog.create(tmp_path / "run", camera="mosaic3")


@pytest.fixture
def files(tmp_path) -> Path:
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


def problems(run: Catalog) -> list[tuple[str, str, str]]:
    """(file name, ccdname, problem) of everything in quarantine."""
    table = run.quarantine()
    assert set(table.problem) <= set(PROBLEMS)
    assert (table.detail != "").all()
    return [(Path(row.path).name, row.ccdname, row.problem) for row in table.itertuples()]


# ---- what an exposure becomes


@pytest.mark.parametrize("packed", [False, True])
def test_multi_extension_file(run, files, packed):
    make.exposure(files / "a.fits", packed=packed)
    report = ingest(run, files)
    assert (report.n_new, report.n_ccds, report.n_quarantined) == (1, 4, 0)
    exposure = run.exposures().iloc[0]
    assert (exposure.expnum, exposure.camera, exposure.n_ccds, exposure.band) == (101, "mosaic3", 4, "z")
    assert (exposure.night, exposure.exptime, exposure.plver) == (20160310, 80.0, "V4.3")
    assert exposure.ra == pytest.approx(217.283208)
    assert exposure.source == str(files / "a.fits")
    ccds = run.ccds()
    assert list(ccds.image_id) == [10101, 10102, 10103, 10104]
    assert list(ccds.image_hdu) == [1, 2, 3, 4]
    assert ccds.sky_median_adu.to_numpy() == pytest.approx([110, 120, 130, 140], abs=0.3)
    assert ccds.sky_sigma_adu.to_numpy() == pytest.approx([2, 2, 2, 2], rel=0.15)
    ccdnums, preview = run.preview(101)
    assert list(ccdnums) == [1, 2, 3, 4]
    assert preview.shape == (4, *make.SHAPE)  # small enough to need no binning
    rounded = 2 / preview_files.STEPS  # the noise is 2
    assert preview[1] == pytest.approx(make.pixels("CCD2", 101), abs=0.5 if packed else rounded)
    assert full_ccd(run, 10102) == pytest.approx(preview[1], abs=rounded)


def test_width_of_stars_is_that_of_each_header(run, files):
    said = {"CCD1": {"FWHM": 4.25}, "CCD2": {"FWHM": 0.0}, "CCD3": {"FWHM": "unknown"}, "CCD4": {}}
    images = (make.image(name, make.pixels(name), **cards) for name, cards in said.items())
    make.write(files / "a.fits", make.primary(), *images)
    ingest(run, files)
    assert run.ccds().fwhm_pix.to_numpy() == pytest.approx([4.25, np.nan, np.nan, np.nan], nan_ok=True)


def test_ccds_are_known_by_name_not_by_place(run, files):
    make.exposure(files / "a.fits", ccds=("CCD4", "CCD2"))
    ingest(run, files)
    assert [tuple(row) for row in run.ccds()[["ccdname", "image_hdu"]].to_numpy()] == [("CCD2", 2), ("CCD4", 1)]
    assert full_ccd(run, 10104).mean() == pytest.approx(140, abs=0.5)


def test_exposure_number_as_text_and_in_recorded_names(run, files):
    make.exposure(files / "text.fits", expnum=" 000102 ")
    make.exposure(files / "name.fits", expnum=None, DTACQNAM="/data4/observer/mos3.77690.fits")
    make.exposure(files / "mos3.555.fits", expnum="unknown")
    ingest(run, files)
    assert list(run.exposures().expnum) == [102, 77690]
    assert problems(run) == [("mos3.555.fits", "", "no_expnum")]  # the name on disk does not count


def test_one_ccd_files_join_to_one_exposure(run, files):
    for name in ("CCD3", "CCD1"):
        make.exposure(files / f"part-{name}.fits", ccds=(name,))
    ingest(run, files / "part-CCD3.fits")
    assert run.exposures().n_ccds[0] == 1
    report = ingest(run, files)
    assert (report.n_new, report.n_quarantined) == (1, 0)
    assert list(run.ccds().ccdname) == ["CCD1", "CCD3"]
    assert list(run.preview(101)[0]) == [1, 3]
    assert full_ccd(run, 10103).mean() == pytest.approx(130, abs=0.5)


def test_image_in_the_primary_hdu(run, files):
    hdu = make.primary(101, EXTNAME="CCD2", CCDNUM=2)
    make.write(files / "a.fits", fits.PrimaryHDU(make.pixels("CCD2"), hdu.header))
    ingest(run, files)
    assert list(run.ccds().image_hdu) == [0]


def test_names_and_packings_of_files(run, files):
    make.exposure(files / "brackets[1]+2.fits", 101, packed=True)
    make.exposure(files / "plain.fits", 102)
    (files / "zipped.fits.gz").write_bytes(gzip.compress((files / "plain.fits").read_bytes()))
    (files / "plain.fits").unlink()
    make.exposure(files / "c4d_x.fits.fz", 103, packed=True)
    make.exposure(files / ".hidden.fits", 104)
    assert ingest(run, files).n_new == 3
    assert problems(run) == []
    for expnum in (101, 102, 103):
        assert full_ccd(run, image_id_of(expnum, 3)).mean() == pytest.approx(130, abs=0.5)


def test_masks_in_the_same_file_and_beside_it(run, files):
    flags = np.zeros(make.SHAPE, dtype=np.int32)
    flags[:24] = 4
    planes = [make.image("CCD1", make.pixels("CCD1")), make.image("CCD1", flags), make.image("CCD1", flags * 1.0)]
    for plane, word in zip(planes, ("IMAGE", "MASK", "WEIGHT"), strict=True):
        plane.header["DES_EXT"] = word
    make.write(files / "three.fits", make.primary(201), *planes)
    make.exposure(files / "k4m_160311_103249_ooi_zd_v1.fits", 202)
    mask = [make.image(name, flags) for name in make.CCDS]
    make.write(files / "k4m_160311_103249_ood_zd_v1.fits", make.primary(202), *mask)
    make.exposure(files / "k4m_160311_103249_oow_zd_v1.fits", 202)
    make.write(files / "k4m_160311_103250_ood_zd_v1.fits", make.primary(203), *mask)
    ingest(run, files)
    assert list(run.exposures().expnum) == [201, 202]
    assert full_mask(run, 20101).mean() == full_mask(run, 20204).mean() == 0.5
    row = run.ccds().set_index("image_id").loc[20204]
    assert Path(row.mask_source).name == "k4m_160311_103249_ood_zd_v1.fits"
    assert row.mask_hdu == 4
    assert problems(run) == [("k4m_160311_103250_ood_zd_v1.fits", "", "no_image")]


def test_focus_chips_are_passed_over(tmp_path, files):
    run = Catalog.create(tmp_path / "decam-run")
    hdus = [fits.ImageHDU(np.ones((20, 20), np.float32) * 5, name=name) for name in ("FS1", "N1", "FN4", "S29")]
    hdus[3].data += np.arange(20)
    make.write(files / "a.fits", make.primary(301, INSTRUME="DECam"), *hdus)
    make.write(files / "b.fits", make.primary(302, INSTRUME="DECam"), hdus[0])
    ingest(run, files)
    assert list(run.ccds().ccdname) == ["S29", "N1"]
    assert problems(run) == [("b.fits", "", "no_image")]


def test_ccds_of_different_size_and_big_ones(run, files):
    large = np.full((600, 1000), 7.0, np.float32)
    large[:, :500] = np.nan
    parts = [make.image("CCD1", large), make.image("CCD2", make.pixels("CCD2"))]
    make.write(files / "a.fits", make.primary(101), *parts)
    ingest(run, files)
    ccds = run.ccds()
    assert list(ccds.bin) == [4, 1]
    assert list(ccds.preview_ny) == [150, 48]
    assert list(ccds.preview_nx) == [250, 32]
    assert list(ccds.blank_fraction) == [0.5, 0.0]
    _, preview = run.preview(101)
    assert preview.shape == (2, 150, 250)
    assert np.isnan(preview[0][:, :125]).all()
    assert (preview[0][:, 125:] == 7).all()
    assert np.isnan(preview[1][48:]).all()


def test_focal_plane_pictures(run, files):
    picture = np.full((90, 120), 20, np.uint8)
    picture[5:35, 10:50] = np.random.default_rng(0).integers(60, 200, (30, 40))
    picture[5:35, 60:100] = 80
    picture[50:80, 10:50] = 150
    Image.fromarray(picture).save(files / "Ghost_D00000777.png")
    Image.fromarray(picture).save(files / "nameless.png")
    (files / "tiles").mkdir()
    Image.fromarray(picture).save(files / "tiles" / "00000778.png")
    table = "ccdnum,x0,y0,x1,y1\n4,10,5,50,35\n2,60,5,100,35\n3,10,50,50,80\n1,60,50,100,80\n"
    (files / "all_tiles.csv").write_text(table)
    report = ingest(run, files)
    assert report.n_new == 1
    exposure = run.exposures().iloc[0]
    # the tile of CCD1 has nothing but the ground: absent
    assert (exposure.expnum, exposure.n_ccds, exposure.band, exposure.night) == (777, 3, "", -1)
    # shown North up and East left: turned into array orientation, and back
    from triptych.pipeline.camera import MOSAIC3
    from triptych.pipeline.pixels.images import display

    assert display(full_ccd(run, 77704), MOSAIC3) == pytest.approx(picture[5:35, 10:50].astype(float))
    assert run.ccds().image_id.tolist() == [77702, 77703, 77704]
    assert sorted(problems(run)) == [("00000778.png", "", "no_tiles"), ("nameless.png", "", "no_expnum")]
    (files / "tiles" / "00000778_tiles.csv").write_text(table)
    assert ingest(run, files).n_new == 1
    assert problems(run) == [("nameless.png", "", "no_expnum")]


# ---- again, and again


def test_again_reads_only_what_is_new_or_changed(run, files):
    make.exposure(files / "a.fits", 101)
    make.exposure(files / "b.fits", 102)
    assert ingest(run, files).n_new == 2
    before = run.preview_path(101).stat().st_mtime_ns
    make.exposure(files / "c.fits", 103)
    time.sleep(0.01)
    make.exposure(files / "b.fits", 102, ccds=("CCD1", "CCD2"))
    report = ingest(run, files)
    assert (report.n_new, report.n_skipped) == (2, 1)
    assert dict(zip(run.exposures().expnum, run.exposures().n_ccds, strict=True)) == {101: 4, 102: 2, 103: 4}
    assert run.preview_path(101).stat().st_mtime_ns == before
    assert ingest(run, files).n_new == 0


def test_browsers_keep_their_pictures_until_an_exposure_is_read_again(run, files):
    make.exposure(files / "a.fits", 101)
    ingest(run, files)
    version = picture_version(run)
    make.exposure(files / "b.fits", 102)
    assert ingest(run, files).n_new == 1
    assert picture_version(run) == version
    time.sleep(0.01)
    make.exposure(files / "b.fits", 102, ccds=("CCD1", "CCD2"))
    ingest(run, files)
    assert picture_version(run) != version


def test_a_file_that_changes_its_exposure_leaves_nothing_behind(run, files):
    make.exposure(files / "a.fits", 101)
    ingest(run, files)
    make.exposure(files / "a.fits", 102, ccds=("CCD1",))
    ingest(run, files)
    assert list(run.exposures().expnum) == [102]
    assert set(run.ccds().expnum) == {102}
    assert not run.has_preview(101)


def test_a_moved_file_is_followed_and_a_lost_one_keeps_its_exposure(run, files):
    make.exposure(files / "a.fits", 101)
    make.exposure(files / "b.fits", 102)
    ingest(run, files)
    (files / "deep").mkdir()
    shutil.move(files / "a.fits", files / "deep" / "a.fits")
    (files / "b.fits").unlink()
    ingest(run, files)
    assert list(run.exposures().expnum) == [101, 102]
    assert problems(run) == []
    assert full_ccd(run, 10101).shape == make.SHAPE
    with pytest.raises(BadInput, match="has gone"):
        full_ccd(run, 10201)


def tables_of(run: Catalog) -> list[pd.DataFrame]:
    return [run.exposures(), run.ccds(), run.quarantine(), run.star_shapes(), run.exposure_shapes()]


def test_order_workers_and_calls_make_no_difference(tmp_path, files):
    for number in range(101, 109):
        make.exposure(files / f"{number % 3}" / f"{number}.fits", number, packed=number % 2 == 0)
    make.exposure(files / "0" / "copy.fits", 105)
    (files / "bad.fits").write_bytes(b"")
    one = Catalog.create(tmp_path / "one")
    ingest(one, files, workers=1)
    two = Catalog.create(tmp_path / "two")
    ingest(two, files, workers=2)
    three = Catalog.create(tmp_path / "three")
    for path in sorted(files.iterdir(), reverse=True):
        ingest(three, path)
    for other in (two, three):
        for a, b in zip(tables_of(one), tables_of(other), strict=True):
            pd.testing.assert_frame_equal(a, b)
        for expnum in one.exposures().expnum:
            assert np.array_equal(one.preview(expnum)[1], other.preview(expnum)[1], equal_nan=True)


def star_field(seed: int = 0) -> np.ndarray:
    """Round stars of FWHM 4 pixels on a noisy sky: (300, 280) float32, ADU."""
    rng = np.random.default_rng(seed)
    sky = rng.normal(500, 4, (300, 280))
    y, x = np.mgrid[-10:11, -10:11]
    for row, column in rng.integers(30, 250, (14, 2)):
        sky[row - 10 : row + 11, column - 10 : column + 11] += 3000 * np.exp(-(x**2 + y**2) / (2 * 1.7**2))
    return sky.astype(np.float32)


def test_star_shapes_come_from_the_one_read_of_the_pixels(run, files, monkeypatch):
    images = [make.image(name, star_field(place), packed=place > 1) for place, name in enumerate(make.CCDS)]
    images[1].header["SATURATE"] = 900.0  # all its stars are brighter
    make.write(files / "one.fits", make.primary(101), *images)
    reads = []
    read = PixelReader.read
    monkeypatch.setattr(PixelReader, "read", lambda self, hdu: reads.append(hdu) or read(self, hdu))
    ingest(run, files)
    assert sorted(reads) == [1, 2, 3, 4]
    table = run.star_shapes().set_index("ccdname")
    assert table.index.tolist() == list(make.CCDS)
    assert table.image_id.tolist() == run.ccds().image_id.tolist()
    good = table.drop(make.CCDS[1])
    assert good.fwhm_arcsec.to_numpy() == pytest.approx(1.7 * 2.355 * 0.26, rel=0.05)
    assert (good.n_stars > 8).all()
    assert table.loc[make.CCDS[1], ["n_stars", "fwhm_arcsec", "e1"]].isna().all()
    own = run.exposure_shapes().iloc[0]
    assert (own.n_ccds_measured, own.fwhm_over_night) == (3, 1)
    make.write(files / "one.fits", make.primary(101), *images[:2])
    ingest(run, files)
    assert len(run.star_shapes()) == 2


def without_shapes(run: Catalog) -> None:
    """Make of a run what an earlier version would have made."""
    for name in ("star_shapes", "exposure_shapes"):
        (run.path / f"{name}.parquet").unlink()


def test_a_run_of_an_earlier_version_gets_star_shapes_when_asked(run, files):
    for number in range(101, 104):
        make.exposure(files / f"{number}.fits", number)
    ingest(run, files)
    names = ("star_shapes", "exposure_shapes", "ccds")
    whole = [(run.path / f"{name}.parquet").read_bytes() for name in names]
    without_shapes(run)
    assert run.star_shapes().empty
    make.exposure(files / "104.fits", 104)
    report = ingest(run, files)
    assert (report.n_new, report.n_skipped, report.n_unmeasured) == (1, 3, 3)
    assert "--add-shapes" in str(report)
    assert run.exposure_shapes().expnum.tolist() == [104]
    report = ingest(run, files / "102.fits", add_shapes=True)
    assert (report.n_new, report.n_unmeasured) == (1, 2)
    report = ingest(run, files, add_shapes=True)
    assert (report.n_new, report.n_skipped, report.n_unmeasured) == (2, 2, 0)
    assert "--add-shapes" not in str(report)
    assert ingest(run, files, add_shapes=True).n_new == 0
    (files / "104.fits").unlink()
    four = Catalog.create(run.path.parent / "three", camera="mosaic3")
    ingest(four, files)
    assert [
        (four.path / f"{name}.parquet").read_bytes() for name in ("star_shapes", "exposure_shapes", "ccds")
    ] == whole


def ingest_and_die(run, files):
    """Runs in a process of its own: each exposure is saved at once, and the process is killed at the fourth."""

    def die(done, total, text):
        if text == "exposure 104":
            os.kill(os.getpid(), signal.SIGKILL)

    ingest_module.SAVE_EVERY_SECONDS, ingest_module.SAVE_SHARE = 0, 1e9
    ingest(Catalog.open(run), files, workers=1, progress=die)


def test_killed_in_the_middle_and_run_again(tmp_path, files):
    for number in range(101, 107):
        make.exposure(files / f"{number}.fits", number)
    whole = Catalog.create(tmp_path / "whole")
    ingest(whole, files)
    killed = Catalog.create(tmp_path / "killed")
    process = warm.process(ingest_and_die, killed.path, files)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    report = ingest(killed, files)
    assert (report.n_new, report.n_skipped) == (3, 3)
    for a, b in zip(tables_of(whole), tables_of(killed), strict=True):
        pd.testing.assert_frame_equal(a, b)


def test_saving_stays_a_small_part_of_the_time_while_the_tables_grow():
    now, spent = 0.0, 0.0
    timer = ingest_module.SaveTimer(lambda: now)
    saves = 0
    for n_exposures in range(1, 200_001):
        now += 1.0
        if timer.due():
            with timer.saving():
                took = n_exposures / 1000
                now, spent, saves = now + took, spent + took, saves + 1
    assert spent < ingest_module.SAVE_SHARE * now
    assert saves > 50  # and a stopped ingest still loses little

    now, early = 0.0, []
    timer = ingest_module.SaveTimer(lambda: now)
    for now in range(1, 200):
        if timer.due():
            early.append(now)
            with timer.saving():
                pass
    assert early == [61, 122, 183]


def test_the_sample_depends_on_seed_and_exposure_alone(tmp_path, files):
    hdus = [fits.ImageHDU(np.random.default_rng(n).normal(9, 1, (16, 16)), name=f"S{n}") for n in range(1, 32)]
    make.write(files / "a.fits", make.primary(401, INSTRUME="DECam"), *hdus)
    make.write(files / "b.fits", make.primary(402, INSTRUME="DECam"), *hdus[::-1])
    run = Catalog.create(tmp_path / "one")
    ingest(run, files)
    chosen = {expnum: set(rows.ccdname[rows.sampled]) for expnum, rows in run.ccds().groupby("expnum")}
    assert {len(names) for names in chosen.values()} == {20}
    assert chosen[401] != chosen[402]
    other = Catalog.create(tmp_path / "two")
    ingest(other, files / "b.fits")
    assert set(other.ccds().ccdname[other.ccds().sampled]) == chosen[402]
    ingest(other, files / "b.fits", seed=1)  # nothing to read, but another choice
    assert set(other.ccds().ccdname[other.ccds().sampled]) != chosen[402]
    ingest(other, files / "b.fits", sample=5)
    assert other.ccds().sampled.sum() == 5


def test_progress_is_told(run, files):
    make.exposure(files / "a.fits")
    told = []
    ingest(run, files, progress=lambda done, total, text="": told.append((done, total, text)))
    assert told == [(1, 1, "headers"), (1, 1, "exposure 101")]


# ---- damage: each costs that file or CCD only


def damage(name: str, path: Path) -> None:
    """Write a file that is damaged in the named way."""
    if name == "empty":
        path.write_bytes(b"")
    elif name == "not_fits":
        path.write_bytes(b"PK\x03\x04 this is something else" * 200)
    elif name == "truncated":
        make.exposure(path, 900)
        path.write_bytes(path.read_bytes()[:-4000])
    elif name == "truncated header":
        make.exposure(path, 900)
        path.write_bytes(path.read_bytes()[:2000])
    elif name == "truncated gzip":
        make.exposure(path, 900)
        path.write_bytes(gzip.compress(path.read_bytes())[:-300])
    elif name == "no_expnum":
        make.exposure(path, None)
    elif name == "no_image":
        table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1, 2])])
        make.write(path, make.primary(900), table)
    elif name == "unknown_camera":
        make.exposure(path, 900, INSTRUME="mosaic_1")
    elif name == "calibration":
        make.exposure(path, 900, OBSTYPE="dome flat")
    elif name == "unknown_ccd":
        make.write(path, make.primary(900), fits.ImageHDU(make.pixels("CCD1"), name="CCD9"))
    elif name == "all_nan":
        make.write(path, make.primary(900), make.image("CCD1", np.full(make.SHAPE, np.nan, np.float32)))
    elif name == "wrong_shape":
        make.write(path, make.primary(900), make.image("CCD1", np.ones((3, 20, 20), np.float32)))
    elif name == "unreadable":
        path.mkdir()
        (path / "loop.fits").symlink_to(path / "loop.fits")


DAMAGE = {
    **{
        name: name
        for name in (
            *("empty", "not_fits", "truncated", "no_expnum", "no_image", "unknown_camera", "calibration"),
            *("unknown_ccd", "all_nan", "wrong_shape", "unreadable"),
        )
    },
    "truncated header": "truncated",
    "truncated gzip": "truncated",
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_costs_that_file_only_and_leaves_quarantine_when_mended(run, files, name):
    make.exposure(files / "good.fits", 101)
    damage(name, files / "x.fits")
    report = ingest(run, files)
    assert report.n_new == 1
    assert list(run.exposures().expnum) == [101]
    (problem,) = problems(run)
    assert problem[2] == DAMAGE[name]
    assert report.problems == {DAMAGE[name]: 1}
    assert f"1  {DAMAGE[name]}" in str(report)
    assert ingest(run, files).n_quarantined == 1  # still there, still told
    if name == "unreadable":
        shutil.rmtree(files / "x.fits")
    make.exposure(files / "x.fits", 900)
    report = ingest(run, files)
    assert (report.n_new, report.n_quarantined) == (1, 0)
    assert list(run.exposures().expnum) == [101, 900]
    (files / "x.fits").unlink()
    assert ingest(run, files).n_quarantined == 0


def test_a_deleted_bad_file_leaves_quarantine(run, files):
    damage("empty", files / "x.fits")
    make.exposure(files / "a.fits")
    make.exposure(files / "copy.fits")
    assert ingest(run, files).n_quarantined == 2
    (files / "x.fits").unlink()
    (files / "copy.fits").unlink()
    assert ingest(run, files).n_quarantined == 0


def test_damaged_ccds_cost_those_ccds_only(run, files):
    hdus = [make.image(name, make.pixels(name)) for name in make.CCDS]
    hdus[0].data[:] = np.nan
    hdus[2] = make.image("CCD3", make.pixels("CCD3", shape=(40, 32)))
    make.write(files / "a.fits", make.primary(101), *hdus, make.image("CCD2", make.pixels("CCD4")))
    ingest(run, files)
    assert problems(run) == [
        ("a.fits", "CCD1", "all_nan"),
        ("a.fits", "CCD2", "duplicate_ccd"),
        ("a.fits", "CCD3", "wrong_shape"),
    ]
    assert list(run.ccds().ccdname) == ["CCD2", "CCD4"]
    assert list(run.preview(101)[0]) == [2, 4]
    assert (run.quarantine().expnum == 101).all()
    assert full_ccd(run, 10102).mean() == pytest.approx(120, abs=0.5)


def test_name_and_number_that_disagree(run, files):
    hdus = [make.image(name, make.pixels(name)) for name in make.CCDS]
    hdus[1].header["CCDNUM"] = 3
    make.write(files / "a.fits", make.primary(101), *hdus)
    ingest(run, files)
    assert problems(run) == [("a.fits", "", "unknown_ccd")]
    assert "CCD2 (2) but CCDNUM is 3" in run.quarantine().detail[0]
    assert list(run.ccds().ccdname) == ["CCD1", "CCD3", "CCD4"]


def test_pixels_that_cannot_be_decoded(run, files):
    path = make.exposure(files / "a.fits", packed=True)
    with fits.open(path, disable_image_compression=True) as hdus:
        heap = hdus[2].fileinfo()["datLoc"] + hdus[2].header["NAXIS1"] * hdus[2].header["NAXIS2"]
        length = hdus[2].header["PCOUNT"]
    content = bytearray(path.read_bytes())
    content[heap : heap + length] = b"\xff" * length
    path.write_bytes(content)
    ingest(run, files)
    assert problems(run) == [("a.fits", "CCD2", "corrupt_pixels")]
    assert list(run.ccds().ccdname) == ["CCD1", "CCD3", "CCD4"]


def test_the_same_exposure_twice(run, files):
    make.exposure(files / "a.fits")
    shutil.copy(files / "a.fits", files / "b.fits")
    make.exposure(files / "newer.fits", PLVER="V5.5", ccds=make.CCDS[:3])
    make.exposure(files / "cutout.fits", PLVER="V6.0", ccds=("CCD1",))
    ingest(run, files)
    assert problems(run) == [
        ("a.fits", "", "duplicate_exposure"),
        ("b.fits", "", "duplicate_exposure"),
        ("cutout.fits", "", "duplicate_exposure"),
    ]
    exposure = run.exposures().iloc[0]
    assert (exposure.plver, exposure.n_ccds) == ("V5.5", 3)  # the newest that has half of the CCDs
    (files / "newer.fits").unlink()
    ingest(run, files)
    assert run.exposures().plver[0] == "V4.3"
    assert problems(run) == [("b.fits", "", "duplicate_exposure"), ("cutout.fits", "", "duplicate_exposure")]


def test_the_same_ccd_twice_in_two_files(run, files):
    make.exposure(files / "a.fits", ccds=("CCD1", "CCD2"))
    make.exposure(files / "b.fits", ccds=("CCD2",))
    ingest(run, files)
    assert problems(run) == [("b.fits", "CCD2", "duplicate_ccd")]
    assert list(run.ccds().ccdname) == ["CCD1", "CCD2"]


def test_the_same_number_from_two_cameras(run, files):
    make.exposure(files / "mosaic.fits")
    make.exposure(files / "bok.fits", INSTRUME="90prime")
    ingest(run, files)
    assert list(run.exposures().camera) == ["mosaic3"]
    assert problems(run) == [("bok.fits", "", "duplicate_exposure")]


def test_a_file_named_twice_or_linked_is_one_file(run, files):
    make.exposure(files / "a.fits")
    (files / "again").symlink_to(files)
    (files / "link.fits").symlink_to(files / "a.fits")
    report = ingest(run, [files, files / "a.fits", str(files) + "/../files"])
    assert (report.n_new, report.n_quarantined) == (1, 0)


def test_an_empty_folder_and_one_that_is_not(run, files):
    (files / "notes.txt").write_text("nothing to see")
    ingest(run, files)
    assert problems(run) == [("files", "", "empty_folder")]
    make.exposure(files / "a.fits")
    ingest(run, files)
    assert problems(run) == []


def test_a_file_of_another_kind_named_outright(run, files):
    (files / "notes.txt").write_text("nothing to see")
    ingest(run, files / "notes.txt")
    assert problems(run) == [("notes.txt", "", "not_fits")]


@contextmanager
def without_rights_of_root(folder: Path) -> Iterator[None]:
    """If root runs the tests, it may read everything: so give the folder to the user nobody and act as nobody."""
    if os.geteuid() != 0:
        yield
        return
    nobody = 65534
    for path in (folder, *folder.rglob("*")):
        os.chown(path, nobody, nobody)
    os.seteuid(nobody)
    try:
        yield
    finally:
        os.seteuid(0)


def test_refused_permission():
    with tempfile.TemporaryDirectory() as name:  # not tmp_path, which lies in a folder that is its user's alone
        folder = Path(name)
        run, files = Catalog.create(folder / "run", camera="mosaic3"), folder / "files"
        make.exposure(files / "good.fits")
        refused = [make.exposure(files / "x.fits", 900), make.exposure(files / "closed" / "y.fits", 901).parent]
        for path in refused:
            path.chmod(0)
        with without_rights_of_root(folder):
            if os.access(files / "x.fits", os.R_OK, effective_ids=True):
                pytest.skip("this user may read everything: permission cannot be refused")
            ingest(run, files, workers=1)
        assert sorted(problems(run)) == [("closed", "", "unreadable"), ("x.fits", "", "unreadable")]
        assert set(run.quarantine().detail) == {"Permission denied"}
        assert list(run.exposures().expnum) == [101]
        for path in refused:
            path.chmod(0o700)
        assert ingest(run, files).n_quarantined == 0
        assert list(run.exposures().expnum) == [101, 900, 901]


def test_a_source_that_is_not_there(run, files):
    with pytest.raises(BadInput, match=r"nowhere does not exist; give a file or folder") as caught:
        ingest(run, [files, files / "nowhere"])
    assert "\n" not in str(caught.value)
    with pytest.raises(BadInput, match="nothing to ingest"):
        ingest(run, [])


def test_one_ingest_at_a_time(run, files):
    make.exposure(files / "a.fits")
    with ingest_module.only_one(run), pytest.raises(CatalogError, match="another ingest"):
        ingest(run, files)
    assert ingest(run, files).n_new == 1


def test_full_ccd_notices_a_changed_file(run, files):
    make.exposure(files / "a.fits")
    ingest(run, files)
    make.exposure(files / "a.fits", ccds=make.CCDS[::-1])
    with pytest.raises(BadInput, match="ingest it again"):
        full_ccd(run, 10101)
    with pytest.raises(BadInput, match="no CCD image 999"):
        full_ccd(run, 999)
