"""Pixels as arrays: binning, sky statistics, stretches, and the mosaic of a whole exposure.

The orientation is that of the FITS array (axis 0 = y); `display` turns North up and East left. All values are float32
ADU, or grey levels for focal-plane pictures, NaN where nothing was recorded.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from triptych.pipeline.camera import DECAM, Camera

PREVIEW_SIDE = 256
STATISTICS_PIXELS = 65_536
# half the range of the `sky` stretch, in ADU per 100 s
SKY_RANGES = {"u": 5.0, "g": 5.0, "r": 7.0, "i": 10.0, "z": 30.0, "Y": 30.0}


def block_mean(pixels: np.ndarray, bin: int) -> np.ndarray:
    """Mean of the recorded values in blocks of bin x bin pixels. The last block of a row or column may be smaller.

    pixels : (ny, nx). Returns (ceil(ny / bin), ceil(nx / bin)) float32, NaN where a block has no recorded value. Sums
    are float64, first down the columns of a block.
    """
    recorded = np.isfinite(pixels)
    whole = bool(recorded.all())
    if bin == 1:
        return np.where(recorded, pixels, np.nan).astype(np.float32)
    values = pixels if whole else np.where(recorded, pixels, 0)
    starts = range(0, pixels.shape[0], bin)
    columns = np.arange(0, pixels.shape[1], bin)
    strips = np.stack([values[start : start + bin].sum(axis=0, dtype=np.float64) for start in starts])
    totals = np.add.reduceat(strips, columns, axis=1)
    if whole:
        counts = np.outer(_lengths(np.array(starts), pixels.shape[0]), _lengths(columns, pixels.shape[1]))
    else:
        strips = np.stack([np.count_nonzero(recorded[start : start + bin], axis=0) for start in starts])
        counts = np.add.reduceat(strips, columns, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (totals / counts).astype(np.float32)


def _lengths(starts: np.ndarray, total: int) -> np.ndarray:
    return np.diff(np.append(starts, total))


def preview_bin(shape: Sequence[int]) -> int:
    """Smallest integer binning that brings the longer side to at most PREVIEW_SIDE pixels: 16 for a DECam CCD."""
    return max(1, math.ceil(max(shape) / PREVIEW_SIDE))


def thinning(shape: Sequence[int]) -> int:
    """Step between the rows and columns that are used for the sky statistics: 11 for a DECam CCD."""
    return max(1, math.isqrt(max(1, math.prod(shape) // STATISTICS_PIXELS)))


def sky(pixels: np.ndarray) -> tuple[float, float]:
    """Sky level and noise: median, and 1.4826 x median absolute deviation, after clipping stars at 3 sigma three times.

    Large images are thinned evenly to about 65,000 pixels, which give the level to half a per cent of the noise. Pixels
    that are exactly 0 count only if there are no others. (NaN, NaN) if nothing was recorded.
    """
    step = thinning(pixels.shape)
    return sky_of(np.asarray(pixels)[::step, ::step] if pixels.ndim == 2 else np.asarray(pixels))


def sky_of(thinned: np.ndarray) -> tuple[float, float]:
    """`sky` of pixels that were already thinned."""
    values = thinned.ravel()
    values = values[np.isfinite(values)]
    if (values != 0).any():
        values = values[values != 0]
    if not len(values):
        return math.nan, math.nan
    for _ in range(4):
        median = float(np.median(values))
        sigma = 1.4826 * float(np.median(np.abs(values - median)))
        kept = values[np.abs(values - median) <= 3 * sigma]
        if sigma == 0 or len(kept) == len(values):
            break
        values = kept
    return median, sigma or float(values.std())  # with coarse grey levels, most values equal the median


# ---- stretches: (pixels, sky level, sigma, exptime, band) -> 0..1; NaN stays NaN; level and sigma None = measure them


def _level(pixels: np.ndarray, level: float | None, sigma: float | None) -> tuple[float, float]:
    if level is None or sigma is None:
        level, sigma = sky(pixels)
    return level, sigma if sigma and np.isfinite(sigma) else 1.0


def stretch_stars(pixels, level=None, sigma=None, exptime=math.nan, band="") -> np.ndarray:
    """Stars and sky together: asinh from 3 sigma below the sky to 200 above. The sky is at a fifth of the range."""
    level, sigma = _level(pixels, level, sigma)
    low, high = math.asinh(-3 / 1.5), math.asinh(200 / 1.5)
    return np.clip((np.arcsinh((pixels - level) / (1.5 * sigma)) - low) / (high - low), 0, 1)


def stretch_faint(pixels, level=None, sigma=None, exptime=math.nan, band="") -> np.ndarray:
    """Faint structure: linear from 3 sigma below the sky to 5 above."""
    level, sigma = _level(pixels, level, sigma)
    return np.clip((pixels - level + 3 * sigma) / (8 * sigma), 0, 1)


def stretch_sky(pixels, level=None, sigma=None, exptime=math.nan, band="") -> np.ndarray:
    """Only the background: 0.5 is the sky; 0 and 1 are a fixed range for the band, in proportion to the exposure time.

    For a diverging colour map, on coarsely binned pixels (120 of the CCD's). If the time is unknown, 5 sigma.
    """
    level, sigma = _level(pixels, level, sigma)
    reach = sky_range(exptime, band) or 5 * sigma
    return np.clip(0.5 + (pixels - level) / (2 * reach), 0, 1)


def sky_range(exptime: float, band: str) -> float:
    """Half the range of the `sky` stretch in ADU, SKY_RANGES per 100 s (10 for another band).

    0 if the time is unknown.
    """
    known = exptime is not None and np.isfinite(exptime) and exptime > 0
    return SKY_RANGES.get(band, 10.0) * exptime / 100.0 if known else 0.0


STRETCHES: dict[str, Callable[..., np.ndarray]] = {
    "stars": stretch_stars,
    "faint": stretch_faint,
    "sky": stretch_sky,
}


# ---- display and mosaic


def display(pixels: np.ndarray, camera: Camera = DECAM) -> np.ndarray:
    """One CCD as seen on the sky, North up and East left: from (ny, nx) in array orientation to (nx, ny)."""
    shown = pixels.T[::-1] if camera.flip_rows else pixels.T
    return shown[:, ::-1] if camera.flip_columns else shown


def mosaic(preview: np.ndarray, ccdnums: Sequence[int], camera: Camera, scale: float = 0) -> np.ndarray:
    """All CCDs of an exposure in their slots, North up and East left.

    preview : (n_ccd, ny, nx) float32 in array orientation, from the catalog. scale : canvas pixels per pixel of the
    result; 0 keeps the preview's own scale. Returns (height, width) float32, NaN where there is no CCD. Each CCD fills
    its slot, resampled to the nearest pixel.
    """
    scale = scale or max(camera.ccd_shape[0] / preview.shape[1], camera.ccd_shape[1] / preview.shape[2])
    width, height = (max(1, math.ceil(side / scale)) for side in camera.canvas)
    result = np.full((height, width), np.nan, dtype=np.float32)
    for pixels, ccdnum in zip(preview, ccdnums, strict=True):
        slot = camera.by_number[int(ccdnum)]
        shown = display(_own_part(pixels), camera)
        x0, y0 = round(slot.x0 / scale), round(slot.y0 / scale)
        x1 = min(width, max(x0 + 1, round((slot.x0 + slot.width) / scale)))
        y1 = min(height, max(y0 + 1, round((slot.y0 + slot.height) / scale)))
        rows = (np.arange(y1 - y0) * shown.shape[0]) // (y1 - y0)
        columns = (np.arange(x1 - x0) * shown.shape[1]) // (x1 - x0)
        result[y0:y1, x0:x1] = shown[np.ix_(rows, columns)]
    return result


def _own_part(pixels: np.ndarray) -> np.ndarray:
    """A CCD without the NaN margin that pads it to the size of the largest CCD of its exposure."""
    recorded = np.isfinite(pixels)
    if not recorded.any():
        return pixels
    last_row = int(np.flatnonzero(recorded.any(axis=1))[-1]) + 1
    last_column = int(np.flatnonzero(recorded.any(axis=0))[-1]) + 1
    padded = last_row < 0.6 * pixels.shape[0] and last_column < 0.6 * pixels.shape[1]
    return pixels[:last_row, :last_column] if padded else pixels
