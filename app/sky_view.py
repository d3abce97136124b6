"""The sky of an exposure averaged to blocks of 120 detector pixels, with a fixed range per band, and stretch limits."""

import numpy as np

BLOCK_PIXELS = 120
SKY_RANGES = {"u": 5.0, "g": 5.0, "r": 7.0, "i": 10.0, "z": 30.0, "Y": 30.0}  # ADU either side, per 100 s
UNKNOWN_SIGMAS = 3.0  # where unit, band or exposure time is not known

# Limits in sky noise from the sky; softening bends them as asinh (0 = straight)
STRETCH_LIMITS = {
    "faint": {"low": -2.5, "high": 5.0, "softening": 0.0},
    "stars": {"low": -1.5, "high": 300.0, "softening": 4.0},
}


def full_pixels_per_preview(row, camera):
    """Detector pixels along one preview pixel. row : of ccds.parquet.

    An image of the CCD's own shape covers all of it, however coarsely it was binned or drawn; any other is a cut-out.
    """
    ny, nx = camera.ccd_shape
    if abs((row["naxis2"] / row["naxis1"]) / (ny / nx) - 1) < 0.15:
        return ny / row["preview_ny"]
    return max(1.0, float(row["bin"]))


def block_levels(pixels, size):
    """Medians of size x size blocks: (n_ccd, blocks_y, blocks_x) float32; NaN where most of a block is blank.

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
    middle = (blocks[at, np.maximum(count - 1, 0) // 2] + blocks[at, count // 2]) / 2
    return np.where(count * 4 > size * size, middle, np.nan).reshape(n, by, bx)


def sky_range(deviations, exposure):
    """Half range of the sky view in the unit of the pixels: fixed per band and exposure time, else 3 sigma.

    deviations : block levels minus the CCD's sky. exposure : row of exposures.parquet.
    """
    per_100_s = SKY_RANGES.get(str(exposure["band"]))
    exptime = float(exposure["exptime"])
    if per_100_s and np.isfinite(exptime) and exptime > 0:
        return per_100_s * exptime / 100.0
    good = deviations[np.isfinite(deviations)]
    sigma = 1.4826 * float(np.median(np.abs(good - np.median(good)))) if good.size else 0.0
    return UNKNOWN_SIGMAS * sigma or 1.0
