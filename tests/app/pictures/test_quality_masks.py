"""Data-quality masks: what codes and bits mean, texels of a preview, and real masks of the Community Pipeline."""

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from triptych.app.palette import MASK_COLOURS
from triptych.app.pictures import quality_masks
from triptych.app.pictures.sky_measured import Plane
from triptych.pipeline.camera import DECAM

NAMES = [one.name for one in quality_masks.CLASSES]


def named(bits):
    return {name for i, name in enumerate(NAMES) if int(bits) & (1 << i)}


def test_codes_since_3_5_and_bits_before():
    assert [named(b) for b in quality_masks.classes_of([0, 1, 3, 4, 5, 8, 77], "V4.8.2a")] == [
        set(),
        {"bad"},
        {"saturated"},
        {"bleed"},
        {"cosmic_ray"},
        {"streak"},
        {"other"},
    ]
    old = quality_masks.classes_of([1, 2, 4, 2 + 64, 128, 1024], "V3.2.1")
    assert [named(b) for b in old] == [
        {"bad"},
        {"saturated"},
        {"interpolated"},
        {"saturated", "bleed"},
        {"difference"},
        {"other"},
    ]
    assert named(quality_masks.classes_of(3, "")) == {"saturated"}, (
        "without a version: codes, as all processing since 2014"
    )


@pytest.mark.parametrize(("plver", "version"), [("V4.8.2a", (4, 8)), ("V5.5LS", (5, 5)), ("DES 3.1", (3, 1)), ("", ())])
def test_pipeline_versions_are_read(plver, version):
    assert quality_masks.version_of(plver) == version


def test_a_texel_keeps_what_occurs_and_how_much_of_it():
    bits = np.zeros((5, 7), np.uint16)
    bits[0, 0], bits[4, 6] = 1, 2
    texels = quality_masks.binned(bits, 4)
    assert texels.shape == (2, 2)
    assert [named(texel & 1023) for texel in texels.ravel()] == [{"saturated"}, set(), set(), {"bleed"}]
    assert (texels >> 10).tolist() == [[4, 0], [0, 21]], "1 of 16 and 1 of 3, in 63rds, rounded up"
    assert (quality_masks.binned(bits, 1) >> 10).max() == 63


def plane_with_masks(folder, codes):
    """CCDs S29 and S30 of one exposure, the second without a mask. codes : (ny, nx)."""
    path = folder / "c4d_170316_062107_ood_z_ls9.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(codes.astype(np.int32), name="S29")]).writeto(path)
    ny, nx = codes.shape
    ccds = pd.DataFrame(
        {
            "ccdnum": [1, 2],
            "ccdname": ["S29", "S30"],
            "image_id": [101, 102],
            "naxis1": nx,
            "naxis2": ny,
            "bin": 2,
            "preview_nx": nx // 2,
            "preview_ny": ny // 2,
            "mask_source": [str(path), ""],
            "mask_hdu": [1, -1],
        }
    ).set_index("ccdnum", drop=False)
    pixels = np.random.default_rng(0).normal(1000, 10, (2, ny // 2, nx // 2)).astype(np.float32)
    exposure = pd.Series({"expnum": 1, "band": "z", "exptime": 90.0, "mjd_obs": 57000.0, "plver": "V4.8.2"})
    return Plane.of(np.array([1, 2]), pixels, ccds, exposure, DECAM), path


def test_mask_of_an_exposure_has_the_texels_of_its_preview(tmp_path):
    codes = np.zeros((16, 8), int)
    codes[2:4, 4:6] = 3
    plane, path = plane_with_masks(tmp_path, codes)
    header, texels = quality_masks.exposure_mask(plane)
    assert texels.shape == plane.pixels.shape
    assert named(texels[0, 1, 2] & 1023) == {"saturated"}
    assert np.count_nonzero(texels) == 1
    assert header["without"] == ["S30"]
    assert "S30" in header["note"]
    saturated = next(one for one in header["classes"] if one["name"] == "saturated")
    assert saturated["share"] == pytest.approx(4 / 128)
    assert header["classes"][-1]["label"] == quality_masks.NOTHING
    path.unlink()
    header, texels = quality_masks.exposure_mask(plane)
    assert texels is None
    assert "gone" in header["note"]
    assert [one["name"] for one in header["classes"]] == ["nothing"]


def test_mask_of_one_ccd_and_a_file_that_changed(tmp_path):
    codes = np.zeros((16, 8), int)
    codes[0, 0] = 5
    plane, _ = plane_with_masks(tmp_path, codes)
    _, texels = quality_masks.ccd_mask(plane.ccds.loc[1], plane.exposure)
    assert texels.shape == (16, 8)
    assert named(texels[0, 0] & 1023) == {"cosmic_ray"}
    assert quality_masks.ccd_mask(plane.ccds.loc[2], plane.exposure)[1] is None
    changed = plane.ccds.loc[1].copy()
    changed["naxis1"] = 99
    assert quality_masks.ccd_mask(changed, plane.exposure)[1] is None


def test_every_class_has_a_colour_of_its_own():
    assert set(MASK_COLOURS) == {*NAMES, "nothing"}
    assert len(set(MASK_COLOURS.values())) == len(MASK_COLOURS)
    assert len(quality_masks.CLASSES) <= 10, "bits of a texel"


def test_real_masks_hold_known_codes_only(real_data):
    """Masks of the Community Pipeline around bright stars: saturation, bleed trails, cosmic rays; nothing unknown."""
    found = {}
    for path in sorted((real_data / "fits" / "cp_cutouts").glob("c4d*_ood_*.fits")):
        with fits.open(path) as handle:
            bits = quality_masks.classes_of(handle[1].data, handle[0].header["PLVER"])
        for name, share in zip(NAMES, quality_masks.shares_of(bits), strict=True):
            found[name] = found.get(name, 0) + share
    assert found["other"] == 0
    assert found["saturated"] > 0
    assert found["bleed"] > 0
    assert found["cosmic_ray"] > 0
