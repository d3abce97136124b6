"""Pixels mean what the header says: blank values, scaling, axes of length 1, checksums."""

import numpy as np
import pytest
from astropy.io import fits

from triptych.pipeline.pixels import checksums
from triptych.pipeline.pixels.fits import PixelReader, blank_value
from triptych.pipeline.pixels.full_resolution import read_ccd
from triptych.pipeline.pixels.hdus import scan
from triptych.pipeline.pixels.planes import plane_of, product_of, said_by_name


def stored(path, bits: str, scale: float, zero: float, blank: int, *, packed: bool):
    """A file of integers, (60, 50), a tenth of them blank, with these cards. Return what astropy makes of it."""
    rng = np.random.default_rng(0)
    values = rng.integers(0, 200, (60, 50)).astype(bits)
    values[:6] = blank
    header = fits.Header({"BLANK": blank})
    hdu = fits.CompImageHDU(values, header, compression_type="RICE_1") if packed else fits.ImageHDU(values, header)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    content = path.read_bytes()  # scaled by its header alone, as observatories write them
    end = (b"END" + b" " * 77) if b"END" + b" " * 77 in content[2880:] else b""
    at = content.index(end, 2880)
    cards = [fits.Card(key, value).image.encode() for key, value in (("BSCALE", scale), ("BZERO", zero))]
    room = content[at : at + 240]
    assert room.strip() == b"END"
    path.write_bytes(content[:at] + b"".join(cards) + room[:80] + content[at + 240 :])
    return values


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("bits", "scale", "zero", "blank"),
    [("i2", 0.5, 1000.0, -32768), ("i4", 0.01, 0.0, -2147483648), ("i2", 1.0, 1000.0, -1), ("i2", -2.0, 5.5, -32768)],
)
def test_blank_in_scaled_integers(tmp_path, bits, scale, zero, blank, packed):
    values = stored(tmp_path / "x.fits", bits, scale, zero, blank, packed=packed)
    found = read_ccd(tmp_path / "x.fits", 1)
    expected = np.where(values == blank, np.nan, values.astype(float) * scale + zero)
    assert np.isnan(found).mean() == 0.1
    assert found == pytest.approx(expected.astype(np.float32), nan_ok=True)


def test_blank_in_unsigned_integers(tmp_path):
    values = np.arange(2000, dtype=np.uint16).reshape(50, 40)
    hdu = fits.ImageHDU(values)
    hdu.header["BLANK"] = -32768  # which is 0
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "x.fits")
    found = read_ccd(tmp_path / "x.fits", 1)
    assert np.isnan(found).sum() == 1
    assert found[1, 1] == 41


@pytest.mark.parametrize("packed", [False, True])
def test_axes_of_length_one_in_front_are_left_out(tmp_path, packed):
    values = np.random.default_rng(0).normal(9, 1, (1, 1, 30, 40)).astype(np.float32)
    hdu = fits.CompImageHDU(values[0], quantize_level=0, compression_type="GZIP_1") if packed else fits.ImageHDU(values)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "x.fits")
    (image,) = scan(tmp_path / "x.fits")[1]
    assert image.shape == (30, 40)
    with PixelReader(tmp_path / "x.fits") as reader:
        assert np.array_equal(reader.read(1), values[0, 0])


def test_blank_value():
    assert blank_value(fits.Header({"BITPIX": 16, "BLANK": -5, "BSCALE": 2, "BZERO": 1})) == -9
    assert blank_value(fits.Header({"BITPIX": -32, "BLANK": -5})) is None
    assert blank_value(fits.Header({"BITPIX": 16})) is None


# ---- checksums


@pytest.mark.parametrize("length", [4, 4096, 40_000])
def test_the_sum_is_that_of_astropy(tmp_path, length):
    data = np.random.default_rng(length).integers(0, 256, length).astype(np.uint8)
    hdu = fits.ImageHDU(data)
    hdu.add_datasum()
    padded = data.tobytes() + bytes(-length % 2880)
    assert checksums.ones_sum(padded) == int(hdu.header["DATASUM"])
    (tmp_path / "x").write_bytes(b"head" + padded)
    assert checksums.sum_of_file(tmp_path / "x", 4, len(padded)) == int(hdu.header["DATASUM"])


def test_pieces_and_ends_that_are_no_whole_words(tmp_path, monkeypatch):
    data = np.random.default_rng(0).integers(0, 256, 10_003).astype(np.uint8).tobytes()
    whole = checksums.ones_sum(data + b"\0")
    monkeypatch.setattr(checksums, "PIECE", 1 << 10)
    (tmp_path / "x").write_bytes(data)
    assert checksums.sum_of_file(tmp_path / "x", 0, len(data)) == whole
    with open(tmp_path / "x", "rb") as handle:
        assert checksums.sum_of_stream(handle, len(data)) == whole
        assert handle.tell() == len(data)


@pytest.mark.parametrize("value", ["", "abc", "-1", str(1 << 33), "3.5"])
def test_sums_that_are_no_numbers(value):
    assert checksums.datasum_of(fits.Header({"DATASUM": value}), bytes(2880)) is None


# ---- planes


@pytest.mark.parametrize(
    ("cards", "plane"),
    [
        ({"EXTNAME": "sci"}, "image"),
        ({"EXTTYPE": "IMAGE", "EXTNAME": "S12"}, "image"),
        ({"EXTTYPE": "MASK", "EXTNAME": "S12"}, "mask"),
        *(({"EXTNAME": name}, "weight") for name in ("IVAR", "VARIANCE", "UNCERT", "wht", "N12_WEIGHT", "INVVAR-3")),
        *(({"EXTNAME": name}, "mask") for name in ("DQ", "N12_MASK", "BPM.4", "FLAGS")),
        *(({"EXTNAME": name}, "") for name in ("N12", "COMPRESSED_IMAGE", "CCD3", "im4", "MASKED", "")),
        ({"EXTNAME": "N12", "PRODTYPE": "dqmask"}, "mask"),
        ({"EXTNAME": "N12", "PRODTYPE": "image"}, ""),
        ({"EXTNAME": "N12", "MP_BAD": 0}, "mask"),
        *(({"BUNIT": unit}, "weight") for unit in ("adu**2", "electron^2", "1/adu2", "adu-2", "count**(-2)")),
        *(({"BUNIT": unit}, "") for unit in ("adu", "counts/s", "electron", "nmgy/arcsec^2", "nJy")),
    ],
)
def test_planes(cards, plane):
    assert plane_of(fits.Header(cards)) == plane


def test_words_in_names_of_files():
    for name, said in {
        "deep2g.wht.fits": "weight",
        "aaa_mask.fits.fz": "mask",
        "x-dq.fits": "mask",
        "masked.fits": "",
        "image.fits": "",
        "mask_weight.fits": "",
        "image.wht.fits.gz": "weight",
        "RRLyr_var_20160311.fits": "",
        "D00123456_N12.fits": "",
        "errata.fits": "",
    }.items():
        assert said_by_name(f"/wht/{name}") == said


def test_the_letter_of_the_processing():
    assert product_of("c4d_131122_030338_osi_z_ls9.fits.fz", fits.Header()) == ("image", "s")
