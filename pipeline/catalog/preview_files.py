"""Preview files: the binned pixels of an exposure's CCDs, in a fifth of the bytes that float32 takes.

Pixels are rounded to a sixteenth of the sky noise of their CCD, which adds a thirtieth of a per cent to its variance,
and compressed without further loss. Before rounding, a fixed pattern between -0.5 and 0.5 steps is added, and it is
taken off after reading ("subtractive dithering", as fpack does: Pence et al. 2010, PASP 122, 1065). So medians of many
pixels stay as exact as they were. The pattern is left out where it would give noise to what has none: in a CCD in which
many neighbours are equal, as in a dead amplifier. A CCD without noise is stored as it is.

A file is a `.npz` with `ccdnums` (n,) int16, `zero` and `step` (n,) float32 in ADU, `dithered` (n,) bool, and an array
`ccd_NN` (4, ny, nx) uint8 for each CCD number: the bytes of whole numbers, lowest first. `value_of` turns these into
ADU. Files of earlier versions hold `pixels` (n, ny, nx) float32 instead.
"""

import functools
import os
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from triptych.pipeline.catalog.damage import reading
from triptych.pipeline.image_ids import mixed

STEPS = 16  # in the sky noise of a CCD
BLANK = np.uint32(0xFFFFFFFF)
EQUAL = 0.01  # with a larger share of neighbours that are equal, a CCD is not dithered
LARGEST = 2**30  # beyond so many steps from the middle of a CCD, its pixels are stored as they are


def write(path: Path, ccdnums: np.ndarray, pixels: np.ndarray) -> None:
    """Write a preview. ccdnums : (n,) int16. pixels : (n, ny, nx) float32, ADU, NaN = blank."""
    scales, stored = [Scale.of(values) for values in pixels], {}
    for number, values, scale in zip(ccdnums, pixels, scales, strict=True):
        codes = scale.codes_of(values)
        planes = codes.view(np.uint8).reshape(*codes.shape, 4).transpose(2, 0, 1)
        stored[f"ccd_{number:02d}"] = np.ascontiguousarray(planes)
    stored["zero"] = np.array([scale.zero for scale in scales], np.float32)
    stored["step"] = np.array([scale.step for scale in scales], np.float32)
    stored["dithered"] = np.array([scale.dithered for scale in scales], bool)
    with open(path, "wb") as handle:
        np.savez_compressed(handle, ccdnums=ccdnums, **stored)


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a preview: ccdnums (n,) int16; pixels (n, ny, nx) float32, ADU, NaN = blank.

    FileNotFoundError if there is none, CatalogError if it is damaged.
    """
    with reading(path), np.load(path, allow_pickle=False) as stored:
        if "pixels" in stored.files:
            return stored["ccdnums"], stored["pixels"]
        ccdnums = stored["ccdnums"]
        scales = zip(stored["zero"], stored["step"], stored["dithered"], strict=True)
        found = [
            value_of(stored[f"ccd_{number:02d}"], Scale(*scale)) for number, scale in zip(ccdnums, scales, strict=True)
        ]
        return ccdnums, np.stack(found) if found else np.empty((0, 0, 0), np.float32)


def read_ccd(path: Path, ccdnum: int) -> np.ndarray | None:
    """One CCD of a preview, (ny, nx) float32, without reading the others; None if it has no such CCD."""
    with reading(path), np.load(path, allow_pickle=False) as stored:
        places = np.flatnonzero(stored["ccdnums"] == ccdnum)
        if not len(places):
            return None
        if "pixels" not in stored.files:
            scale = Scale(*(stored[name][places[0]] for name in ("zero", "step", "dithered")))
            return value_of(stored[f"ccd_{ccdnum:02d}"], scale)
    with reading(path):
        return _of_uncompressed(path, int(places[0]))


@dataclass(frozen=True)
class Scale:
    """How the pixels of a CCD are stored. zero : a value in their middle, ADU. step : ADU; 0 = as they are. dithered :
    whether the pattern was added.
    """

    zero: np.floating | float = 0.0
    step: np.floating | float = 0.0
    dithered: bool = False

    @classmethod
    def of(cls, values: np.ndarray) -> "Scale":
        """The scale for pixels (ny, nx) float32.

        The noise is measured between neighbours, so that a gradient of the sky adds nothing: 1.4826 times the median
        absolute difference, over the square root of 2.
        """
        if np.isinf(values).any():
            return cls()
        apart = np.diff(values, axis=1)
        apart = apart[np.isfinite(apart)]
        if not len(apart):
            return cls()
        zero = np.float32(np.nanmedian(values))
        step = np.float32(1.4826 * np.median(np.abs(apart - np.median(apart))) / np.sqrt(2) / STEPS)
        if step <= 0 or np.nanmax(np.abs(values - zero)) / step > LARGEST:
            return cls()
        return cls(zero, step, bool((apart == 0).mean() <= EQUAL))

    def codes_of(self, values: np.ndarray) -> np.ndarray:
        """(ny, nx) uint32, little-endian: see `value_of`."""
        if self.step == 0:
            return np.ascontiguousarray(values, "<f4").view("<u4")
        blank = np.isnan(values)
        steps = (np.where(blank, self.zero, values).astype(np.float64) - self.zero) / self.step
        counted = np.rint(steps + pattern(*values.shape) if self.dithered else steps).astype(np.int32)
        codes = ((counted << 1) ^ (counted >> 31)).view(np.uint32)
        codes[blank] = BLANK
        return codes.astype("<u4", copy=False)


def value_of(planes: np.ndarray, scale: Scale) -> np.ndarray:
    """Pixels (ny, nx) float32, ADU, NaN = blank, of the stored bytes (4, ny, nx) of a CCD.

    With step 0 the bytes are those of float32. Else a code is 2q for a number of steps q >= 0, and -2q - 1 below, and
    the value is zero + q * step, or zero + (q - pattern) * step where it was dithered.
    """
    codes = np.ascontiguousarray(planes.transpose(1, 2, 0)).view("<u4")[..., 0]
    if scale.step == 0:
        return codes.view("<f4").astype(np.float32, copy=False)
    counted = ((codes >> 1).astype(np.int32) ^ -(codes & 1).astype(np.int32)).astype(np.float32)
    if scale.dithered:
        counted -= pattern(*codes.shape)
    values = counted * scale.step + scale.zero
    values[codes == BLANK] = np.nan
    return values


@functools.lru_cache(maxsize=8)
def pattern(ny: int, nx: int) -> np.ndarray:
    """What is added to a pixel before it is rounded, in steps: (ny, nx) float32 in [-0.5, 0.5), the same for all CCDs.

    That of pixel number i = y * nx + x is `image_ids.mixed(i)` / 2**64 - 0.5.
    """
    found = (mixed(np.arange(ny * nx)) / 2.0**64 - 0.5).astype(np.float32).reshape(ny, nx)
    found.setflags(write=False)
    return found


def _of_uncompressed(path: Path, place: int) -> np.ndarray:
    """One CCD of `pixels` in a file of an earlier version, read from its place in the file."""
    with zipfile.ZipFile(path) as stored, open(path, "rb") as handle:
        start = stored.getinfo("pixels.npy").header_offset
        handle.seek(start + 26)  # the local zip header holds two lengths here: of the name and of the extra field
        handle.seek(start + 30 + sum(struct.unpack("<HH", handle.read(4))))
        np.lib.format.read_magic(handle)
        (_, ny, nx), _, dtype = np.lib.format.read_array_header_1_0(handle)
        handle.seek(place * ny * nx * dtype.itemsize, os.SEEK_CUR)
        return np.fromfile(handle, dtype, ny * nx).reshape(ny, nx)
