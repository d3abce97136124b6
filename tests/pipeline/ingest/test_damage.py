"""Damaged files: each costs the file or the CCD that is damaged, says so, and names the exposure where it can."""

import bz2
import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from tests import fits_makers as make
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.ingest import exposure_pixels, sources
from triptych.pipeline.ingest.exposure_files import plan_exposure
from triptych.pipeline.ingest.ingest import ingest
from triptych.pipeline.pixels import compressed_tiles, hdus
from triptych.pipeline.pixels.full_resolution import full_ccd

BLOCK = 2880


@pytest.fixture
def run(tmp_path) -> Catalog:
    return Catalog.create(tmp_path / "run", camera="mosaic3")


@pytest.fixture
def files(tmp_path) -> Path:
    make.exposure(tmp_path / "files" / "good.fits", 102)
    return tmp_path / "files"


def read(run: Catalog, files: Path) -> list[tuple[int, str, str]]:
    """Ingest, with the sound file beside. (expnum, ccdname, problem) of everything in quarantine."""
    ingest(run, files, workers=1)
    assert (run.exposures().n_ccds[run.exposures().expnum == 102] == 4).all()
    assert 102 in set(run.exposures().expnum)
    assert not run.quarantine().detail.str.contains("\n").any()
    return [(row.expnum, row.ccdname, row.problem) for row in run.quarantine().itertuples()]


def names(run: Catalog, expnum: int = 101) -> list[str]:
    return run.ccds().ccdname[run.ccds().expnum == expnum].tolist()


def starts(content: bytes) -> list[int]:
    """First byte of every extension."""
    return [at for at in range(0, len(content), BLOCK) if content[at:].startswith(b"XTENSION=")]


def change(path: Path, at: int, new: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[at : at + len(new)] = new
    path.write_bytes(content)


def test_a_damaged_stream_of_gzip(run, files):
    whole = gzip.compress(make.exposure(files / "x.fits", 101).read_bytes())
    (files / "x.fits").unlink()
    for name, at in (("early.fits.gz", 40), ("late.fits.gz", len(whole) - 3000)):
        (files / name).write_bytes(whole[:at] + bytes(200) + whole[at + 200 :])
    found = read(run, files)
    assert [problem for _, _, problem in found] == ["damaged", "damaged"]
    assert found[1][0] == 101  # its headers were still sound
    assert run.quarantine().detail.str.contains("fetch the file again").all()


def test_bytes_behind_a_gzipped_file_are_told_and_cost_nothing(run, files):
    whole = make.exposure(files / "x.fits", 101).read_bytes()
    (files / "x.fits").unlink()
    (files / "x.fits.gz").write_bytes(gzip.compress(whole) + b"garbage")
    assert read(run, files) == [(101, "", "extra_bytes")]
    assert names(run) == list(make.CCDS)
    assert full_ccd(run, 10103).mean() == pytest.approx(130, abs=0.5)


def test_bzip2_is_read_like_gzip(run, files, monkeypatch):
    whole = make.exposure(files / "x.fits", 101).read_bytes()
    (files / "x.fits").unlink()
    (files / "x.fits.bz2").write_bytes(bz2.compress(whole))
    (files / "cut.fits.bz2").write_bytes(bz2.compress(whole)[:-40])
    (files / "bad.fits.bz2").write_bytes(b"BZh9" + bytes(4000))
    assert sorted(problem for _, _, problem in read(run, files)) == ["damaged", "truncated"]
    assert full_ccd(run, 10103).mean() == pytest.approx(130, abs=0.5)

    def refuse(path):
        raise OSError("this build cannot unpack bzip2")

    monkeypatch.setattr("triptych.pipeline.pixels.fits.fitsio.FITS", refuse)
    assert full_ccd(run, 10103).mean() == pytest.approx(130, abs=0.5)


def test_a_bzip2_file_that_would_fill_the_memory(run, files, monkeypatch):
    whole = make.exposure(files / "x.fits", 101).read_bytes()
    (files / "x.fits").unlink()
    (files / "x.fits.bz2").write_bytes(bz2.compress(whole))
    monkeypatch.setattr("triptych.pipeline.pixels.hdus.memory_bytes", lambda: len(whole))
    assert read(run, files) == [(101, "", "too_large")]


@pytest.mark.parametrize("packed", [False, True])
def test_one_wrong_byte_where_an_extension_begins(run, files, packed):
    path = make.exposure(files / "x.fits", 101)
    change(path, starts(path.read_bytes())[1] + 7, b"M")
    if packed:
        path.with_suffix(".fits.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert read(run, files) == [(101, "", "damaged")]
    assert "HDU 2 begins with b'XTENSIOM='" in run.quarantine().detail[0]
    assert names(run) == ["CCD1", "CCD3", "CCD4"]
    assert run.ccds().sky_median_adu[:3].to_numpy() == pytest.approx([110, 130, 140], abs=0.5)
    assert full_ccd(run, 10104).mean() == pytest.approx(140, abs=0.5)


def test_one_header_without_the_size_of_its_image(run, files):
    path = make.exposure(files / "x.fits", 101)
    at = starts(path.read_bytes())[1]
    change(path, path.read_bytes().index(b"NAXIS2  =", at), b"NAXIZ2  =")
    assert read(run, files) == [(101, "", "damaged")]
    assert "HDU 2: Keyword 'NAXIS2' not found" in run.quarantine().detail[0]
    assert names(run) == ["CCD1", "CCD3", "CCD4"]
    assert full_ccd(run, 10103).mean() == pytest.approx(130, abs=0.5)


@pytest.mark.parametrize("packed", [False, True])
def test_a_number_of_axes_at_which_a_library_never_ends(run, files, packed):
    path = make.exposure(files / "x.fits", 101, packed=packed)
    key = b"ZNAXIS  =" if packed else b"NAXIS   ="
    at = path.read_bytes().index(key, starts(path.read_bytes())[3])
    change(path, at, (key + b"99999999".rjust(21)).ljust(80))
    assert read(run, files) == [(101, "", "damaged")]
    assert names(run) == ["CCD1", "CCD2", "CCD3"]
    assert full_ccd(run, 10102).mean() == pytest.approx(120, abs=0.5)


def test_tiles_of_no_length_do_not_end_the_process(run, files):
    path = make.exposure(files / "x.fits", 101, packed=True)
    at = path.read_bytes().index(b"ZTILE1  =", starts(path.read_bytes())[3])
    change(path, at, (b"ZTILE1  =" + b"0".rjust(21)).ljust(80))
    assert not compressed_tiles.is_whole(path)
    assert read(run, files) == [(101, "", "damaged")]
    assert names(run) == ["CCD1", "CCD2", "CCD3"]
    assert full_ccd(run, 10102).mean() == pytest.approx(120, abs=0.5)


@pytest.mark.parametrize("key", [b"PCOUNT  =", b"NAXIS2  ="])
def test_data_of_less_than_no_bytes_lead_nowhere(run, files, key):
    path = make.exposure(files / "x.fits", 101, packed=True)
    at = path.read_bytes().index(key, starts(path.read_bytes())[3])
    change(path, at, (key + b"-3000".rjust(21)).ljust(80))
    assert not compressed_tiles.is_whole(path)
    assert set(compressed_tiles.tile_tables(path)) == {1, 2, 3}
    assert read(run, files) == [(101, "", "damaged")]
    assert names(run) == ["CCD1", "CCD2", "CCD3"]
    assert full_ccd(run, 10102).mean() == pytest.approx(120, abs=0.5)


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize(("hdu", "left"), [(0, []), (2, ["CCD1", "CCD3", "CCD4"]), (4, ["CCD1", "CCD2", "CCD3"])])
def test_a_header_without_end(run, files, monkeypatch, hdu, left, small):
    path = make.exposure(files / "x.fits", 101)
    at = [0, *starts(path.read_bytes())][hdu]
    change(path, path.read_bytes().index(b"END" + b" " * 77, at), b" " * 3)
    if small:  # the next header is farther away than any header is long
        monkeypatch.setattr(hdus, "HEADER_BYTES", 2 * BLOCK)
    assert read(run, files) == [(101, "", "damaged")]
    assert f"the header of HDU {hdu} has no " in run.quarantine().detail[0]
    assert names(run) == left


def test_a_transfer_that_broke_off_in_a_file_of_full_length(run, files):
    path = make.exposure(files / "x.fits", 101, NEXTEND=4)
    content = path.read_bytes()
    broken = starts(content)[2] - 2 * BLOCK
    change(path, broken, bytes(len(content) - broken))
    assert read(run, files) == [(101, "", "truncated"), (101, "CCD2", "damaged")]
    assert "NEXTEND in HDU 0 is 4, but the file has 2 extensions" in run.quarantine().detail[0]
    assert names(run) == ["CCD1"]


def test_a_file_that_ends_before_the_last_extension(run, files):
    path = make.exposure(files / "x.fits", 101, NEXTEND=4)
    path.write_bytes(path.read_bytes()[: starts(path.read_bytes())[3]])
    assert read(run, files) == [(101, "", "truncated")]
    assert names(run) == ["CCD1", "CCD2", "CCD3"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_truncated_file_names_its_exposure(run, files, pack):
    whole = pack(make.exposure(files / "x.fits", 101).read_bytes())
    (files / "x.fits").write_bytes(whole[:-4000])
    assert read(run, files) == [(101, "", "truncated")]


def test_a_cut_out_with_the_card_of_the_whole_file_is_sound(run, files):
    make.exposure(files / "x.fits", 101, ccds=("CCD3",), NEXTEND=4)
    assert read(run, files) == []


@pytest.mark.parametrize("kind", ["plain", "packed", "gzipped", "only DATASUM"])
def test_data_that_have_not_the_sum_in_their_header(run, files, kind):
    hdus = [make.image(name, make.pixels(name, 101), packed=kind == "packed") for name in make.CCDS]
    path = files / "x.fits"
    sums = "datasum" if kind == "only DATASUM" else True
    fits.HDUList([make.primary(101), *hdus]).writeto(path, checksum=sums)
    sound = path.read_bytes()
    with fits.open(path, disable_image_compression=True) as found:
        change(path, found[2].fileinfo()["datLoc"] + 400, b"noise on the disk")
    if kind == "gzipped":
        path.with_suffix(".fits.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert read(run, files) == [(101, "CCD2", "damaged")]
    assert run.quarantine().detail[0].startswith("HDU 2: DATASUM is ")
    assert names(run) == ["CCD1", "CCD3", "CCD4"]
    path.with_suffix(".fits.gz").unlink(missing_ok=True)
    path.write_bytes(sound)
    assert read(run, files) == []


def test_sums_that_a_program_left_as_they_were_say_nothing(run, files):
    path = files / "x.fits"
    fits.HDUList([make.primary(101), make.image("CCD1", make.pixels("CCD1"))]).writeto(path, checksum=True)
    with fits.open(path, mode="update") as hdus:  # cut out, as archives do it
        hdus[1].data = hdus[1].data[:40].copy()
        hdus[1].header["LTV1"] = 0
    path.write_bytes(path.read_bytes())
    assert read(run, files) == []
    assert names(run) == ["CCD1"]


def test_values_that_are_not_written_as_the_standard_asks(run, files):
    path = make.exposure(files / "x.fits", 101, TELESCOP="KPNO 4.0 meter telescope")
    content = path.read_bytes()
    card = content[content.index(b"INSTRUME=") :][:80]
    path.write_bytes(content.replace(card, b"INSTRUME= Mosaic3 / no quotes".ljust(80)))
    assert read(run, files) == []
    assert run.exposures().camera.tolist() == ["mosaic3", "mosaic3"]


class Odd(Exception):
    """What no reader expects."""


def fail(monkeypatch, module, name: str, when) -> None:
    """Make a function of a module raise for some arguments."""
    whole = getattr(module, name)

    def failing(*arguments, **options):
        if when(*arguments):
            raise Odd("a library met\nsomething odd")
        return whole(*arguments, **options)

    monkeypatch.setattr(module, name, failing)


def test_whatever_the_headers_raise_costs_that_file(run, files, monkeypatch):
    make.exposure(files / "x.fits", 101)
    fail(monkeypatch, sources.headers, "exposure_facts", lambda found, camera: found[0]["EXPNUM"] == 101)
    assert read(run, files) == [(101, "", "damaged")]
    assert run.quarantine().detail[0] == "Odd: a library met"


def test_whatever_the_pixels_raise_costs_that_ccd(run, files, monkeypatch):
    make.exposure(files / "x.fits", 101)
    first = make.pixels("CCD2", 101)[0, 0]
    fail(monkeypatch, exposure_pixels, "measure", lambda pixels, frame: pixels[0, 0] == first)
    assert read(run, files) == [(101, "CCD2", "corrupt_pixels")]
    assert run.quarantine().detail[0] == "HDU 2: Odd: a library met"
    assert names(run) == ["CCD1", "CCD3", "CCD4"]


def test_whatever_is_raised_before_the_first_ccd_costs_that_file(run, files, monkeypatch):
    make.exposure(files / "x.fits", 101, ccds=("CCD1",))
    fail(monkeypatch, exposure_pixels, "frame_of", lambda camera, shape, cd, saturation: saturation == 7)
    make.write(files / "x.fits", make.primary(101), make.image("CCD1", make.pixels("CCD1"), SATURATE=7.0))
    assert read(run, files) == [(101, "", "corrupt_pixels")]


def test_control_c_ends_an_ingest(run, files, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sources, "look", stop)
    with pytest.raises(KeyboardInterrupt):
        ingest(run, files, workers=1)


def test_pixels_of_a_file_that_goes_while_it_is_read(run, files):
    path = make.exposure(files / "x.fits", 101)
    ingest(run, files / "good.fits", workers=1)
    record = sources.read_record(str(path), "mosaic3")
    path.unlink()
    found = exposure_pixels.read_exposure(run, plan_exposure(101, [record], "mosaic3"))
    assert {problem for _, _, problem, _ in found.problems} == {"unreadable"}
    assert np.array_equal(run.exposures().expnum, [102])


def test_a_picture_with_nothing_on_it(run, files):
    Image.fromarray(np.full((90, 120), 20, np.uint8)).save(files / "D00000777.png")
    (files / "D00000777_tiles.csv").write_text("ccdnum,x0,y0,x1,y1\n1,60,50,100,80\n2,60,5,100,35\n")
    assert read(run, files) == [(777, "", "all_nan")]
    assert run.quarantine().detail[0] == "no tile of the picture has a recorded pixel"
