"""Line filters: they find faint arcs, vanes, rays and trails on each CCD and around it.

The rim of a large ghost crosses a CCD as a faint line, a few pixels wide. After background subtraction it is brighter
on one side and darker on the other. A line filter sums along the line, as the eye does. CCDs inside the ghost may show
nothing at all. So each CCD also gets the responses of its neighbours, over three distances, and its place.
"""

from functools import lru_cache

import numpy as np
from scipy import fft

from triptych.pipeline import focal_plane
from triptych.pipeline.camera import Camera

ANGLES = 12
LENGTH, WIDTH = 8.0, 1.0  # standard deviations along and across a line, in pixels of the focal-plane picture
KERNEL = 31
PERCENTILES = (60, 90, 98)
# logarithms of the responses of an empty CCD: three percentiles for bright lines, three for dark lines
NOTHING = np.array([0.57, 1.05, 1.37, 0.51, 0.96, 1.21], np.float32)
SPREAD = 0.7
REACHES = (0.6, 1.2, 2.5)  # standard deviations, in CCD widths, of the Gaussians that average neighbours
DIM = 6 * len(REACHES) + 2


@lru_cache(maxsize=4)
def _filters(shape: tuple[int, int]) -> np.ndarray:
    """Line filters in ANGLES directions, in the frequency domain of `shape`: a bright line, dark sides, sum zero."""
    y, x = np.mgrid[:KERNEL, :KERNEL] - KERNEL // 2
    found = []
    for angle in np.arange(ANGLES) * np.pi / ANGLES:
        along, across = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
        narrow, wide = (np.exp(-(across**2) / 2 / w**2) / w for w in (WIDTH, 2.5 * WIDTH))
        kernel = np.exp(-(along**2) / 2 / LENGTH**2) * (narrow - wide)
        kernel -= kernel.mean()
        found.append(kernel / np.sqrt((kernel**2).sum()))
    return fft.rfft2(np.stack(found).astype(np.float32), shape)


def responses(detail: np.ndarray) -> np.ndarray:
    """Strength of bright and dark lines on each CCD: (n_ccd, 6), logarithms relative to the exposure's noise.

    detail : (n_ccd, y, x) float32 from `focal_plane.normalise`, NaN = blank.
    """
    seen = np.isfinite(detail)
    clipped = np.where(seen, np.clip(detail, -3, 2), 0)  # stars are points: clipped, they make no line
    mean = clipped.sum((1, 2)) / np.maximum(seen.sum((1, 2)), 1)
    clipped = np.where(seen, clipped - mean[:, None, None], 0).astype(np.float32)
    ny, nx = clipped.shape[1:]
    shape = (fft.next_fast_len(ny + KERNEL, real=True), fft.next_fast_len(nx + KERNEL, real=True))
    spectrum, start = fft.rfft2(clipped, shape), KERNEL // 2
    bright = dark = np.zeros_like(clipped)
    every_third = []
    for kernel in _filters(shape):
        response = fft.irfft2(spectrum * kernel, shape)[:, start : start + ny, start : start + nx]
        bright, dark = np.maximum(bright, response), np.maximum(dark, -response)
        every_third.append(response[:, ::3, ::3])
    noise = 1.4826 * float(np.median(np.abs(every_third))) + 1e-6
    columns = [np.percentile(np.where(seen, part, 0) / noise, PERCENTILES, axis=(1, 2)) for part in (bright, dark)]
    return np.log(np.maximum(np.concatenate(columns), 0.05)).T.astype(np.float32)


def lines(camera: Camera, ccdnums: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Lines on and around each CCD of one exposure, and the CCD's distance from the middle: (n_ccd, DIM) float32.

    pixels : (n_ccd, ny, nx) float32 preview, ADU, array orientation, NaN = blank.
    """
    corners, places = focal_plane.corners_of(camera, ccdnums), focal_plane.centres(camera, ccdnums)
    detail, _ = focal_plane.normalise(focal_plane.picture_tiles(pixels, camera, corners))
    found = np.tanh((responses(detail) - NOTHING) / SPREAD)
    found[~np.isfinite(detail).any((1, 2))] = 0
    away = np.hypot(*places.T)[:, None] / 3
    # the distance twice, to give it weight; no direction, because ghosts lie around the middle on any side
    return np.concatenate([*(focal_plane.around(found, places, reach) for reach in REACHES), away, away], 1)
