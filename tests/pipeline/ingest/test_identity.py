"""Which exposure, which camera, and which of several images: told by the headers, or refused, never guessed."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests import fits_makers as make
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.ingest import units
from triptych.pipeline.ingest.ingest import ingest
from triptych.pipeline.ingest.parts import ingest_part, join
from triptych.pipeline.pixels.full_resolution import full_ccd, full_mask


@pytest.fixture
def run(tmp_path) -> Catalog:
    return Catalog.create(tmp_path / "run", camera="mosaic3")


@pytest.fixture
def files(tmp_path) -> Path:
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


def read(run: Catalog, files: Path) -> list[tuple[str, int, str, str]]:
    """Ingest. (file name, expnum, ccdname, problem) of everything in quarantine."""
    ingest(run, files, workers=1)
    return [(Path(row.path).name, row.expnum, row.ccdname, row.problem) for row in run.quarantine().itertuples()]


def ccds(run: Catalog) -> dict[int, list[str]]:
    return {int(expnum): own.ccdname.tolist() for expnum, own in run.ccds().groupby("expnum")}


# ---- several exposures in one file


def several(path: Path, common, *numbers) -> Path:
    """CCD1, CCD2, ... with an EXPNUM of their own, None = no such card."""
    hdus = [
        make.image(name, make.pixels(name), **({} if number is None else {"EXPNUM": number, "EXPTIME": 10.0 + place}))
        for place, (name, number) in enumerate(zip(make.CCDS, numbers, strict=False))
    ]
    return make.write(path, make.primary(common), *hdus)


def test_extensions_of_different_exposures(run, files):
    several(files / "a.fits", None, 101, 102, 101)
    assert read(run, files) == []
    assert ccds(run) == {101: ["CCD1", "CCD3"], 102: ["CCD2"]}
    assert run.exposures().exptime.tolist() == [10.0, 11.0]
    assert full_ccd(run, 10202).mean() == pytest.approx(120, abs=0.5)
    assert ingest(run, files).n_new == 0
    make.exposure(files / "b.fits", 102, ccds=("CCD4",), MJD_OBS=None, PLVER=None)
    assert read(run, files) == []
    assert ccds(run)[102] == ["CCD2", "CCD4"]
    (files / "a.fits").unlink()
    assert ingest(run, files).n_quarantined == 0


def test_the_same_ccd_of_different_exposures_in_one_file(run, files):
    hdus = [make.image("CCD2", make.pixels("CCD2", number), EXPNUM=number) for number in (101, 102, 103)]
    make.write(files / "a.fits", make.primary(None), *hdus)
    assert read(run, files) == []
    assert ccds(run) == {101: ["CCD2"], 102: ["CCD2"], 103: ["CCD2"]}


def test_planes_of_several_exposures_in_one_file(run, files):
    hdus = [make.image("CCD1", flags() * 0.1, EXTTYPE="VARIANCE")]
    for number in (101, 102):
        hdus += [make.image("CCD1", flags(), EXPNUM=number), make.image("CCD1", make.pixels("CCD1"), EXPNUM=number)]
    make.write(files / "a.fits", make.primary(None), *hdus)
    assert read(run, files) == []
    assert run.ccds()[["expnum", "image_hdu", "mask_hdu"]].to_numpy().tolist() == [[101, 3, 2], [102, 5, 4]]


def test_several_exposures_in_one_file_in_parts(run, files):
    several(files / "a.fits", None, 101, 102)
    ingest_part(run, files, (1, 1), workers=1)
    assert join(run, workers=1).n_new == 2
    assert ccds(run) == {101: ["CCD1"], 102: ["CCD2"]}
    (unit,) = units.units_of([str(files / "a.fits")])
    ingest_part(run, files, (1, 1), workers=1)
    assert join(run, workers=1).n_new == 0
    assert unit.paths == (str(files / "a.fits"),)


def test_an_extension_that_contradicts_the_primary_header(run, files):
    several(files / "a.fits", 101, 101, 102, None)
    assert read(run, files) == [("a.fits", 101, "CCD2", "contradiction")]
    assert "EXPNUM is 102 in HDU 2 and 101 in HDU 0" in run.quarantine().detail[0]
    assert ccds(run) == {101: ["CCD1", "CCD3"]}


def test_an_extension_without_number_among_different_ones(run, files):
    several(files / "a.fits", None, 101, 102, None)
    assert read(run, files) == [("a.fits", 101, "CCD3", "no_expnum")]
    assert ccds(run) == {101: ["CCD1"], 102: ["CCD2"]}


def test_an_extension_without_number_among_equal_ones(run, files):
    several(files / "a.fits", None, 101, None)
    assert read(run, files) == []
    assert ccds(run) == {101: ["CCD1", "CCD2"]}


def test_names_of_a_ccd_that_contradict_one_another(run, files):
    make.write(files / "a.fits", make.primary(101), make.image("CCD1", make.pixels("CCD1"), DETPOS="CCD2"))
    hdu = make.image("CCD1", make.pixels("CCD1"))
    del hdu.header["CCDNUM"]
    hdu.header["DETPOS"] = "CCD2"
    make.write(files / "b.fits", make.primary(102), hdu)
    assert [problem for *_, problem in read(run, files)] == ["unknown_ccd", "unknown_ccd"]


# ---- numbers


@pytest.mark.parametrize("number", [9_999_999_999_999_999, 9_007_199_254_740_993, 160_125_082_555])
@pytest.mark.parametrize("as_text", [False, True])
def test_long_numbers_stay_exact(run, files, number, as_text):
    make.exposure(files / "a.fits", str(number) if as_text else number)
    assert read(run, files) == []
    assert run.exposures().expnum.tolist() == [number]
    assert run.ccds().image_id.tolist() == [100 * number + ccd for ccd in (1, 2, 3, 4)]
    assert run.exposure_shapes().expnum.tolist() == [number]
    assert run.has_preview(number)
    assert full_ccd(run, 100 * number + 2).mean() == pytest.approx(120, abs=0.5)
    assert ingest(run, files).n_skipped == 1
    ingest_part(run, files, (1, 1), workers=1)
    assert join(run, workers=1).n_new == 0


@pytest.mark.parametrize("number", ["12345678901234567890", "1e5", "-3", "0", "٣٣٣٣٣٣"])
def test_numbers_that_are_none(run, files, number):
    make.exposure(files / "good.fits", 101)
    path = make.exposure(files / "x.fits", "N" * len(number))
    content = path.read_bytes()
    path.write_bytes(content.replace(b"N" * len(number), number.encode()[: len(number)], 1))
    assert {(name, problem) for name, _, _, problem in read(run, files)} <= {("x.fits", "no_expnum")}
    assert list(ccds(run)) == [101]


def test_a_long_number_in_the_name_of_a_picture(run, files):
    from PIL import Image

    Image.fromarray(np.zeros((90, 90), np.uint8)).save(files / "D12345678901234567890.png")
    make.exposure(files / "good.fits", 101)
    assert read(run, files) == [("D12345678901234567890.png", -1, "", "no_expnum")]
    assert "more than 16 digits" in run.quarantine().detail[0]


# ---- cameras


@pytest.mark.parametrize("telescope", ["CFHT 3.6m", "Subaru", "LSST", "P48", "CTIO 0.9 meter"])
def test_the_telescope_of_another_camera(run, files, telescope):
    make.exposure(files / "a.fits", 101, INSTRUME=None, TELESCOP=telescope)
    assert read(run, files) == [("a.fits", -1, "", "unknown_camera")]


@pytest.mark.parametrize("telescope", [None, "KPNO 4.0 meter telescope", "Mayall 4m", ""])
def test_the_camera_of_the_run_where_nothing_speaks_against_it(run, files, telescope):
    make.exposure(files / "a.fits", 101, INSTRUME=None, TELESCOP=telescope)
    assert read(run, files) == []
    assert run.exposures().camera.tolist() == ["mosaic3"]


def test_a_camera_at_the_telescope_of_another(run, files):
    make.exposure(files / "a.fits", 101, TELESCOP="CTIO 4.0-m telescope")
    assert [problem for *_, problem in read(run, files)] == ["contradiction"]


# ---- one exposure in several files


@pytest.mark.parametrize("mjd", [58914.00295, 57458.4])
def test_times_that_differ_by_less_than_seconds(run, files, mjd):
    for name, shift in (("CCD1", 0.0), ("CCD2", 1e-10), ("CCD3", -1e-10), ("CCD4", 3 / 86400)):
        make.exposure(files / f"{name}.fits", 101, ccds=(name,), MJD_OBS=mjd + shift)
    assert read(run, files) == []
    assert ccds(run) == {101: list(make.CCDS)}


def test_times_that_differ_by_a_minute_are_two_processings(run, files):
    make.exposure(files / "a.fits", 101, MJD_OBS=57458.4)
    make.exposure(files / "b.fits", 101, MJD_OBS=57458.4 + 60 / 86400)
    assert [problem for *_, problem in read(run, files)] == ["duplicate_exposure"]


@pytest.mark.parametrize("missing", [{"PLVER": None}, {"MJD_OBS": None}, {"PLVER": None, "MJD_OBS": None}])
def test_a_file_without_version_or_time_joins_the_others(run, files, missing):
    make.exposure(files / "a.fits", 101, ccds=("CCD1",), **missing)
    make.exposure(files / "b.fits", 101, ccds=("CCD2",))
    make.exposure(files / "c.fits", 101, ccds=("CCD3",))
    assert read(run, files) == []
    assert ccds(run) == {101: ["CCD1", "CCD2", "CCD3"]}
    exposure = run.exposures().iloc[0]
    assert (exposure.plver, exposure.mjd_obs, exposure.night) == ("V4.3", 57458.4, 20160310)


def test_a_file_that_could_belong_to_two_processings_belongs_to_none(run, files):
    make.exposure(files / "a.fits", 101, PLVER="V4.3")
    make.exposure(files / "b.fits", 101, PLVER="V5.0")
    make.exposure(files / "c.fits", 101, PLVER=None, ccds=("CCD1",))
    found = read(run, files)
    assert [(name, problem) for name, _, _, problem in found] == [
        ("a.fits", "duplicate_exposure"),
        ("c.fits", "duplicate_exposure"),
    ]
    assert run.exposures().plver.tolist() == ["V5.0"]


# ---- masks and weights


def flags() -> np.ndarray:
    found = np.zeros(make.SHAPE, np.int16)
    found[:12] = 4
    return found


@pytest.mark.parametrize("first", [True, False])
def test_a_mask_that_neither_its_name_nor_its_header_tells(run, files, first):
    make.write(files / ("a.fits" if first else "z.fits"), make.primary(101), make.image("CCD1", flags()))
    make.exposure(files / "m.fits", 101, ccds=("CCD1",))
    assert read(run, files) == []
    assert full_ccd(run, 10101).mean() == pytest.approx(110, abs=0.5)
    assert full_mask(run, 10101).mean() == 0.25


def test_a_mask_before_its_image_in_one_file(run, files):
    image = make.image("CCD1", make.pixels("CCD1"))
    make.write(files / "a.fits", make.primary(101), make.image("CCD1", flags()), image)
    assert read(run, files) == []
    assert run.ccds()[["image_hdu", "mask_hdu"]].to_numpy().tolist() == [[2, 1]]


@pytest.mark.parametrize("name", ["x.wht.fits", "weight-CCD1.fits", "CCD1_ivar.fits", "a_var.fits"])
def test_a_weight_map_told_by_a_word_of_its_name(run, files, name):
    make.write(files / name, make.primary(101), make.image("CCD1", np.full(make.SHAPE, 0.001, np.float32)))
    make.exposure(files / "zz.fits", 101, ccds=("CCD1",))
    assert read(run, files) == []
    assert full_ccd(run, 10101).mean() == pytest.approx(110, abs=0.5)


@pytest.mark.parametrize(
    "cards", [{"BUNIT": "adu^-2"}, {"BUNIT": "1/electron**2"}, {"PRODTYPE": "wtmap"}, {"EXTTYPE": "VARIANCE"}]
)
def test_a_weight_map_told_by_its_header(run, files, cards):
    weight = make.image("CCD1", np.full(make.SHAPE, 0.001, np.float32), **cards)
    make.write(files / "a.fits", make.primary(101), weight, make.image("CCD1", make.pixels("CCD1"), BUNIT="adu"))
    assert read(run, files) == []
    assert run.ccds().image_hdu.tolist() == [2]


@pytest.mark.parametrize("key", ["EXTNAME", "EXTTYPE", "DES_EXT"])
@pytest.mark.parametrize("words", [("IMAGE", "MASK", "VARIANCE"), ("SCI", "DQ", "UNCERT"), ("MASK", "IMAGE", "IVAR")])
def test_planes_whose_ccd_the_primary_header_names(run, files, key, words):
    hdus = []
    for word in words:
        data = {"image": make.pixels("CCD3"), "mask": flags()}.get(
            "image" if word in ("IMAGE", "SCI") else "mask" if word in ("MASK", "DQ") else "", np.ones(make.SHAPE)
        )
        hdus.append(fits.ImageHDU(data))
        hdus[-1].header[key] = word
    make.write(files / "calexp.fits", make.primary(101, EXTNAME="CCD3", CCDNUM=3), *hdus)
    assert read(run, files) == []
    image = 1 + [word in ("IMAGE", "SCI") for word in words].index(True)
    mask = 1 + [word in ("MASK", "DQ") for word in words].index(True)
    assert run.ccds()[["ccdname", "image_hdu", "mask_hdu"]].to_numpy().tolist() == [["CCD3", image, mask]]
    assert full_ccd(run, 10103).mean() == pytest.approx(130, abs=0.5)


def test_the_lists_of_bits_that_the_lsst_pipelines_write_tell_a_mask(run, files):
    mask = fits.ImageHDU(flags().astype(np.int32))
    mask.header["MP_SAT"] = 1
    make.write(files / "a.fits", make.primary(101, CCDNUM=3), fits.ImageHDU(make.pixels("CCD3")), mask)
    assert read(run, files) == []
    assert run.ccds()[["image_hdu", "mask_hdu"]].to_numpy().tolist() == [[1, 2]]


# ---- what is no exposure


@pytest.mark.parametrize(
    "cards",
    [
        *({"OBSTYPE": kind} for kind in ("flat dome", "dark frame", "dflat", "Sky Flat", "ZERO", "twilight flat")),
        *({"IMAGETYP": kind} for kind in ("bias", "Dark Frame", "flat")),
        {"OBSTYPE": "object", "IMAGETYP": "zero"},
        {"PROCTYPE": "MasterCal"},
    ],
)
def test_calibrations_are_no_exposures(run, files, cards):
    make.exposure(files / "a.fits", 101, **cards)
    assert [problem for *_, problem in read(run, files)] == ["calibration"]


@pytest.mark.parametrize("kind", ["object", "remap", "std", "sky", "standard", "science", "LIGHT"])
def test_the_sky_is_an_exposure(run, files, kind):
    make.exposure(files / "a.fits", 101, OBSTYPE=kind, NCOMBINE=1)
    assert read(run, files) == []


@pytest.mark.parametrize("cards", [{"PROCTYPE": "Stacked"}, {"NCOMBINE": 5}, {"PRODTYPE": "coadd"}])
def test_stacks_are_no_exposures(run, files, cards):
    make.exposure(files / "a.fits", 101, **cards)
    assert [problem for *_, problem in read(run, files)] == ["stack"]


def test_archive_names_of_stacks_and_calibrations(run, files):
    for number, kind in enumerate(("osi", "fri", "zri", "dri", "fci")):
        make.exposure(files / f"k4m_160311_10325{number}_{kind}_zd_v1.fits", 101 + number)
    make.exposure(files / "k4m_160311_103259_opi_zd_v1.fits", 110)
    problems = [(name[18:21], problem) for name, _, _, problem in read(run, files)]
    assert dict(problems) == {
        "osi": "stack",
        **dict.fromkeys(("fri", "zri", "dri", "fci"), "calibration"),
    }
    assert list(ccds(run)) == [110]
