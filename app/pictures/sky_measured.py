"""One exposure measured for drawing: its pixels, the sky of every CCD, and the sky averaged to blocks.

The limits of the stretches are those of pipeline.pixels.images.STRETCHES, as the browser needs them: it applies the
stretch itself.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from triptych.pipeline.camera import Camera
from triptych.pipeline.pixels import images
from triptych.pipeline.pixels.sky_levels import common_level, levels

BLOCK_PIXELS = 120
STAMP_PIXELS = 8000  # of each CCD, at least, from which the sky of its sky view is measured
UNKNOWN_SIGMAS = 5.0  # half range of the sky view where band or exposure time is not known

# In sky noise from the sky; softening bends them as asinh (0 = straight); ownSky: of each CCD, else of the exposure
STRETCH_LIMITS = {
    "faint": {"low": -3.0, "high": 5.0, "softening": 0.0, "ownSky": True},
    "stars": {"low": -3.0, "high": 200.0, "softening": 1.5, "ownSky": False},
}


@dataclass(frozen=True, eq=False)
class Plane:
    """One exposure ready for drawing.

    ccdnums : (n_ccd,). pixels : (n_ccd, ny, nx) float32, array orientation, NaN = nothing recorded.
    skies, sigmas : (n_ccd,); sky, sigma : of the exposure. ccds : indexed by ccdnum.
    exposure : row of exposures.parquet.
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
        """A whole preview; CCDs that the camera or the table does not know are left out."""
        known = [i for i, number in enumerate(ccdnums) if int(number) in camera.by_number and int(number) in ccds.index]
        ccdnums, pixels = np.asarray(ccdnums)[known], pixels[known]
        skies, sigmas = noted_levels(ccds, ccdnums) or levels(pixels)
        pixels = without_zeros(pixels, *common_level(skies, sigmas))
        return cls(ccdnums, pixels, skies, sigmas, *common_level(skies, sigmas), ccds, exposure, camera)

    @classmethod
    def of_one(cls, ccdnum, read, ccds, exposure, camera):
        """One CCD, drawn as on the whole plane, or None where the table does not note every level that this takes.

        read : function() -> (ny, nx) float32, asked only then
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
        """Preview pixels along one block of the sky view."""
        return block_size(self.ccds.loc[int(self.ccdnums[0])], self.camera) if len(self.ccdnums) else 1

    @cached_property
    def blocks(self):
        """Sky view: (n_ccd, blocks_y, blocks_x) float32."""
        return block_levels(self.pixels, self.block)

    @cached_property
    def block_skies(self):
        """What each CCD's sky view is measured from: (n_ccd,) float64, the median of its pixels below their 95th
        percentile, as the surveys' postage stamps have it; NaN where all is blank."""
        return np.array([stamp_sky(image) for image in self.pixels])

    @cached_property
    def sky_reach(self):
        """Half range of the sky view, in the unit of the pixels."""
        return half_range(self.blocks - self.block_skies[:, None, None], self.exposure)

    @cached_property
    def sky_range(self):
        """What the sky view's range is: {band, per_100_s, exptime, reach, words for the colour bar}."""
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
        """Place of a CCD in the arrays; None where the exposure has none of that number."""
        found = np.flatnonzero(self.ccdnums == ccdnum)
        return int(found[0]) if len(found) else None

    @cached_property
    def own_shapes(self):
        """[(ny, nx)] of each CCD without the margin that pads it to the largest CCD of its exposure."""
        rows = self.ccds.loc[self.ccdnums.astype(int), ["preview_ny", "preview_nx"]]
        return [(int(ny), int(nx)) for ny, nx in rows.to_numpy()]

    def own_part(self, i):
        """Pixels of one CCD without its margin."""
        ny, nx = self.own_shapes[i]
        return self.pixels[i, :ny, :nx]

    def own_blocks(self, i):
        """Sky view of one CCD, without margin."""
        ny, nx = self.own_part(i).shape
        return self.blocks[i, : -(-ny // self.block), : -(-nx // self.block)]


def noted_levels(ccds, ccdnums):
    """(skies, sigmas) of CCDs as ingest noted them, by `levels`; None where an older version ingested the run."""
    if "preview_sky_adu" not in ccds or ccds["preview_sky_adu"].isna().all():
        return None
    rows = ccds.loc[ccdnums.astype(int)]
    return rows["preview_sky_adu"].to_numpy(float), rows["preview_sigma_adu"].to_numpy(float)


def without_zeros(pixels, sky, sigma):
    """pixels with NaN where they are exactly 0 while the sky is far from it: a dead amplifier, not a dark one."""
    zero = pixels == 0
    return np.where(zero, np.float32(np.nan), pixels) if abs(sky) > 5 * sigma and zero.any() else pixels


def block_size(row, camera):
    """Preview pixels along one block. row : of ccds.parquet.

    An image of the CCD's own shape covers all of it, however coarsely it was binned or drawn; any other is a cut-out.
    """
    ny, nx = camera.ccd_shape
    whole = abs((row["naxis2"] / row["naxis1"]) / (ny / nx) - 1) < 0.15
    detector_pixels = ny / row["preview_ny"] if whole else max(1.0, float(row["bin"]))
    return max(1, round(BLOCK_PIXELS / detector_pixels))


def stamp_sky(image):
    """Median of the pixels below the 95th percentile; NaN where nothing was recorded. image : (ny, nx) float32.

    Large images are thinned evenly to some STAMP_PIXELS, which give it to 1.5 per cent of the noise.
    """
    step = max(1, int(np.sqrt(image.size / STAMP_PIXELS)))
    values = image[::step, ::step]
    values = values[np.isfinite(values)]
    if not values.size:
        return np.nan
    below = values[values < np.percentile(values, 95)]
    return float(np.median(below if below.size else values))


def fixed_range(band):
    """Half the range of the sky view in ADU per 100 s: fixed for u, g, r, i, z and Y; 0 for any other band."""
    return images.SKY_RANGES.get(band, 0.0)


def block_levels(pixels, size):
    """Medians of size x size blocks: (n_ccd, blocks_y, blocks_x) float32; NaN where less than 1 % of a block is there.

    pixels : (n_ccd, ny, nx) float32, NaN = nothing recorded. The median keeps stars out.
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
    """Half range of the sky view in the unit of the pixels: fixed per band and exposure time, else 5 sigma.

    deviations : block levels minus the CCD's sky. exposure : row of exposures.parquet.
    """
    fixed = images.sky_range(float(exposure["exptime"]), str(exposure["band"]))
    if fixed and fixed_range(str(exposure["band"])):
        return fixed
    good = deviations[np.isfinite(deviations)]
    sigma = 1.4826 * float(np.median(np.abs(good - np.median(good)))) if good.size else 0.0
    return UNKNOWN_SIGMAS * sigma or 1.0
