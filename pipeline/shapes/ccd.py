"""Star shapes of one CCD: from its pixels to one row of numbers.

At most MOST_STARS stars are measured, so a crowded field takes no longer than another. What cannot be measured is NaN,
never 0: a picture, a cut-out without stars, a closed shutter, a CCD whose pixels are too large to show a star's shape.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from triptych.pipeline.shapes import detection, median_star
from triptych.pipeline.shapes.detection import QUAD, Sources, median
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
STRIP = 2048  # rows that are looked at together, half of DECam's; fewer would take longer
CELL = QUAD * QUAD  # pixels along each side of a cell of the sky
THINNED = 4  # every so many cells, the sky is taken for its slope
FEWEST_CELLS = 9
MOST_STARS = 40  # linear algebra of 40 cut-outs is small enough to run in one thread: the same bits everywhere
FEWEST_STARS = 5
CANDIDATES = 160
HALF = 16  # pixels from the middle of a cut-out to its edge
SIZE = 2 * HALF + 1
FIRST_SIGMA = {1: 2.0, QUAD: 4.0}  # pixels, or squares, where the fit of a star begins
TOO_WIDE = 6.0  # pixels; stars with a longer sigma are measured on squares of 4 x 4 pixels
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


def strip_rows(shape: tuple[int, ...]) -> int:
    """Rows in each strip of a CCD, the last of which may have fewer: about STRIP, a multiple of the sky's cells."""
    strips = max(1, round(shape[0] / STRIP))
    return max(1, math.ceil(shape[0] / strips / CELL)) * CELL


def measure_stars(pixels: np.ndarray, frame: Frame) -> dict[str, float]:
    """Star shapes of one CCD: COLUMNS -> value, NaN = unknown.

    pixels : (ny, nx) float32, ADU, NaN = nothing recorded. It never raises: what is no sky with stars on it gives NaN.
    """
    stars = StarShapes(pixels.shape, frame)
    step = strip_rows(pixels.shape)
    for top in range(0, len(pixels), step):
        strip = pixels[top : top + step]
        stars.add(strip, detection.quads(strip) if stars.possible else strip[:0])
    return stars.row()


class StarShapes:
    """Star shapes of one CCD that comes in strips, from the first row to the last, as a decoder makes them.

    So no more than a strip of it is in memory. A star is not measured where it is cut by the edge of a strip.
    """

    def __init__(self, shape: tuple[int, ...], frame: Frame):
        self.shape, self.frame = shape, frame
        self.possible = can_measure(shape, frame)
        self._rows = self._squares = 0  # that have come
        self._found: list[_Strip] = []

    def add(self, pixels: np.ndarray, squares: np.ndarray) -> None:
        """Add a strip of `strip_rows`. pixels : (rows, nx) float32, ADU. squares : `detection.quads` of them."""
        if not self.possible:
            return
        found = detection.find(squares) if min(squares.shape) else None
        if found is None:
            self._found.append(_Strip(np.zeros_like(squares), None))
        else:
            bright = found.signal_to_noise >= detection.BRIGHT
            centres, flux = _candidates(pixels, found, bright, self.frame.saturation)
            self._found.append(
                _Strip(
                    found.above,
                    found.noise,
                    found.sky,
                    self._rows / CELL,
                    int(np.count_nonzero(bright)),
                    flux,
                    centres // QUAD + [self._squares, 0],
                    _cut_outs(pixels, centres) - _sky_at(found.sky, centres)[:, None, None],
                )
            )
        self._rows += len(pixels)
        self._squares += len(squares)

    def row(self) -> dict[str, float]:
        """COLUMNS -> value, NaN = unknown, when all strips have come."""
        row = unknown()
        seen = [strip for strip in self._found if strip.noise is not None]
        if not seen:
            return row
        noise = median(np.array([strip.noise for strip in seen]))
        row |= _sky(seen, self.frame)
        row["source_density"] = sum(strip.n_bright for strip in seen) / (
            math.prod(self.shape) * (self.frame.scale / 60) ** 2
        )
        flux = np.concatenate([strip.flux for strip in seen])
        brightest = np.argsort(-flux, kind="stable")[:MOST_STARS]
        if len(brightest) >= FEWEST_STARS:
            fine = np.concatenate([strip.stamps for strip in seen])[brightest]
            middles = np.concatenate([strip.middles for strip in seen])[brightest]
            row |= self._shapes(fine, middles, noise)
        return _rounded(row)

    def _shapes(self, fine: np.ndarray, middles: np.ndarray, noise: float) -> dict[str, float]:
        """What the candidates tell. fine : cut-outs (n, SIZE, SIZE). middles : (n, 2) int, their squares."""
        zoom, stamps = 1, np.where(np.isfinite(fine), fine, np.float32(0))
        moments = adaptive_moments(stamps, FIRST_SIGMA[zoom])
        if not _fits(moments):
            zoom, above = QUAD, np.concatenate([strip.above for strip in self._found])
            stamps = _cut_outs(np.pad(above, HALF), middles + HALF)
            moments = adaptive_moments(stamps, FIRST_SIGMA[zoom])
        good = moments.good
        if good.sum() < FEWEST_STARS:
            return {}
        row = {"orientation_entropy": orientation_entropy(*_ellipticity(moments, good, self.frame)[:2])}
        stars = good & _alike(np.log(np.where(good, moments.sigma, 1.0)), good)
        if stars.sum() < FEWEST_STARS:
            return row
        row |= _of_stars(moments, stars, stamps, self.frame, zoom)
        width = row["fwhm_arcsec"] / FWHM_OF_SIGMA / self.frame.scale
        return row | {"depth_mag": -2.5 * math.log10(5 * noise * width * math.sqrt(4 * math.pi))}


@dataclass(frozen=True)
class _Strip:
    """What is kept of a strip. above : as in Sources. noise : None where nothing can be told from it.

    first : of its rows, in cells of the sky. n_bright : bright sources. flux : (n,) ADU of its candidates. middles :
    (n, 2) int, their squares on the CCD. stamps : (n, SIZE, SIZE) float32, ADU above the sky, NaN = nothing recorded.
    """

    above: np.ndarray
    noise: float | None
    sky: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))
    first: float = 0.0
    n_bright: int = 0
    flux: np.ndarray = field(default_factory=lambda: np.empty(0))
    middles: np.ndarray = field(default_factory=lambda: np.empty((0, 2), int))
    stamps: np.ndarray = field(default_factory=lambda: np.empty((0, SIZE, SIZE), np.float32))


def _fits(moments: Moments) -> bool:
    """Whether the stars are no wider than fits into cut-outs of the CCD's own pixels."""
    good = moments.good
    return bool(good.sum() >= FEWEST_STARS and median(moments.longest[good]) <= TOO_WIDE)


def _rounded(row: dict[str, float]) -> dict[str, float]:
    """The row with DIGITS significant digits: more of them say nothing."""
    return {name: float(f"{value:.{DIGITS}g}") for name, value in row.items()}


def _sky(strips: list["_Strip"], frame: Frame) -> dict[str, float]:
    """Level, slope and roughness of the sky, from every THINNED-th cell of it."""
    places, values = [], []
    for strip in strips:
        thinned = strip.sky[THINNED // 2 :: THINNED, THINNED // 2 :: THINNED]
        y, x = np.nonzero(np.isfinite(thinned))
        places.append(np.stack([y * THINNED + THINNED // 2 + strip.first, x * THINNED + THINNED // 2], 1))
        values.append(thinned[y, x])
    place, level = np.concatenate(places) * (CELL / 60), np.concatenate(values).astype(float)  # pixels / 60
    if not len(level):
        return {"sky_adu": float(np.nanmedian(strips[0].sky))}
    middle = median(level)
    row = {"sky_adu": middle}
    if len(level) >= FEWEST_CELLS and (np.ptp(place, axis=0) > 0).all():
        east = place[:, 1] * frame.east[0] + place[:, 0] * frame.east[1]
        north = place[:, 1] * frame.north[0] + place[:, 0] * frame.north[1]
        plane = np.stack([np.ones(len(level)), east, north], 1)
        fit = np.linalg.lstsq(plane, level - middle, rcond=None)[0]
        row["sky_gradient_east"], row["sky_gradient_north"] = float(fit[1]), float(fit[2])
        row["sky_roughness_adu"] = _scatter(level - middle - plane @ fit)
    return row


def _scatter(values: np.ndarray) -> float:
    return 1.4826 * median(np.abs(values - median(values)))


def _candidates(
    pixels: np.ndarray, found: Sources, bright: np.ndarray, saturation: float
) -> tuple[np.ndarray, np.ndarray]:
    """The brightest sources that may be stars: middles (n, 2) int, row and column, and flux (n,).

    Left out are those near the edge, those with pixels that are saturated or were not recorded, and cosmic rays.
    """
    ny, nx = pixels.shape
    row, column = np.rint(found.y).astype(int), np.rint(found.x).astype(int)
    inside = (row >= HALF) & (row < ny - HALF) & (column >= HALF) & (column < nx - HALF)
    chosen = np.flatnonzero(bright & inside & np.isfinite(found.flux))
    chosen = chosen[np.argsort(-found.flux[chosen], kind="stable")][:CANDIDATES]
    middles = np.stack([row[chosen], column[chosen]], 1)
    around = np.arange(-3, 4)
    cores = pixels[middles[:, 0, None, None] + around[:, None], middles[:, 1, None, None] + around]
    sound = np.isfinite(cores).all(axis=(1, 2)) & (cores.max(axis=(1, 2), initial=-np.inf) < SATURATED * saturation)
    above = cores - _sky_at(found.sky, middles)[:, None, None]
    sound[sound] = ~_sharp(above[sound], found.flux[chosen][sound])
    kept = np.flatnonzero(sound)[:MOST_STARS]
    return middles[kept], found.flux[chosen][kept]


def _sky_at(sky: np.ndarray, middles: np.ndarray) -> np.ndarray:
    """The sky, ADU, (n,) float32, at pixels (n, 2) of a strip."""
    row, column = np.minimum(middles // CELL, np.array(sky.shape) - 1).T
    return sky[row, column]


def _cut_outs(values: np.ndarray, middles: np.ndarray) -> np.ndarray:
    """Cut-outs of SIZE x SIZE about middles (n, 2), all inside: (n, SIZE, SIZE) float32."""
    cuts = np.empty((len(middles), SIZE, SIZE), np.float32)
    for cut, (row, column) in zip(cuts, middles - HALF, strict=True):
        cut[:] = values[row : row + SIZE, column : column + SIZE]
    return cuts


def _sharp(cores: np.ndarray, flux: np.ndarray) -> np.ndarray:
    """Which peaks are too sharp for the sky, (n,) bool. cores : (n, 7, 7), ADU above the sky. flux : (n,) ADU."""
    n = len(cores)
    inner = cores[:, 1:-1, 1:-1].reshape(n, 25)
    y, x = np.divmod(inner.argmax(axis=1), 5)
    step = np.arange(3)
    nine = cores[np.arange(n)[:, None, None], (y[:, None] + step)[:, :, None], (x[:, None] + step)[:, None, :]]
    peak = inner.max(axis=1)
    return (peak > SHARPEST * nine.sum(axis=(1, 2))) & (peak > SHARP_FLUX * flux)


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
    middle = median(sigma)
    star = median_star.median_star(stamps[stars], moments.flux[stars])
    xx, xy, yy = (median(values[stars]) for values in (moments.xx, moments.xy, moments.yy))
    covariance = np.array([[xx, xy], [xy, yy]])
    shortest = math.sqrt(max(float(np.linalg.eigvalsh(covariance)[0]), 0.0))
    major, minor = median_star.kurtosis(star, covariance)
    return {
        "n_stars": float(stars.sum()),
        "fwhm_arcsec": FWHM_OF_SIGMA * middle * zoom * frame.scale,
        "fwhm_scatter": _scatter(sigma) / middle,
        "e1": median(e1),
        "e2": median(e2),
        "e_scatter": math.sqrt((_scatter(e1) ** 2 + _scatter(e2) ** 2) / 2),
        "concentration": median_star.concentration(star),
        "donut": median_star.donut(star),
        "double": median_star.double(star, shortest),
        "asymmetry": median_star.asymmetry(star),
        "kurtosis_major": major,
        "kurtosis_minor": minor,
    }
