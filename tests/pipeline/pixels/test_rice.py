"""The compiled decoder of compressed CCDs gives the same pixels as fitsio. It gives nothing for unknown forms."""

from functools import partial
from pathlib import Path

import fitsio
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from tests import fits_makers as make
from triptych.pipeline.camera import DECAM
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.ingest.exposure_pixels import measure, measure_tiles
from triptych.pipeline.ingest.ingest import ingest
from triptych.pipeline.pixels import compressed_tiles, rice
from triptych.pipeline.pixels.fits import PixelReader, as_float, blank_value, read_pixels, scan
from triptych.pipeline.pixels.full_resolution import full_ccd
from triptych.pipeline.shapes.detection import QUAD, quads
from triptych.pipeline.shapes.frame import frame_of
from triptych.pipeline.simulation.simulate import simulate

SHAPE = (93, 421)


def night_sky(shape=SHAPE, seed=0) -> np.ndarray:
    """Sky, stars and gaps of all kinds: (ny, nx) float32."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(1200, 9, shape).astype(np.float32)
    pixels[rng.integers(0, shape[0], 40), rng.integers(0, shape[1], 40)] += 30_000
    pixels[5, 7] = pixels[6, -1] = pixels[7, 0] = np.nan
    pixels[16:32] = np.nan  # a whole row of blocks
    pixels[40, 100:] = np.nan
    pixels[50, :200] = 0
    pixels[60] = 7  # a row without noise
    return pixels


def integers(shape=SHAPE) -> np.ndarray:
    """Small and very large steps between neighbours: (ny, nx) int32."""
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 5000, shape, dtype=np.int32)
    pixels[3] = rng.integers(-(2**31), 2**31 - 1, shape[1])
    pixels[4] = 0
    pixels[5, ::50] = 2**30
    pixels[6] = np.arange(shape[1]) * 3
    return pixels


def written(path: Path, pixels: np.ndarray, **options) -> Path:
    """A file with one compressed image."""
    with fitsio.FITS(str(path), "rw", clobber=True) as handle:
        handle.write(None)
        handle.write(pixels, **{"compress": "rice", "qlevel": 4, "qmethod": "SUBTRACTIVE_DITHER_1", **options})
    return path


def plain(path: Path, hdu: int = 1) -> np.ndarray:
    """The image as the libraries read it, float32."""
    with PixelReader(path) as reader:
        return as_float(reader.read(hdu), blank_value(reader.header(hdu)))


def assert_same(path: Path, hdu: int = 1) -> None:
    """The decoder gives exactly the same pixels as the libraries, and so the same preview and statistics."""
    expected = plain(path, hdu)
    table = compressed_tiles.tile_tables(path)[hdu]
    assert np.array_equal(rice.window(path, hdu), expected, equal_nan=True)
    frame = frame_of(DECAM, expected.shape)
    found, wanted = measure_tiles(table, frame), measure(expected, frame)
    for rows in (16, 48, 4096):
        strips: list[tuple[np.ndarray, np.ndarray]] = []
        keep = partial(lambda found, *strip: found.append(tuple(part.copy() for part in strip)), strips)
        rice.measure(table, 16, 11, QUAD, rows, keep)
        assert {len(pixels) for pixels, _ in strips[:-1]} <= {rows}
        assert np.array_equal(np.concatenate([pixels for pixels, _ in strips]), expected, equal_nan=True)
        for pixels, squares in strips:
            assert np.array_equal(squares, quads(pixels), equal_nan=True)
    assert found.stars == pytest.approx(wanted.stars, rel=0, nan_ok=True)
    assert np.array_equal(found.preview, wanted.preview, equal_nan=True)
    assert found.preview.dtype == wanted.preview.dtype == np.float32
    for name in ("shape", "bin", "sky_median", "sky_sigma", "n_recorded", "n_filled"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=0, nan_ok=True)


@pytest.mark.parametrize(
    "options",
    [
        {"dither_seed": 77},
        {"dither_seed": 10_000},
        {"qmethod": None},
        {"qlevel": 500},
        {"qlevel": -0.001},
        {"qlevel": 0.2},
        {"tile_dims": [8, SHAPE[1]]},
        {"tile_dims": [90, SHAPE[1]]},
    ],
    ids=str,
)
def test_floats_as_fitsio_reads_them(tmp_path, options):
    path = written(tmp_path / "a.fits.fz", night_sky(), **options)
    assert np.isnan(plain(path)).sum() > 16 * SHAPE[1]
    assert_same(path)


def test_rows_that_were_stored_without_loss(tmp_path):
    pixels = night_sky()
    pixels[70] = np.linspace(0, 1e-3, SHAPE[1])
    pixels[70, 9] = 3e9  # more levels than an integer has
    pixels[70, 11] = np.nan
    path = written(tmp_path / "a.fits.fz", pixels)
    assert len(compressed_tiles.tile_tables(path)[1].fetch().lossless) >= 1
    assert_same(path)


@pytest.mark.parametrize("blank", [None, 77])
def test_integers(tmp_path, blank):
    hdu = fits.CompImageHDU(integers(), compression_type="RICE_1")
    if blank is not None:
        hdu.header["BLANK"] = blank
    make.write(tmp_path / "i.fits.fz", make.primary(), hdu)
    assert np.isnan(plain(tmp_path / "i.fits.fz")).any() == (blank is not None)
    assert_same(tmp_path / "i.fits.fz")


def test_images_larger_than_a_preview(tmp_path):
    assert_same(written(tmp_path / "a.fits.fz", night_sky((1033, 517))))
    blank = written(tmp_path / "b.fits.fz", np.full((64, 64), np.nan, np.float32))
    assert plain(blank).shape == (64, 64)
    assert measure(plain(blank)).n_recorded == 0


def test_windows_are_cut_from_their_tiles_alone(tmp_path):
    path = written(tmp_path / "a.fits.fz", night_sky(), tile_dims=[8, SHAPE[1]])
    expected = plain(path)
    for rows, columns in [
        (slice(0, 1), slice(None)),
        (slice(13, 57), slice(100, 300)),
        (slice(-5, None), slice(-3, None)),
        (slice(88, 500), slice(0, 10_000)),
        (slice(20, 20), slice(None)),
    ]:
        assert np.array_equal(rice.window(path, 1, rows, columns), expected[rows, columns], equal_nan=True)
    whole = path.read_bytes()
    table = compressed_tiles.tile_tables(path)[1]
    last = table.fetch(table.n_tiles - 1)
    path.write_bytes(whole[: table.end - int(last.lengths[0]) - 8])  # the last tile is lost
    assert np.array_equal(rice.window(path, 1, slice(0, 8), table=table), expected[:8], equal_nan=True)
    assert rice.window(path, 1, slice(90, 91), table=table) is None
    assert compressed_tiles.tile_tables(path) == {}


UNUSUAL = {
    "gzip": {"compress": "gzip"},
    "gzip2": {"compress": "gzip_2"},
    "hcompress": {"compress": "hcompress", "tile_dims": [31, 100]},
    "dither 2": {"qmethod": "SUBTRACTIVE_DITHER_2"},
    "square tiles": {"tile_dims": [16, 100]},
    "not compressed": {"compress": None},
}


@pytest.mark.parametrize("name", sorted(UNUSUAL))
def test_unusual_packing_is_left_to_the_libraries(tmp_path, name):
    path = written(tmp_path / "a.fits.fz", night_sky(), **UNUSUAL[name])
    assert plain(path).shape == SHAPE
    assert compressed_tiles.tile_tables(path) == {}
    assert rice.window(path, 1) is None


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "u4", "f8"])
def test_other_types_of_pixels_are_left_to_the_libraries(tmp_path, dtype):
    path = written(tmp_path / "a.fits.fz", np.abs(integers() % 200).astype(dtype))
    assert compressed_tiles.tile_tables(path) == {}


def test_what_is_no_fits_file_has_no_tiles(tmp_path):
    (tmp_path / "a.fits.fz").write_bytes(b"SIMPLE  =  perhaps" * 1000)
    assert compressed_tiles.tile_tables(tmp_path / "a.fits.fz") == {}
    assert compressed_tiles.tile_tables(tmp_path / "nowhere.fits.fz") == {}


def read_by_the_library(path: Path) -> np.ndarray | None:
    """The image as fitsio reads it, None if it refuses."""
    try:
        return fitsio.read(str(path), ext=1)
    except OSError:
        return None


def test_damaged_tiles_give_what_the_libraries_give_or_nothing(tmp_path):
    path = written(tmp_path / "a.fits.fz", night_sky(), dither_seed=1)
    table, whole = compressed_tiles.tile_tables(path)[1], path.read_bytes()
    rng, n_refused = np.random.default_rng(5), 0
    for _ in range(60):
        damaged = bytearray(whole)
        for at in rng.integers(table.heap, table.end, 2):
            damaged[at] = rng.integers(256)
        path.write_bytes(damaged)
        expected, found = read_by_the_library(path), rice.window(path, 1)
        n_refused += found is None
        assert found is None or np.array_equal(found, expected, equal_nan=True)
    assert 5 < n_refused < 55


@pytest.mark.parametrize("code", range(27, 31))
def test_a_block_code_that_rice_does_not_have_is_left_to_the_libraries(tmp_path, code):
    # cfitsio shifts its 32-bit buffer past its end there and reports nothing: its pixels cannot be had another way
    pixels = np.random.default_rng(2).integers(-(2**31), 2**31 - 1, (8, 32), dtype=np.int32)  # a raw block in each row
    path = written(tmp_path / "a.fits.fz", pixels, qlevel=0, qmethod=None)
    assert np.array_equal(rice.window(path, 1), pixels.astype(np.float32))
    damaged, start = bytearray(path.read_bytes()), compressed_tiles.tile_tables(path)[1].heap
    damaged[start + 4] = (
        code << 3 | damaged[start + 4] & 7
    )  # after the first pixel come the five bits of the first block
    path.write_bytes(damaged)
    assert read_by_the_library(path) is not None
    assert rice.window(path, 1) is None


# ---- an ingest


def both_ways(folder: Path, sources: Path, monkeypatch, camera: str) -> tuple[Catalog, Catalog]:
    """The same files ingested by the compiled decoder and by the libraries."""
    runs = []
    for name, price in (("fast", -1), ("plain", 10**12)):
        monkeypatch.setattr(compressed_tiles, "WORTH_LOADING", price)
        monkeypatch.setattr(compressed_tiles, "WORTH_COMPILING", price)
        runs.append(Catalog.create(folder / name, camera=camera))
        ingest(runs[-1], sources)
    return tuple(runs)


def assert_same_run(fast: Catalog, libraries: Catalog) -> None:
    for table in ("exposures", "ccds", "quarantine", "star_shapes", "exposure_shapes"):
        pd.testing.assert_frame_equal(getattr(fast, table)(), getattr(libraries, table)(), check_exact=True)
    for expnum in fast.exposures().expnum:
        (numbers, pixels), (others, expected) = fast.preview(expnum), libraries.preview(expnum)
        assert np.array_equal(numbers, others)
        assert np.array_equal(pixels, expected, equal_nan=True)


def test_simulated_exposures_give_the_same_run(tmp_path, monkeypatch):
    simulate(tmp_path / "files", exposures=1, seed=4, binning=16)
    path = next((tmp_path / "files").glob("*_ooi_*"))
    assert len(compressed_tiles.tile_tables(path)) == len(scan(path)[1]) > 55
    fast, libraries = both_ways(tmp_path, tmp_path / "files", monkeypatch, "decam")
    assert len(fast.ccds()) > 55
    assert_same_run(fast, libraries)


def test_files_of_all_kinds_give_the_same_run(tmp_path, monkeypatch):
    files = tmp_path / "files"
    make.exposure(files / "plain.fits", 101)
    make.exposure(files / "packed.fits.fz", 102, packed=True)
    damaged = make.exposure(files / "damaged.fits.fz", 103, packed=True)
    table = compressed_tiles.tile_tables(damaged)[2]
    content = bytearray(damaged.read_bytes())
    content[table.heap : table.end] = bytes(255 for _ in range(table.end - table.heap))
    damaged.write_bytes(content)
    blank = make.image("CCD2", np.full(make.SHAPE, np.nan, np.float32), packed=True)
    mixed = make.image("CCD1", integers(make.SHAPE), packed=True, BLANK=77)
    make.write(files / "mixed.fits", make.primary(104), mixed, blank, make.image("CCD3", make.pixels("CCD3")))
    fast, libraries = both_ways(tmp_path, files, monkeypatch, "mosaic3")
    assert set(fast.quarantine().problem) == {"corrupt_pixels", "all_nan"}
    assert len(fast.ccds()) == 4 + 4 + 3 + 2
    assert_same_run(fast, libraries)
    assert compressed_tiles.is_compiled() or not (Path(compressed_tiles.__file__).parent / "__pycache__").is_dir()
    assert np.array_equal(full_ccd(fast, 10203), read_pixels(files / "packed.fits.fz", 3))


# ---- real files


def test_every_rice_image_of_the_real_files(real_data):
    n_images = n_lossless = 0
    for path in sorted([*real_data.glob("fits/*.fits*"), *real_data.glob("fits/cp_cutouts/*.fits*")]):
        for hdu, table in compressed_tiles.tile_tables(path).items():
            assert_same(path, hdu)
            n_images += 1
            n_lossless += len(table.fetch().lossless)
    assert n_images >= 8
    assert n_lossless >= 60
