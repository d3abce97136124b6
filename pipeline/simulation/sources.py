"""Stars and galaxies: a catalogue for each field, drawn with GalSim and added to the CCDs.

GalSim draws each kind of source once per exposure, finely sampled. Stamps for every sub-pixel position are cut from
that drawing. So sixty thousand sources take a fraction of a second, and still have GalSim's profiles.
"""

from dataclasses import dataclass

import galsim
import numpy as np

from triptych.pipeline.simulation.conditions import BANDS, PIXEL_SCALE, SATURATION, Field, Observation

PHASES = 4  # number of positions within a pixel, along each axis
FAINTEST = 22.3  # r magnitude
BRIGHTEST = 9.0
STAR, WIDE_STAR, BRIGHT_STAR = 0, 1, 2
WIDE_BELOW, BRIGHT_BELOW = 17.0, 13.5  # r magnitudes; brighter stars need a larger stamp
GALAXY_SIZES = (0.35, 0.8, 1.8, 4.5)  # half-light radius, arcsec
GALAXY_SHAPES = ((0.0, 0.0), (0.35, 0.0), (-0.2, 0.3), (-0.2, -0.3))  # shears g1, g2
SMALL_STAMP = 16  # stamps up to this half size are added all at once
GSPARAMS = galsim.GSParams(maximum_fft_size=16384, folding_threshold=1e-2, maxk_threshold=2e-3)


@dataclass(frozen=True)
class Catalogue:
    """Sources of one field. u, v : detector pixels from the field's centre. r, colour : magnitudes (colour is r - i).
    kind : STAR, WIDE_STAR, BRIGHT_STAR, or 3 + galaxy template."""

    u: np.ndarray
    v: np.ndarray
    r: np.ndarray
    colour: np.ndarray
    kind: np.ndarray

    def select(self, chosen: np.ndarray) -> "Catalogue":
        """Some of the sources. chosen : (n,) bool, or places"""
        return Catalogue(self.u[chosen], self.v[chosen], self.r[chosen], self.colour[chosen], self.kind[chosen])


def catalogue(field: Field, canvas: tuple[int, int]) -> Catalogue:
    """The sources of a field, on the camera's canvas plus a margin for dithers. The same for every visit."""
    rng = np.random.default_rng([field.seed, 11])
    width, height = canvas[0] + 1600, canvas[1] + 1600
    area = width * height * (PIXEL_SCALE / 3600) ** 2
    # towards the Milky Way, mainly the number of faint stars increases
    star_r = _magnitudes(rng, slope=0.20 if field.stars < 4 else 0.28, at_20=900 * field.stars, area=area)
    galaxy_r = _magnitudes(rng, slope=0.38, at_20=1910, area=area)
    galaxy_r = galaxy_r[galaxy_r > 13.5]
    star_kind = np.where(star_r < BRIGHT_BELOW, BRIGHT_STAR, np.where(star_r < WIDE_BELOW, WIDE_STAR, STAR))
    radius = 0.75 * 10 ** (-0.13 * (galaxy_r - 20.0)) * np.exp(0.35 * rng.standard_normal(len(galaxy_r)))
    size = np.abs(np.log(radius[:, None] / np.array(GALAXY_SIZES))).argmin(axis=1)
    shape = rng.integers(len(GALAXY_SHAPES), size=len(galaxy_r))
    n = len(star_r) + len(galaxy_r)
    return Catalogue(
        rng.uniform(-width / 2, width / 2, n),
        rng.uniform(-height / 2, height / 2, n),
        np.concatenate([star_r, galaxy_r]),
        np.concatenate([rng.normal(1.0, 0.5, len(star_r)), rng.normal(0.9, 0.3, len(galaxy_r))]),
        np.concatenate([star_kind, 3 + size * len(GALAXY_SHAPES) + shape]),
    )


def _magnitudes(rng, *, slope: float, at_20: float, area: float) -> np.ndarray:
    """Magnitudes with counts that rise as 10^(slope r), and are `at_20` per magnitude and square degree at r = 20."""
    expected = area * at_20 * 10 ** (slope * (FAINTEST - 20)) / (slope * np.log(10))
    r = FAINTEST + np.log10(1 - rng.random(rng.poisson(expected))) / slope
    return r[r > BRIGHTEST]


def counts(observation: Observation, sources: Catalogue) -> np.ndarray:
    """Total light of each source after the atmosphere, ADU summed over detector pixels."""
    magnitude = sources.r - BANDS[observation.band].colour * sources.colour
    return 10 ** (-0.4 * (magnitude - observation.magnitude_of_one_adu))


@dataclass(frozen=True)
class Blur:
    """What smears all images in addition to the seeing. profile : GalSim profile. reach : its radius, arcsec."""

    profile: galsim.GSObject
    reach: float


def draw_stamps(
    observation: Observation, binning: int, blur: Blur | None = None, *, others: list[np.ndarray] | None = None
) -> list[np.ndarray]:
    """Stamps of every kind of source: (PHASES, PHASES, size, size) float32 each, size odd, sum about 1.

    others : stamps to take for galaxies and the brightest stars, which take longest, instead of drawing them.
    """
    scale = PIXEL_SCALE * binning
    reach = blur.reach if blur else 0.0
    seeing = galsim.Kolmogorov(fwhm=observation.fwhm)
    aureole = galsim.Moffat(beta=1.5, fwhm=3 * observation.fwhm)
    wide = 0.96 * seeing + 0.04 * aureole
    near = reach + 2.5 * observation.fwhm
    kinds = [(seeing, near), (wide, reach + max(12.0, 8 * observation.fwhm)), (wide, reach + 100.0)]
    if others:
        kinds = kinds[:BRIGHT_STAR]
        blurred = [(galsim.Convolve(profile, blur.profile), half) for profile, half in kinds] if blur else kinds
        drawn = [_phased(profile, scale, int(np.ceil(half / scale)) + 1) for profile, half in blurred]
        return [*drawn, *others[BRIGHT_STAR:]]
    for radius in GALAXY_SIZES:
        round_ones = blur and radius < 1.0  # a blur hides the shape of a small galaxy
        for g1, g2 in GALAXY_SHAPES[:1] if round_ones else GALAXY_SHAPES:
            galaxy = galsim.Exponential(half_light_radius=radius).shear(g1=g1, g2=g2)
            kinds.append((galsim.Convolve(galaxy, seeing), near + 3.5 * radius))
    if blur:
        kinds = [(galsim.Convolve(profile, blur.profile), half) for profile, half in kinds]
    stamps = [_phased(profile, scale, int(np.ceil(half / scale)) + 1) for profile, half in kinds]
    if blur:
        n = len(GALAXY_SHAPES)
        stamps = [*stamps[:3], *n * stamps[3:4], *n * stamps[4:5], *stamps[5:]]
    if not blur:
        stamps[BRIGHT_STAR] = stamps[BRIGHT_STAR] + _spikes(stamps[BRIGHT_STAR].shape[-1] // 2, scale)
    return stamps


def _phased(profile: galsim.GSObject, scale: float, half: int) -> np.ndarray:
    """Draw once with PHASES samples per pixel, then cut the stamp of each phase: (PHASES, PHASES, size, size).

    size is 2 half + 1.
    """
    side = (2 * half + 2) * PHASES
    fine = galsim.Convolve(profile, galsim.Pixel(scale), gsparams=GSPARAMS)
    image = fine.drawImage(nx=side, ny=side, scale=scale / PHASES, method="no_pixel").array * PHASES**2
    first = np.arange(2 * half + 1) * PHASES
    stamps = np.empty((PHASES, PHASES, 2 * half + 1, 2 * half + 1), np.float32)
    for row in range(PHASES):
        for column in range(PHASES):
            y, x = (first + 3 * PHASES // 2 - phase - 1 for phase in (row, column))
            stamps[row, column] = image[np.ix_(y, x)]
    return stamps


def _spikes(half: int, scale: float) -> np.ndarray:
    """Diffraction spikes of the four vanes: (size, size), 0.6 % of the light. The X is the same in array and on sky."""
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32) * scale
    along, across = (x + y) / np.sqrt(2), (x - y) / np.sqrt(2)
    width = np.float32(max(0.7, 0.6 * scale))
    one, other = (
        np.exp(-0.5 * (b / width) ** 2) * np.exp(-np.abs(a) / 28.0) for a, b in ((along, across), (across, along))
    )
    light = one + other
    return (0.006 * light / light.sum()).astype(np.float32)


def add_sources(
    pixels: np.ndarray, y: np.ndarray, x: np.ndarray, light: np.ndarray, kind: np.ndarray, stamps: list[np.ndarray]
) -> None:
    """Add sources to one CCD, in place.

    pixels : (ny, nx) float32. y, x : positions in these pixels. light : sum over the pixels. kind : index into stamps.
    """
    ny, nx = pixels.shape
    for index, stamp in enumerate(stamps):
        half = stamp.shape[-1] // 2
        mine = (kind == index) & (y > -half - 1) & (y < ny + half) & (x > -half - 1) & (x < nx + half)
        if not mine.any():
            continue
        rows, columns = np.rint(y[mine]).astype(int), np.rint(x[mine]).astype(int)
        phase_y = np.clip(((y[mine] - rows + 0.5) * PHASES).astype(int), 0, PHASES - 1)
        phase_x = np.clip(((x[mine] - columns + 0.5) * PHASES).astype(int), 0, PHASES - 1)
        amount = light[mine].astype(np.float32)
        add = _scatter if half <= SMALL_STAMP else _add_one_by_one
        add(pixels, stamp, rows, columns, phase_y, phase_x, amount)


def _scatter(pixels, stamp, rows, columns, phase_y, phase_x, light) -> None:
    """Add many small stamps at once. rows, columns : pixel of each stamp's centre."""
    (ny, nx), size = pixels.shape, stamp.shape[-1]
    padded = np.zeros((ny + 2 * size, nx + 2 * size), np.float32)
    flat, width = padded.reshape(-1), padded.shape[1]
    offset = (np.arange(size)[:, None] * width + np.arange(size)).ravel()
    corner = (rows + size - size // 2) * width + columns + size - size // 2
    for start in range(0, len(rows), 4000):
        part = slice(start, start + 4000)
        light_of_stamps = stamp[phase_y[part], phase_x[part]].reshape(-1, size * size) * light[part, None]
        np.add.at(flat, (corner[part, None] + offset).ravel(), light_of_stamps.ravel())
    pixels += padded[size : size + ny, size : size + nx]


def _add_one_by_one(pixels, stamp, rows, columns, phase_y, phase_x, light) -> None:
    """Add a few large stamps. For the arguments see `_scatter`."""
    half = stamp.shape[-1] // 2
    for row, column, py, px, amount in zip(rows - half, columns - half, phase_y, phase_x, light, strict=True):
        target = pixels[max(row, 0) : row + 2 * half + 1, max(column, 0) : column + 2 * half + 1]
        part = stamp[py, px][max(-row, 0) :, max(-column, 0) :]
        target += amount * part[: target.shape[0], : target.shape[1]]


def add_bleeds(pixels: np.ndarray, y, x, light: np.ndarray, observation: Observation, binning: int) -> None:
    """Add the bleed trails of saturated stars along the columns (array axis 0), in place.

    light : ADU summed over detector pixels. y, x : positions in binned pixels of this CCD.
    """
    nx = pixels.shape[1]
    peak = light / (1.13 * (observation.fwhm / PIXEL_SCALE) ** 2)  # of a Gaussian, in its central detector pixel
    for row, column, ratio in zip(y, x, peak / SATURATION, strict=True):
        if ratio <= 1.5 or not (0 <= column < nx):
            continue
        length = min(6.0 * ratio**0.62, 1800.0) / binning
        width = min(2.0 + ratio**0.35, 24.0) / binning
        first, last = max(int(row - length), 0), max(int(row + length) + 1, 0)
        left, right = column - width / 2, column + width / 2
        for c in range(max(int(np.floor(left)), 0), min(int(np.ceil(right)) + 1, nx)):
            cover = min(right, c + 0.5) - max(left, c - 0.5)
            if cover > 0:
                pixels[first:last, c] = np.maximum(pixels[first:last, c], SATURATION * min(cover, 1.0))
