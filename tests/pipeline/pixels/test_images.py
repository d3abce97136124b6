"""Pixels: binning, sky, stretches, display, mosaic, masks, reading by name."""

import math
import warnings

import numpy as np
import pytest

from tests import fits_makers as make
from triptych.pipeline.camera import BOK, DECAM, MOSAIC3
from triptych.pipeline.errors import UnknownName
from triptych.pipeline.pixels import full_resolution, images
from triptych.pipeline.pixels.images import STRETCHES, block_mean, display, mosaic, preview_bin, sky


def test_block_mean_of_recorded_pixels():
    pixels = np.arange(20, dtype=np.float32).reshape(4, 5)
    pixels[0, 0] = np.nan
    pixels[2:, 2:4] = np.nan
    pixels[1, 4] = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        binned = block_mean(pixels, 2)
    assert binned.dtype == np.float32
    assert binned == pytest.approx(np.array([[4, 5, 4], [13, np.nan, 16.5]]), nan_ok=True)
    assert block_mean(pixels, 1)[0, 1] == 1
    assert np.isnan(block_mean(pixels, 1)[1, 4])


def test_block_mean_agrees_with_numpy_at_full_size():
    pixels = np.random.default_rng(0).normal(3000, 60, (4094, 2046)).astype(np.float32)
    padded = np.pad(pixels.astype(np.float64), ((0, 2), (0, 2)), constant_values=np.nan)
    expected = np.nanmean(padded.reshape(256, 16, 128, 16), axis=(1, 3))
    assert preview_bin(pixels.shape) == 16
    assert block_mean(pixels, 16) == pytest.approx(expected, rel=1e-6)


def test_preview_bins():
    assert [preview_bin(shape) for shape in ((256, 10), (257, 10), (10, 600), (41, 51))] == [1, 2, 3, 1]


def test_sky_is_robust():
    rng = np.random.default_rng(1)
    pixels = rng.normal(370, 12, (512, 256)).astype(np.float32)
    pixels[rng.random(pixels.shape) < 0.05] += 5000  # stars
    pixels[:, 128:] = np.nan
    assert sky(pixels) == pytest.approx((370, 12), rel=0.02)
    pixels[:, 128:] = 0  # not recorded, in other words
    assert sky(pixels) == pytest.approx((370, 12), rel=0.02)
    assert all(math.isnan(value) for value in sky(np.full((9, 9), np.nan)))
    assert sky(np.zeros((9, 9))) == (0, 0)


@pytest.mark.parametrize("name", STRETCHES)
def test_stretches_rise_within_bounds(name):
    values = np.linspace(-1000, 60000, 100)[None, :]
    shown = STRETCHES[name](values, 300.0, 10.0, 90.0, "z")
    assert shown.min() == 0
    assert shown.max() == 1
    assert (np.diff(shown) >= 0).all()
    assert np.isnan(STRETCHES[name](np.array([[np.nan, 1.0, 2.0]]))[0, 0])
    noise = np.random.default_rng(0).normal(50, 3, (64, 64))
    assert 0.1 < np.median(STRETCHES[name](noise)) < 0.6


def test_the_sky_stretch_has_the_range_of_its_band():
    pixels = np.array([[1000.0 - 30, 1000, 1000 + 30, 1000 + 60]])
    assert STRETCHES["sky"](pixels, 1000, 5, 100.0, "z")[0] == pytest.approx([0, 0.5, 1, 1])
    assert STRETCHES["sky"](pixels, 1000, 5, 200.0, "z")[0] == pytest.approx([0.25, 0.5, 0.75, 1])
    assert images.sky_range(100.0, "g") == 5
    assert images.sky_range(math.nan, "g") == 0


def test_display_puts_north_up_and_east_left():
    # DECam: right ascension rises along array y, declination falls along array x
    y, x = np.mgrid[0:6, 0:4].astype(float)
    east, north = y, -x
    assert (np.diff(display(east, DECAM), axis=1) < 0).all()
    assert (np.diff(display(north, DECAM), axis=0) < 0).all()
    # Mosaic-3: both rise; 90Prime: both fall
    assert (np.diff(display(y, MOSAIC3), axis=1) < 0).all()
    assert (np.diff(display(x, MOSAIC3), axis=0) < 0).all()
    assert (np.diff(display(-y, BOK), axis=1) < 0).all()
    assert (np.diff(display(-x, BOK), axis=0) < 0).all()
    assert np.array_equal(display(y), y.T[:, ::-1])


def test_mosaic_puts_each_ccd_into_its_slot():
    ccdnums = np.array([ccd.number for ccd in DECAM.ccds if ccd.name != "N30"])
    preview = np.ones((61, 256, 128), np.float32) * ccdnums[:, None, None]
    whole = mosaic(preview, ccdnums, DECAM)
    assert whole.shape == (math.ceil(26787 / (4094 / 256)), math.ceil(29590 / (4094 / 256)))
    for ccdnum in ccdnums:
        slot = DECAM.by_number[ccdnum]
        middle = whole[int((slot.y0 + slot.height / 2) / 16), int((slot.x0 + slot.width / 2) / 16)]
        assert middle == ccdnum
    dead = DECAM.slot("N30")
    assert np.isnan(whole[int((dead.y0 + 1000) / 16), int((dead.x0 + 2000) / 16)])
    assert np.unique(whole[np.isfinite(whole)]).tolist() == ccdnums.tolist()


def test_mosaic_at_another_scale_and_with_padded_ccds():
    preview = np.full((2, 40, 40), np.nan, np.float32)
    preview[0] = 1
    preview[1, :10, :10] = 2  # a smaller CCD, padded to the size of the other
    whole = mosaic(preview, [1, 4], MOSAIC3, scale=200)
    assert whole.shape == (math.ceil(MOSAIC3.canvas[1] / 200), math.ceil(MOSAIC3.canvas[0] / 200))
    assert (whole == 2).sum() == pytest.approx((whole == 1).sum(), rel=0.1)


def test_mosaic_is_in_order_from_east_to_west():
    # a gradient along right ascension over the whole field runs on from CCD to CCD
    ccds = [ccd for ccd in DECAM.ccds if ccd.row == 6]
    preview = np.stack([np.linspace(0, 1, 64)[:, None] * np.ones(32) - ccd.x0 / 4249 for ccd in ccds])
    row = mosaic(preview, [ccd.number for ccd in ccds], DECAM, 64)[180]
    assert (np.diff(row[np.isfinite(row)]) <= 0).all()


def test_read_ccd_by_name_and_number(tmp_path):
    path = make.exposure(tmp_path / "a.fits", packed=True)
    assert np.array_equal(full_resolution.read_ccd(path, "ccd3"), full_resolution.read_ccd(path, 3))
    assert full_resolution.read_ccd(path, "CCD3").dtype == np.float32
    with pytest.raises(UnknownName, match="CCD1, CCD2, CCD3, CCD4"):
        full_resolution.read_ccd(path, "CCD5")


def test_blank_values_of_integer_images_are_nan(tmp_path):
    data = np.arange(400, dtype=np.int16).reshape(20, 20)
    data[3] = -32768
    path = make.write(tmp_path / "a.fits", make.primary(), make.image("CCD1", data, BLANK=-32768))
    pixels = full_resolution.read_ccd(path, "CCD1")
    assert np.isnan(pixels[3]).all()
    assert np.isfinite(pixels).sum() == 380


def test_unsigned_and_masked_float_images_when_compressed(tmp_path):
    raw = np.random.default_rng(0).integers(0, 65535, (40, 30)).astype(np.uint16)
    flux = make.pixels("CCD2", shape=(40, 30))
    flux[5:9] = np.nan
    parts = [make.image("CCD1", raw, packed=True), make.image("CCD2", flux, packed=True)]
    path = make.write(tmp_path / "a.fits", make.primary(), *parts)
    assert np.array_equal(full_resolution.read_ccd(path, "CCD1"), raw.astype(np.float32))
    assert np.array_equal(np.isnan(full_resolution.read_ccd(path, "CCD2")), np.isnan(flux))


def test_header_facts(tmp_path):
    facts = full_resolution.read_header_facts(make.exposure(tmp_path / "a.fits"))
    assert (facts["expnum"], facts["camera"], facts["band"], facts["object"]) == (101, "mosaic3", "z", "MzLS_1_z")
    assert facts["dec"] == pytest.approx(35.108)
