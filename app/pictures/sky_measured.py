"""One exposure measured for drawing: its pixels, the sky of every CCD, and medians of the sky in blocks.

The browser stretches the pixels itself. STRETCH_LIMITS gives it the limits of pipeline.pixels.images.STRETCHES.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from triptych.pipeline.camera import Camera
from triptych.pipeline.pixels import images
from triptych.pipeline.pixels.sky_levels import common_level, levels

BLOCK_PIXELS = 120
STAMP_PIXELS = 8000  # at least this many pixels of each CCD measure the sky of its sky view
UNKNOWN_SIGMAS = 5.0  # half range of the sky view, in sigma, if band and exposure time give no range

# low, high : in sky noise from the sky. softening : of the asinh stretch, 0 = linear
# ownSky : True = from the sky of each CCD, False = from the sky of the exposure
STRETCH_LIMITS = {
    "faint": {"low": -3.0, "high": 5.0, "softening": 0.0, "ownSky": True},
    "stars": {"low": -3.0, "high": 200.0, "softening": 1.5, "ownSky": False},
}


@dataclass(frozen=True, eq=False)
class Plane:
    """One exposure ready for drawing.

    ccdnums : (n_ccd,). pixels : (n_ccd, ny, nx) float32, in the orientation of the files, NaN = nothing recorded
    skies, sigmas : (n_ccd,), sky and sky noise of each CCD; sky, sigma : of the exposure; all in the pixels' unit
    ccds : rows of ccds.parquet, indexed by ccdnum. exposure : row of exposures.parquet
    """

    ccdnums: np.ndarray
    pixels: np.ndarray
    skies: np.ndarray
    sigmas: np.ndarray
    sky: float
    sigma: float
    ccds: pd.DataFrame
    exposure: pd.Series
    camera: Camera

    @classmethod
    def of(cls, ccdnums, pixels, ccds, exposure, camera):
        """The Plane of a whole preview, without CCDs that the camera or the table does not know."""
        known = [i for i, number in enumerate(ccdnums) if int(number) in camera.by_number and int(number) in ccds.index]
        ccdnums, pixels = np.asarray(ccdnums)[known], pixels[known]
        skies, sigmas = noted_levels(ccds, ccdnums) or levels(pixels)
        pixels = without_zeros(pixels, *common_level(skies, sigmas))
        return cls(ccdnums, pixels, skies, sigmas, *common_level(skies, sigmas), ccds, exposure, camera)

    @classmethod
    def of_one(cls, ccdnum, read, ccds, exposure, camera):
        """The Plane of one CCD, which looks the same as in the whole exposure.

        None if the table does not hold the sky levels of all CCDs. read : function() -> (ny, nx) float32; it is not
        called in that case
        """
        ccdnums = np.array([number for number in ccds.index if int(number) in camera.by_number])
        noted = noted_levels(ccds, ccdnums)
        if noted is None or ccdnum not in ccdnums:
            return None
        skies, sigmas = noted
        level, own = common_level(skies, sigmas), ccdnums == ccdnum
        pixels = without_zeros(read()[None], *level)
        return cls(ccdnums[own], pixels, skies[own], sigmas[own], *level, ccds, exposure, camera)

    @property
    def nbytes(self):
        return self.pixels.nbytes

    @cached_property
    def block(self):
        """Preview pixels along the side of one block of the sky view."""
        return block_size(self.ccds.loc[int(self.ccdnums[0])], self.camera) if len(self.ccdnums) else 1

    @cached_property
    def blocks(self):
        """Sky view: (n_ccd, blocks_y, blocks_x) float32."""
        return block_levels(self.pixels, self.block)

    @cached_property
    def block_skies(self):
        """(n_ccd,) float64: the zero point of each CCD's sky view.

        It is the median of the pixels below their 95th percentile, as in the surveys' postage stamps. NaN for a CCD
        that recorded nothing.
        """
        return np.array([stamp_sky(image) for image in self.pixels])

    @cached_property
    def sky_reach(self):
        """Half range of the sky view, in the unit of the pixels."""
        return half_range(self.blocks - self.block_skies[:, None, None], self.exposure)

    @cached_property
    def sky_range(self):
        """The range of the sky view: {band, per_100_s, exptime, reach, words}. words : text for the colour bar"""
        band, exptime = str(self.exposure["band"]), float(self.exposure["exptime"])
        per_100_s = fixed_range(band)
        fixed = bool(per_100_s and images.sky_range(exptime, band))
        words = (
            f"{band}: \u00b1{per_100_s:g} per 100 s, {exptime:g} s"
            if fixed
            else "\u00b15 \u03c3 of this exposure's blocks"
        )
        return {
            "band": band,
            "per_100_s": per_100_s if fixed else None,
            "exptime": exptime if np.isfinite(exptime) else None,
            "reach": self.sky_reach,
            "words": words,
        }

    def index(self, ccdnum):
        """Index of a CCD in the arrays. None if the exposure has no CCD of that number."""
        found = np.flatnonzero(self.ccdnums == ccdnum)
        return int(found[0]) if len(found) else None

    @cached_property
    def own_shapes(self):
        """[(ny, nx)] of each CCD, without the margin that pads it to the size of the largest CCD."""
        rows = self.ccds.loc[self.ccdnums.astype(int), ["preview_ny", "preview_nx"]]
        return [(int(ny), int(nx)) for ny, nx in rows.to_numpy()]

    def own_part(self, i):
        """Pixels of one CCD without its margin."""
        ny, nx = self.own_shapes[i]
        return self.pixels[i, :ny, :nx]

    def own_blocks(self, i):
        """Sky view of one CCD without its margin."""
        ny, nx = self.own_part(i).shape
        return self.blocks[i, : -(-ny // self.block), : -(-nx // self.block)]


def noted_levels(ccds, ccdnums):
    """(skies, sigmas) of CCDs from the table, where ingest noted the result of `levels`.

    None if an older version ingested the run, which did not note them.
    """
    if "preview_sky_adu" not in ccds or ccds["preview_sky_adu"].isna().all():
        return None
    rows = ccds.loc[ccdnums.astype(int)]
    return rows["preview_sky_adu"].to_numpy(float), rows["preview_sigma_adu"].to_numpy(float)


def without_zeros(pixels, sky, sigma):
    """The pixels with NaN in place of exact zeros, if the sky is far from 0. Such zeros come from a dead amplifier."""
    zero = pixels == 0
    return np.where(zero, np.float32(np.nan), pixels) if abs(sky) > 5 * sigma and zero.any() else pixels


def block_size(row, camera):
    """Preview pixels along the side of one block. row : of ccds.parquet

    An image with the proportions of the CCD shows the whole CCD, at whatever resolution. Any other image is a cut-out.
    """
    ny, nx = camera.ccd_shape
    whole = abs((row["naxis2"] / row["naxis1"]) / (ny / nx) - 1) < 0.15
    detector_pixels = ny / row["preview_ny"] if whole else max(1.0, float(row["bin"]))
    return max(1, round(BLOCK_PIXELS / detector_pixels))


def stamp_sky(image):
    """Median of the pixels below the 95th percentile. NaN if nothing was recorded. image : (ny, nx) float32

    Of a large image it takes some STAMP_PIXELS pixels on a regular grid. The error is then 1.5 per cent of the noise.
    """
    step = max(1, int(np.sqrt(image.size / STAMP_PIXELS)))
    values = image[::step, ::step]
    values = values[np.isfinite(values)]
    if not values.size:
        return np.nan
    below = values[values < np.percentile(values, 95)]
    return float(np.median(below if below.size else values))


def fixed_range(band):
    """Half range of the sky view in ADU per 100 s. It is fixed for u, g, r, i, z and Y; 0 for any other band."""
    return images.SKY_RANGES.get(band, 0.0)


def block_levels(pixels, size):
    """(n_ccd, blocks_y, blocks_x) float32: medians of blocks of size x size pixels. The median keeps stars out.

    pixels : (n_ccd, ny, nx) float32, NaN = nothing recorded. A block with less than 1 % recorded pixels is NaN.
    """
    n, ny, nx = pixels.shape
    by, bx = -(-ny // size), -(-nx // size)
    padded = np.full((n, by * size, bx * size), np.nan, np.float32)
    padded[:, :ny, :nx] = pixels
    blocks = padded.reshape(n, by, size, bx, size).swapaxes(2, 3).reshape(-1, size * size)
    blocks = np.sort(blocks, axis=1)  # NaN last
    count = np.isfinite(blocks).sum(1)
    at = np.arange(len(blocks))
    middle = (blocks[at, np.maximum(count - 1, 0) // 2] + blocks[at, count // 2 % (size * size)]) / 2
    return np.where((100 * count >= size * size) & (count > 0), middle, np.nan).astype(np.float32).reshape(n, by, bx)


def half_range(deviations, exposure):
    """Half range of the sky view, in the unit of the pixels.

    It is fixed by band and exposure time. If these give no range, it is 5 sigma of the deviations.
    deviations : block levels minus the CCD's sky. exposure : row of exposures.parquet
    """
    fixed = images.sky_range(float(exposure["exptime"]), str(exposure["band"]))
    if fixed and fixed_range(str(exposure["band"])):
        return fixed
    good = deviations[np.isfinite(deviations)]
    sigma = 1.4826 * float(np.median(np.abs(good - np.median(good)))) if good.size else 0.0
    return UNKNOWN_SIGMAS * sigma or 1.0
