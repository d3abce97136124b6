"""The median of a CCD's stars, and what tells rings, doubles and trails from round stars in it."""

import functools

import numpy as np
from scipy import ndimage

DIRECTIONS = 24  # of half a turn
RADIUS_STEPS = 3  # per pixel
SHARES = (0.2, 0.5, 0.8)


def median_star(stamps: np.ndarray, flux: np.ndarray) -> np.ndarray:
    """The median of stars that were brought to flux 1: (size, size) float64.

    stamps : (n, size, size), ADU above the sky, each star in the middle. flux : (n,) ADU.
    """
    n, size, _ = stamps.shape
    ordered = np.sort((stamps / flux[:, None, None].astype(np.float32)).reshape(n, -1), axis=0)
    star = ((ordered[(n - 1) // 2] + ordered[n // 2]) / 2).reshape(size, size).astype(float)
    rim = np.concatenate([star[0], star[-1], star[1:-1, 0], star[1:-1, -1]])
    return star - np.median(rim)


def radii(star: np.ndarray) -> tuple[float, float, float]:
    """Radii, in pixels, within which SHARES of the light are; NaN where there is none.

    star : (size, size), the star in the middle.
    """
    light, _ = _by_radius(star)
    grown = np.maximum.accumulate(np.cumsum(light))
    if not grown[-1] > 0:
        return np.nan, np.nan, np.nan
    grown = grown / grown[-1]
    circle = np.sqrt((np.arange(len(grown)) + 1) / np.pi)  # with the area of that many pixels
    r20, r50, r80 = (float(np.interp(share, grown, circle)) for share in SHARES)
    return r20, r50, r80


def _by_radius(star: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels within the circle that fits in the cut-out, and their radii, from the middle outwards."""
    order, radius = _outwards(star.shape[0])
    return star.ravel()[order], radius


@functools.cache
def _outwards(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the pixels within the circle that fits in a square, from the middle outwards, and their radii."""
    half = (size - 1) / 2
    y, x = np.mgrid[:size, :size] - half
    radius = np.hypot(x, y).ravel()
    inside = np.flatnonzero(radius <= half)
    order = inside[np.argsort(radius[inside], kind="stable")]
    return order, radius[order]


def concentration(star: np.ndarray) -> float:
    """5 log10(r80 / r20), as for galaxies: 2.1 for a Gaussian, more for wide wings, about 1 for a ring."""
    r20, _, r80 = radii(star)
    return float(5 * np.log10(r80 / r20)) if r20 > 0 and r80 > 0 else np.nan


def donut(star: np.ndarray) -> float:
    """Ring against centre, (ring - centre) / (ring + centre): -0.3 for a Gaussian, up to 1 for a ring with a dark hole.

    The centre reaches to 0.4 of the half-light radius, the ring from 0.8 to 1.2 of it.
    """
    _, r50, _ = radii(star)
    light, radius = _by_radius(star)
    if not r50 > 0:
        return np.nan
    centre = light[radius <= max(0.4 * r50, 0.75)].mean()
    ring = light[(radius >= 0.8 * r50) & (radius <= max(1.2 * r50, 0.8 * r50 + 1))].mean()
    total = centre + ring
    return float(np.clip((ring - centre) / total, -1, 1)) if total > 0 else np.nan


def double(star: np.ndarray, sigma: float) -> float:
    """Highest second peak of the star's auto-correlation, in one direction above the others: 0 to about 0.45.

    0 for round stars, near 0 for trails and rings; two equal images that do not overlap give 0.45. What is wider than
    the star's own blur is first taken away, so that images 1.5 FWHM apart show. sigma : pixels, along the minor axis.
    """
    size = star.shape[0]
    side = 2 * size + 6
    ky, kx = np.fft.fftfreq(side)[:, None] * 2 * np.pi, np.fft.rfftfreq(side)[None] * 2 * np.pi
    sharpened = (1 - np.exp(-0.5 * sigma**2 * (ky**2 + kx**2))) ** 2
    power = np.abs(np.fft.rfft2(star, (side, side))) ** 2 * sharpened
    correlation = np.fft.fftshift(np.fft.irfft2(power, (side, side)))
    middle = side // 2
    if not correlation[middle, middle] > 0:
        return np.nan
    reach = np.arange(0, size * 0.7, 1 / RADIUS_STEPS)
    angle = np.arange(DIRECTIONS) * np.pi / DIRECTIONS
    places = middle + reach * np.sin(angle)[:, None], middle + reach * np.cos(angle)[:, None]
    profiles = ndimage.map_coordinates(correlation / correlation[middle, middle], places, order=1)
    beyond = np.maximum.accumulate(profiles < 0, axis=1)  # the first peak has ended
    second = np.where(beyond, profiles, 0).max(axis=1)
    return float(np.clip(second.max() - np.median(second), 0, 1))


def asymmetry(star: np.ndarray) -> float:
    """1 minus the correlation of the star with itself turned by half a turn: 0 for a symmetric one."""
    if not star.std() > 0:
        return np.nan
    return float(1 - np.corrcoef(star.ravel(), star[::-1, ::-1].ravel())[0, 1])


def kurtosis(star: np.ndarray, covariance: np.ndarray) -> tuple[float, float]:
    """Excess kurtosis along the major and the minor axis, of the star weighted by a Gaussian of its own moments.

    star : (size, size). covariance : (2, 2), pixels squared, of (x, y). 0 for a Gaussian, below 0 for trails and more
    so for doubles and rings, above 0 for a sharp core with wide wings. NaN where it cannot be told.
    """
    half = (star.shape[0] - 1) / 2
    y, x = np.mgrid[: star.shape[0], : star.shape[1]] - half
    values, vectors = np.linalg.eigh(covariance)
    if not values[0] > 0:
        return np.nan, np.nan
    axes = [x * vector[0] + y * vector[1] for vector in vectors.T]
    light = star * np.exp(-0.5 * (axes[0] ** 2 / values[0] + axes[1] ** 2 / values[1]))
    total = light.sum()
    if not total > 0:
        return np.nan, np.nan
    found = []
    for axis in axes[::-1]:
        away = axis - (light * axis).sum() / total
        second = (light * away**2).sum() / total
        found.append(float((light * away**4).sum() / total / second**2 - 3) if second > 0 else np.nan)
    return found[0], found[1]
