"""Packets and ready-made pictures, from small arrays of real cameras."""

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from triptych.app.pictures import packets, thumbnails
from triptych.app.pictures.sky_measured import (
    STRETCH_LIMITS,
    Plane,
    block_levels,
    block_size,
    half_range,
    stamp_sky,
)
from triptych.pipeline.camera import CAMERAS, DECAM
from triptych.pipeline.errors import UnknownName
from triptych.pipeline.pixels import images

STATIC = Path(__file__).parents[3] / "static"


def exposure(**more):
    row = {"expnum": 243671, "band": "g", "exptime": 90.0, "mjd_obs": 56577.2, "source": "x.fits.fz", "camera": "decam"}
    return pd.Series({**row, **more})


def plane(ccdnums=(3, 31, 62), ny=64, nx=32, camera=DECAM, bin=64, **more):
    """Flat noise at 1000 ADU, sigma 10; the half of CCD 31 beyond column 16 recorded nothing."""
    rng = np.random.default_rng(1)
    pixels = rng.normal(1000, 10, (len(ccdnums), ny, nx)).astype(np.float32)
    for i, number in enumerate(ccdnums):
        if number == 31:
            pixels[i, :, nx // 2 :] = np.nan
    ccds = pd.DataFrame(
        {
            "ccdnum": ccdnums,
            "ccdname": [camera.name_of(number) for number in ccdnums],
            "image_id": [24367100 + number for number in ccdnums],
            "naxis1": nx * bin,
            "naxis2": ny * bin,
            "bin": bin,
            "preview_nx": nx,
            "preview_ny": ny,
        }
    ).set_index("ccdnum", drop=False)
    return Plane.of(np.array(ccdnums), pixels, ccds, exposure(**more), camera)


def test_codes_give_the_pixels_back():
    one = plane()
    one.pixels[0, 5, 7] = 1000 + 2000
    header, sections = packets.read_packet(packets.mosaic_packet(one))
    codes = sections["pixels"].reshape(header["layers"], header["rows"], header["columns"])
    recorded = np.isfinite(one.pixels)
    assert ((codes > 0) == recorded).all()
    values = header["zero"] + header["step"] * codes
    assert np.abs(values - one.pixels)[recorded].max() <= 0.5 * header["step"] + 1e-3
    assert header["step"] == pytest.approx(packets.STEP_SIGMA * header["sigma"])
    assert header["sigma"] == pytest.approx(10, rel=0.1)
    assert header["unit"] == "ADU"


def test_a_pixel_brighter_than_the_last_code_is_clipped_not_wrapped():
    one = plane()
    one.pixels[0, 0, 0] = 1e9
    one.pixels[0, 0, 1] = -1e9
    _, sections = packets.read_packet(packets.mosaic_packet(one))
    assert sections["pixels"][0] == 65535
    assert sections["pixels"][1] == 1


def test_header_says_which_ccds_are_missing_and_why():
    header, _ = packets.read_packet(packets.mosaic_packet(plane(mjd_obs=57000.0)))
    assert header["missing"]["N30"] == "dead"
    assert header["missing"]["S30"] == "absent"
    assert header["missing"]["S29"] == ""
    assert "S31" not in header["missing"]
    assert "S7" not in header["missing"], "half a CCD is there"
    assert [ccd["ccdname"] for ccd in header["ccds"]] == ["S31", "S7", "N31"]


def test_a_blank_exposure_still_makes_pictures():
    one = plane(ccdnums=(31,))
    blank = Plane.of(one.ccdnums, np.full_like(one.pixels, np.nan), one.ccds, one.exposure, one.camera)
    header, sections = packets.read_packet(packets.mosaic_packet(blank))
    assert not sections["pixels"].any()
    assert header["missing"]["S7"] == "half"
    for stretch in images.STRETCHES:
        shown = np.asarray(Image.open(io.BytesIO(thumbnails.thumbnail(blank, 0, stretch))).convert("RGB"), int)
        assert np.abs(shown - thumbnails.BLANK).max() < 4


def test_zeros_of_a_dead_amplifier_are_blank_and_zeros_of_a_subtracted_sky_are_not():
    one = plane(ccdnums=(3,))
    dead, subtracted = one.pixels.copy(), one.pixels - 1000
    dead[:, :, :16] = 0
    subtracted[:, 0, 0] = 0
    for pixels, blank in ((dead, 16 * 64), (subtracted, 0)):
        again = Plane.of(one.ccdnums, pixels, one.ccds, one.exposure, one.camera)
        assert np.isnan(again.pixels).sum() == blank


def test_same_input_same_bytes():
    first, second = (packets.compressed(packets.mosaic_packet(plane())) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("stretch", STRETCH_LIMITS)
def test_browser_limits_are_those_of_the_pipeline(stretch):
    limits = STRETCH_LIMITS[stretch]
    sigmas = np.linspace(-6, 300, 400)
    soft = limits["softening"]
    bend = (lambda s: np.arcsinh(np.asarray(s) / soft)) if soft else np.asarray
    span = bend(limits["high"]) - bend(limits["low"])
    expected = np.clip((bend(sigmas) - bend(limits["low"])) / span, 0, 1)
    assert np.allclose(expected, images.STRETCHES[stretch](1000 + 10 * sigmas, 1000.0, 10.0), atol=1e-6)


def test_sky_view_has_the_fixed_range_of_its_band():
    assert half_range(np.zeros(3), exposure(band="z", exptime=90.0)) == pytest.approx(27.0)
    assert half_range(np.zeros(3), exposure(band="g", exptime=200.0)) == pytest.approx(10.0)
    noise = np.random.default_rng(0).normal(0, 2, 4000)
    assert half_range(noise, exposure(band="", exptime=np.nan)) == pytest.approx(10.0, rel=0.1)


@pytest.mark.parametrize(("band", "per_100_s"), [("u", 5), ("g", 5), ("r", 7), ("i", 10), ("z", 30), ("Y", 30)])
def test_sky_view_and_its_colour_bar_have_the_stamps_range(band, per_100_s):
    header, _ = packets.read_packet(packets.mosaic_packet(plane(band=band, exptime=90.0)))
    assert header["stretches"]["sky"]["high"] * header["sigma"] == pytest.approx(0.9 * per_100_s)
    assert header["sky_range"]["reach"] == pytest.approx(0.9 * per_100_s)
    assert header["sky_range"]["per_100_s"] == per_100_s
    assert f"±{per_100_s} per 100 s, 90 s" in header["sky_range"]["words"]


def test_a_band_without_a_fixed_range_takes_its_own():
    header, _ = packets.read_packet(packets.mosaic_packet(plane(band="V", exptime=90.0)))
    assert header["sky_range"]["per_100_s"] is None
    assert "5 σ" in header["sky_range"]["words"]


def test_sky_of_the_sky_view_is_the_median_below_the_95th_percentile():
    values = np.arange(1000, dtype=np.float32)
    rng = np.random.default_rng(2)
    image = rng.permutation(values).reshape(40, 25)
    assert stamp_sky(image) == np.median(values[:950])
    assert stamp_sky(np.where(image < 500, np.nan, image)) == np.median(values[500:975])
    assert np.isnan(stamp_sky(np.full((4, 4), np.nan, np.float32)))
    assert stamp_sky(np.full((4, 4), 7, np.float32)) == 7
    header, _ = packets.read_packet(packets.mosaic_packet(one := plane()))
    assert [ccd["block_sky"] for ccd in header["ccds"]] == pytest.approx(list(one.block_skies))


def test_a_block_needs_one_per_cent_of_its_pixels():
    pixels = np.full((1, 20, 20), np.nan, np.float32)
    pixels[0, 0, :3] = 5
    assert np.isnan(block_levels(pixels, 20)[0, 0, 0])
    pixels[0, 0, :4] = 5
    assert block_levels(pixels, 20)[0, 0, 0] == 5


def test_inverted_the_sky_view_has_matplotlib_s_seismic():
    from matplotlib import colormaps

    text = (STATIC / "mosaic" / "stretch.js").read_text()
    stops = re.findall(r"\[(\d+, \d+, \d+)\]", re.search(r"const DIVERGING_LIGHT = (.*);", text)[1])
    stops = np.array([list(map(int, stop.split(","))) for stop in stops], float)
    at = np.linspace(0, 1, 41)
    ours = np.stack([np.interp(at, np.linspace(0, 1, len(stops)), stops[:, c]) for c in range(3)], axis=1)
    assert np.abs(ours - 255 * colormaps["seismic"](at)[:, :3]).max() < 4


def test_blocks_are_120_detector_pixels_and_keep_stars_out():
    one = plane(ny=256, nx=128, bin=16)
    assert block_size(one.ccds.loc[3], DECAM) == 8
    one.pixels[0, 3, 3] = 1e6
    assert one.blocks.shape == (3, 32, 16)
    assert one.blocks[0, 0, 0] == pytest.approx(1000, abs=6)
    assert np.isnan(one.blocks[1, :, 8:]).all()
    coarse = plane(ny=58, nx=28, bin=1)
    assert block_size(coarse.ccds.loc[3], DECAM) == 2, "a picture of the focal plane: 58 pixels are the whole CCD"


def test_block_medians_of_odd_and_even_counts():
    pixels = np.array([[[1, 2, np.nan, np.nan], [3, 10, np.nan, 5]]], np.float32)
    assert block_levels(pixels, 2)[0].tolist() == [[2.5, 5.0]]


def test_thumbnail_is_north_up_east_left():
    one = plane(ccdnums=(3,))
    one.pixels[0] = 1000
    one.pixels[0, :32, :16] = 1e5  # first rows = west (right), first columns = north (top)
    shown = np.asarray(Image.open(io.BytesIO(thumbnails.thumbnail(one, 0, "faint"))).convert("L"))
    height, width = shown.shape
    assert width == 2 * height
    assert shown[: height // 2 - 4, width // 2 + 4 :].min() > 250
    assert shown[height // 2 + 4 :].max() < 250
    assert shown[:, : width // 2 - 4].max() < 250


def test_small_mosaic_puts_every_ccd_into_its_slot():
    one = plane()
    shown = np.asarray(Image.open(io.BytesIO(thumbnails.small_mosaic(one, 592, "faint"))).convert("L"), int)
    assert shown.shape == (round(26787 * 592 / 29590), 592)
    scale = 592 / 29590
    for ccd in DECAM.ccds:
        x, y = int((ccd.x0 + 0.3 * ccd.width) * scale), int((ccd.y0 + 0.25 * ccd.height) * scale)
        around = shown[y - 3 : y + 4, x - 3 : x + 4].mean()
        assert (around > 60) == (ccd.number in (3, 31, 62)), ccd.name
    s7 = DECAM.slot("S7")
    lower = shown[int((s7.y0 + 0.75 * s7.height) * scale), int((s7.x0 + 0.5 * s7.width) * scale)]
    assert lower < 40, "the blank half of S7 is its lower one"


@pytest.mark.parametrize("name", CAMERAS)
def test_geometry_agrees_with_display(name):
    camera = CAMERAS[name]
    slots = packets.geometry(camera)
    assert [slot["ccdname"] for slot in slots["ccds"]] == list(camera.names)
    ny, nx = 6, 4
    pixels = np.arange(ny * nx, dtype=np.float32).reshape(ny, nx)
    shown = images.display(pixels, camera)
    column, row = slots["orientation"]["column"], slots["orientation"]["row"]
    height, width = shown.shape
    for down in range(height):
        for across in range(width):
            a, d = (across + 0.5) / width, (down + 0.5) / height
            x = int((column[0] * a + column[1] * d + column[2]) * nx)
            y = int((row[0] * a + row[1] * d + row[2]) * ny)
            assert shown[down, across] == pixels[y, x]


def test_ccds_that_the_camera_does_not_know_are_left_out():
    one = plane()
    ccds = pd.concat([one.ccds, one.ccds.iloc[[0]].assign(ccdnum=99).set_index("ccdnum", drop=False)])
    more = Plane.of(np.array([3, 31, 62, 99]), np.concatenate([one.pixels, one.pixels[:1]]), ccds, exposure(), DECAM)
    assert more.ccdnums.tolist() == [3, 31, 62]


def test_unknown_stretch_says_what_there_is():
    with pytest.raises(UnknownName, match="faint"):
        thumbnails.thumbnail(plane(), 0, "fainted")


def test_diverging_colours_are_the_browser_s():
    text = (STATIC / "mosaic" / "stretch.js").read_text()
    table = re.search(r"const DIVERGING = (\[.*?\]\]);", text)[1]
    stops = tuple(tuple(map(int, stop.split(","))) for stop in re.findall(r"\[(\d+, \d+, \d+)\]", table))
    assert stops == thumbnails.DIVERGING


def test_full_resolution_packet():
    pixels = np.random.default_rng(0).normal(300, 20, (200, 100)).astype(np.float32)
    row = plane().ccds.loc[3]
    header, sections = packets.read_packet(packets.ccd_packet(pixels, row, exposure(), DECAM))
    assert (header["rows"], header["columns"]) == (200, 100)
    assert header["ccds"][0]["image_id"] == 24367103
    values = header["zero"] + header["step"] * sections["pixels"].reshape(200, 100)
    assert np.abs(values - pixels).max() < 0.05 * header["sigma"]


def test_real_ghost_reaches_across_ccds(real_data, tmp_path):
    """The arc of exposure 243671 goes on from S16 into S15: edges of neighbours agree better than of strangers."""
    from triptych.pipeline.pixels.focal_plane_pictures import cut_tiles, read_grey, read_tiles

    folder = real_data / "focal_planes" / "ghosts"
    tiles = cut_tiles(
        read_grey(folder / "Ghost_img_D00243671.jpg"), read_tiles(folder / "ghost_tiles.csv", DECAM), DECAM
    )
    shown = {DECAM.name_of(number): images.display(pixels, DECAM) for number, pixels in tiles.items()}
    bright = {name: np.nan_to_num(image, nan=0.0) for name, image in shown.items()}
    place = {}
    for name, side in (("S16", -4), ("S15", 0)):
        strip = bright[name][:, side : side + 4 if side + 4 else None]
        place[name] = int(np.argmax(strip.mean(axis=1)))
    assert abs(place["S16"] - place["S15"]) <= 6
