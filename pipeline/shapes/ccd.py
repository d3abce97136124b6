"""Star shapes of one CCD: from its pixels to one row of numbers.

At most MOST_STARS stars are measured, so a crowded field takes no longer than another. What cannot be measured is NaN,
never 0: a picture, a cut-out without stars, a closed shutter, a CCD whose pixels are too large to show a star's shape.
"""

import math

import numpy as np

from triptych.pipeline.shapes import detection, median_star
from triptych.pipeline.shapes.detection import QUAD, Sources
from triptych.pipeline.shapes.frame import Frame
from triptych.pipeline.shapes.moments import Moments, adaptive_moments

# column -> what it is, with its unit
COLUMNS: dict[str, str] = {
    "n_stars": "stars measured",
    "source_density": "bright sources per square arcminute, stars and galaxies; 0 where there are none",
    "fwhm_arcsec": "median FWHM of the stars, arcsec, by second moments",
    "fwhm_scatter": "scatter of the stars' FWHM, as a share of it",
    "e1": "ellipticity along North, (a^2 - b^2) / (a^2 + b^2) cos 2 PA; below 0 along East",
    "e2": "the same, sin 2 PA: above 0 along North-East, below 0 along North-West",
    "e_scatter": "scatter of e1 and e2 from star to star",
    "concentration": "5 log10(r80 / r20) of the median star: 2.1 for a Gaussian, about 1 for a ring",
    "donut": "ring against centre of the median star, (ring - centre) / (ring + centre): -1 to 1, -0.3 for a Gaussian",
    "double": "second peak of the auto-correlation of the median star: 0 for a single star, 0.45 for two equal images",
    "asymmetry": "1 - correlation of the median star with itself turned by half a turn",
    "kurtosis_major": "excess kurtosis of the median star along its major axis: 0 for a Gaussian, below 0 for a trail",
    "kurtosis_minor": "the same along its minor axis",
    "orientation_entropy": "entropy of the orientations of sources: 1 if they are random, 0 if all are the same",
    "sky_adu": "median sky, ADU",
    "sky_gradient_east": "slope of the sky towards East, ADU per arcmin",
    "sky_gradient_north": "slope of the sky towards North, ADU per arcmin",
    "sky_roughness_adu": "scatter of the sky about that slope, ADU, in cells of 256 pixels",
    "depth_mag": "magnitude of a star of 5 sigma, for one of 1 ADU in the exposure at magnitude 0",
}
MOST_STARS = 40  # linear algebra of 40 cut-outs is small enough to run in one thread: the same bits everywhere
FEWEST_STARS = 5
CANDIDATES = 160
HALF = 16  # pixels from the middle of a cut-out to its edge
FIRST_SIGMA = 2.0  # pixels, where the fit of a star begins
TOO_WIDE = 4.5  # pixels; stars with a longer sigma are measured on pixels twice as large
ZOOMS = (1, 2, 4)  # pixels of the CCD along each side of a pixel of a cut-out
LARGEST_PIXEL = 0.6  # arcsec; larger ones do not show the shape of a star
LEAST_SIDE = 64  # pixels of an image; in a smaller one there is no room for stars and sky
SATURATED = 0.8  # share of the saturation level, from which a star's peak is not trusted
SHARPEST = 0.5  # share of the 3 x 3 pixels about a peak that is in the peak itself; more is a cosmic ray,
SHARP_FLUX = 0.1  # if the peak has this share of the source's flux; less is noise in the hole of a ring
ALIKE = 0.15  # natural logarithm of the sizes of stars, about the commonest
ORIENTED = 0.03  # ellipticity from which a source has an orientation
ORIENTATIONS = 9
DIGITS = 5
FWHM_OF_SIGMA = 2 * math.sqrt(2 * math.log(2))


def unknown() -> dict[str, float]:
    """The row of a CCD of which nothing can be told: NaN in every column."""
    return dict.fromkeys(COLUMNS, math.nan)


def can_measure(shape: tuple[int, ...], frame: Frame) -> bool:
    """Whether an image is large enough, and its pixels small enough, to see the shapes of stars."""
    return min(shape) >= LEAST_SIDE and 0 < frame.scale <= LARGEST_PIXEL


def measure_stars(pixels: np.ndarray, squares: np.ndarray, frame: Frame) -> dict[str, float]:
    """Star shapes of one CCD: COLUMNS -> value, NaN = unknown.

    pixels : (ny, nx) float32, ADU, NaN = nothing recorded. squares : `detection.quads` of them. It never raises: what
    is no sky with stars on it gives NaN.
    """
    row = unknown()
    if not can_measure(pixels.shape, frame):
        return row
    found = detection.find(squares)
    if found is None:
        return row
    row |= _sky(found, frame)
    bright = found.signal_to_noise >= detection.BRIGHT
    row["source_density"] = np.count_nonzero(bright) / (pixels.size * (frame.scale / 60) ** 2)
    centres = _candidates(pixels, found, bright, frame.saturation)
    if len(centres) < FEWEST_STARS:
        return _rounded(row)
    sigma = FIRST_SIGMA
    for zoom in ZOOMS:
        stamps = _stamps(pixels, squares, found, centres, zoom)
        moments = adaptive_moments(stamps, sigma)
        good = moments.good & np.isfinite(moments.sigma)
        # where not even that many fit, they may be wider than the cut-out
        sigma = float(np.median(moments.longest[good])) if good.sum() >= FEWEST_STARS else 4 * FIRST_SIGMA
        if sigma <= TOO_WIDE:
            break
        sigma /= 2
    if good.sum() < FEWEST_STARS:
        return _rounded(row)
    row["orientation_entropy"] = orientation_entropy(*_ellipticity(moments, good, frame)[:2])
    stars = good & _alike(np.log(np.where(good, moments.sigma, 1.0)), good)
    if stars.sum() < FEWEST_STARS:
        return _rounded(row)
    row |= _of_stars(moments, stars, stamps, frame, zoom)
    width = row["fwhm_arcsec"] / FWHM_OF_SIGMA / frame.scale
    row["depth_mag"] = -2.5 * math.log10(5 * found.noise * width * math.sqrt(4 * math.pi))
    return _rounded(row)


def _rounded(row: dict[str, float]) -> dict[str, float]:
    """The row with DIGITS significant digits: more of them say nothing."""
    return {name: float(f"{value:.{DIGITS}g}") for name, value in row.items()}


def _sky(found: Sources, frame: Frame) -> dict[str, float]:
    """Level, slope and roughness of the sky, from its mesh."""
    ny, nx = found.mesh.shape
    side = detection.THINNED * QUAD * QUAD * frame.scale / 60  # arcmin
    y, x = np.mgrid[:ny, :nx] * side
    east = (x * frame.east[0] + y * frame.east[1]) / frame.scale
    north = (x * frame.north[0] + y * frame.north[1]) / frame.scale
    known = np.isfinite(found.mesh)
    level = float(np.median(found.mesh[known])) if known.any() else float(np.median(found.sky))
    row = {"sky_adu": level}
    if known.sum() >= 9 and min(ny, nx) >= 3:
        plane = np.stack([np.ones(known.sum()), east[known], north[known]], 1)
        values = found.mesh[known].astype(float) - level
        fit = np.linalg.lstsq(plane, values, rcond=None)[0]
        row["sky_gradient_east"], row["sky_gradient_north"] = float(fit[1]), float(fit[2])
        row["sky_roughness_adu"] = _scatter(values - plane @ fit)
    return row


def _scatter(values: np.ndarray) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _candidates(pixels: np.ndarray, found: Sources, bright: np.ndarray, saturation: float) -> np.ndarray:
    """Middle pixels of the brightest sources that may be stars: (n, 2) int, row and column.

    Left out are those near the edge, those with pixels that are saturated or were not recorded, and cosmic rays.
    """
    ny, nx = pixels.shape
    row, column = np.rint(found.y).astype(int), np.rint(found.x).astype(int)
    inside = (row > HALF) & (row < ny - HALF - 1) & (column > HALF) & (column < nx - HALF - 1)
    chosen = np.flatnonzero(bright & inside & np.isfinite(found.flux))
    chosen = chosen[np.argsort(-found.flux[chosen], kind="stable")][:CANDIDATES]
    row, column = row[chosen], column[chosen]
    around = np.arange(-3, 4)
    cores = pixels[row[:, None, None] + around[:, None], column[:, None, None] + around]
    sound = np.isfinite(cores).all(axis=(1, 2)) & (cores.max(axis=(1, 2), initial=-np.inf) < SATURATED * saturation)
    cores = cores - found.sky_at(row, column)[:, None, None]
    sound[sound] = ~_sharp(cores[sound], found.flux[chosen][sound])
    kept = np.flatnonzero(sound)[:MOST_STARS]
    return np.stack([row[kept], column[kept]], 1)


def _sharp(cores: np.ndarray, flux: np.ndarray) -> np.ndarray:
    """Which peaks are too sharp for the sky, (n,) bool. cores : (n, 7, 7), ADU above the sky. flux : (n,) ADU."""
    n = len(cores)
    inner = cores[:, 1:-1, 1:-1].reshape(n, 25)
    y, x = np.divmod(inner.argmax(axis=1), 5)
    step = np.arange(3)
    nine = cores[np.arange(n)[:, None, None], (y[:, None] + step)[:, :, None], (x[:, None] + step)[:, None, :]]
    peak = inner.max(axis=1)
    return (peak > SHARPEST * nine.sum(axis=(1, 2))) & (peak > SHARP_FLUX * flux)


def _stamps(pixels: np.ndarray, squares: np.ndarray, found: Sources, centres: np.ndarray, zoom: int) -> np.ndarray:
    """Cut-outs of the sources above the sky: (n, size, size) float32; 0 where nothing was recorded, or off the CCD."""
    on_map = zoom == QUAD
    values, middle = (squares, centres // QUAD) if on_map else (pixels, centres)
    zoom = 1 if on_map else zoom
    half = HALF * zoom
    size = 2 * half + zoom
    cuts = np.full((len(centres), size, size), np.nan, np.float32)
    for cut, (row, column) in zip(cuts, middle - half, strict=True):
        inside = values[max(row, 0) : row + size, max(column, 0) : column + size]
        cut[max(-row, 0) :, max(-column, 0) :][: inside.shape[0], : inside.shape[1]] = inside
    cuts -= found.sky_at(*centres.T)[:, None, None]
    np.copyto(cuts, np.float32(0), where=~np.isfinite(cuts))
    if zoom == 1:
        return cuts
    return cuts.reshape(len(cuts), size // zoom, zoom, size // zoom, zoom).mean(axis=(2, 4), dtype=np.float32)


def _ellipticity(moments: Moments, chosen: np.ndarray, frame: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """e1 and e2 on the sky, and the area-preserving sigma in pixels, of the chosen sources."""
    ee, en, nn = frame.on_sky(moments.xx[chosen], moments.xy[chosen], moments.yy[chosen])
    return (nn - ee) / (nn + ee), 2 * en / (nn + ee), moments.sigma[chosen]


def orientation_entropy(e1: np.ndarray, e2: np.ndarray) -> float:
    """Entropy of the orientations of sources, of which each has e1 and e2, as a share of the highest: 0 to 1.

    NaN if fewer than 12 sources have an orientation. With n sources the entropy comes out too low by about
    (bins - 1) / 2n, which is added (Miller and Madow).
    """
    oriented = np.hypot(e1, e2) >= ORIENTED
    n = int(oriented.sum())
    if n < 12:
        return math.nan
    turns = np.arctan2(e2[oriented], e1[oriented]) / (2 * np.pi)
    # the first bin has the mean orientation in its middle, so that no edge divides what points the same way
    mean = np.angle(np.exp(2j * np.pi * turns).sum()) / (2 * np.pi)
    counts = np.bincount((((turns - mean) * ORIENTATIONS + 0.5) // 1).astype(int) % ORIENTATIONS)
    share = counts[counts > 0] / n
    entropy = -(share * np.log(share)).sum() + (len(share) - 1) / (2 * n)
    return float(min(entropy / math.log(ORIENTATIONS), 1.0))


def _alike(sizes: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Which sources have the commonest size, as stars have, (n,) bool: galaxies are larger, cosmic rays smaller.

    sizes : natural logarithm of sigma. The commonest is the half-sample mode (Bickel and Fruehwirth 2006).
    """
    values = np.sort(sizes[good])
    while len(values) > 3:
        n = math.ceil(len(values) / 2)
        widths = values[n - 1 :] - values[: len(values) - n + 1]
        first = int(np.argmin(widths))
        values = values[first : first + n]
    centre = float(np.mean(values))
    near = np.abs(sizes - centre) < ALIKE
    spread = _scatter(sizes[good & near]) if (good & near).any() else 0.0
    return np.abs(sizes - centre) < max(ALIKE, 3 * spread)


def _of_stars(moments: Moments, stars: np.ndarray, stamps: np.ndarray, frame: Frame, zoom: int) -> dict[str, float]:
    """What the chosen stars say, and their median."""
    e1, e2, sigma = _ellipticity(moments, stars, frame)
    middle = float(np.median(sigma))
    star = median_star.median_star(stamps[stars], moments.flux[stars])
    xx, xy, yy = (float(np.median(values[stars])) for values in (moments.xx, moments.xy, moments.yy))
    covariance = np.array([[xx, xy], [xy, yy]])
    shortest = math.sqrt(max(float(np.linalg.eigvalsh(covariance)[0]), 0.0))
    major, minor = median_star.kurtosis(star, covariance)
    return {
        "n_stars": float(stars.sum()),
        "fwhm_arcsec": FWHM_OF_SIGMA * middle * zoom * frame.scale,
        "fwhm_scatter": _scatter(sigma) / middle,
        "e1": float(np.median(e1)),
        "e2": float(np.median(e2)),
        "e_scatter": math.sqrt((_scatter(e1) ** 2 + _scatter(e2) ** 2) / 2),
        "concentration": median_star.concentration(star),
        "donut": median_star.donut(star),
        "double": median_star.double(star, shortest),
        "asymmetry": median_star.asymmetry(star),
        "kurtosis_major": major,
        "kurtosis_minor": minor,
    }
