"""Previews are rounded to a small part of their noise, and take a fifth of the space."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from triptych.pipeline.catalog import preview_files
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import CatalogError

NUMBERS = np.array([2, 7, 31], np.int16)
SHAPE = (256, 128)
NOISE = 8.0


def sky(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    pixels = rng.normal(1200, NOISE, (3, *SHAPE)) + np.linspace(0, 50, SHAPE[0])[:, None]
    stars = rng.random(pixels.shape) < 0.002
    pixels[stars] += rng.pareto(1.0, stars.sum()) * 300
    return pixels.astype(np.float32)


def stored(tmp_path, pixels, numbers=NUMBERS) -> np.ndarray:
    path = tmp_path / "preview.npz"
    preview_files.write(path, numbers[: len(pixels)], pixels)
    found, values = preview_files.read(path)
    assert found.tolist() == numbers[: len(pixels)].tolist()
    assert values.dtype == np.float32
    for number, one in zip(found, values, strict=True):
        np.testing.assert_array_equal(preview_files.read_ccd(path, number), one)
    assert preview_files.read_ccd(path, 40) is None
    return values


def test_pixels_are_off_by_half_a_step_at_most_and_medians_by_nothing_that_counts(tmp_path):
    pixels = sky()
    values = stored(tmp_path, pixels)
    step = NOISE / preview_files.STEPS
    off = values - pixels
    assert np.abs(off).max() < 0.55 * step
    assert np.abs(off.mean(axis=(1, 2))).max() < 0.01 * step
    assert np.abs(np.median(values, axis=(1, 2)) - np.median(pixels, axis=(1, 2))).max() < 0.1 * step
    assert (values.std() / pixels.std() - 1) ** 2 < 1e-6


def test_a_file_takes_a_quarter_of_the_space_at_most(tmp_path):
    stored(tmp_path, sky())
    assert (tmp_path / "preview.npz").stat().st_size < sky().nbytes / 4


def test_what_is_blank_stays_blank_and_what_has_no_noise_gets_none(tmp_path):
    pixels = sky()
    pixels[0, :10] = np.nan
    pixels[1, :, 64:] = 1234.5  # a dead amplifier
    pixels[2] = np.nan
    values = stored(tmp_path, pixels)
    np.testing.assert_array_equal(np.isnan(values), np.isnan(pixels))
    dead = values[1, :, 64:]
    assert (dead == dead[0, 0]).all()
    assert dead[0, 0] == pytest.approx(1234.5, abs=NOISE / preview_files.STEPS)


@given(
    arrays.arrays(
        np.float32, (2, 5, 4), elements=st.floats(width=32) | st.sampled_from([0.0, 7.0, np.nan, np.inf, -1e30])
    )
)
def test_any_pixels_come_back_as_near_as_their_step_says(tmp_path_factory, pixels):
    values = stored(tmp_path_factory.mktemp("any"), pixels)
    for before, after in zip(pixels, values, strict=True):
        scale = preview_files.Scale.of(before)
        if scale.step == 0:
            np.testing.assert_array_equal(after, before)
            continue
        np.testing.assert_array_equal(np.isnan(after), np.isnan(before))
        known = np.isfinite(before)
        largest = np.abs(before[known]).max(initial=0)
        assert (np.abs(after[known] - before[known]) <= 0.51 * scale.step + 4e-7 * largest).all()


def test_files_of_earlier_versions_are_read(tmp_path):
    catalog, pixels = Catalog.create(tmp_path / "run"), sky()
    path = catalog.preview_path(12)
    path.parent.mkdir(parents=True)
    np.savez(path, ccdnums=NUMBERS, pixels=pixels)
    numbers, found = catalog.preview(12)
    assert numbers.tolist() == NUMBERS.tolist()
    np.testing.assert_array_equal(found, pixels)
    np.testing.assert_array_equal(catalog.ccd_preview(12, 7), pixels[1])


def test_the_same_pixels_give_the_same_bytes_and_a_damaged_file_one_line(tmp_path):
    for name in ("a", "b"):
        preview_files.write(tmp_path / f"{name}.npz", NUMBERS, sky())
    written = (tmp_path / "a.npz").read_bytes()
    assert written == (tmp_path / "b.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(written[: len(written) // 2])
    (tmp_path / "b.npz").write_bytes(written[:20_000] + b"x" * 500 + written[20_500:])
    for name in ("a", "b"):
        with pytest.raises(CatalogError, match=name):
            preview_files.read(tmp_path / f"{name}.npz")
