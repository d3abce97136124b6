"""Defects of electronics and calibration: bad CCDs, noise, broken frames.

Each function is `(observation, camera, rng) -> Effects` and decides once for the whole focal plane. The returned
`detector(pixels, grid, rng)` changes the finished pixels of one CCD.
"""

import numpy as np

from triptych.pipeline.camera import Camera
from triptych.pipeline.simulation import reflections
from triptych.pipeline.simulation.conditions import Grid, Observation, coarse_grid, refine
from triptych.pipeline.simulation.defect_effect import Effects, between

# CCDs that fail more often than others, as at the telescope.
WEAK_CCDS = ("N15", "N10", "S14", "N9", "S30", "N29", "S22")


def recorded(observation: Observation, camera: Camera) -> list[str]:
    """Names of the CCDs that are completely recorded."""
    return [ccd.name for ccd in camera.ccds if not camera.missing(ccd.name, observation.mjd)]


def _choose(names: list[str], rng, n: int) -> frozenset[str]:
    """At most `n` CCDs. Each is drawn, with a chance of one half, from those that fail most often."""
    weak = [name for name in WEAK_CCDS if name in names]
    return frozenset(str(rng.choice(weak if weak and rng.random() < 0.5 else names)) for _ in range(n))


def _only(ccds: frozenset[str], change) -> Effects:
    """Apply `change(pixels, grid, rng)` to these CCDs only."""

    def detector(pixels, grid: Grid, rng) -> np.ndarray:
        return change(pixels, grid, rng) if grid.ccd.name in ccds else pixels

    return Effects(detector=detector, affected=ccds)


def _amplifier(pixels: np.ndarray, upper: bool) -> tuple[slice, slice]:
    """The half of the array (along axis 1) that is read by one of the two amplifiers."""
    middle = pixels.shape[1] // 2
    return (slice(None), slice(middle, None) if upper else slice(None, middle))


def bad_ccd(observation: Observation, camera: Camera, rng) -> Effects:
    """One to three broken CCDs: a dead or unstable amplifier, a glow, hot columns, or a wrong gain."""
    ccds = _choose(recorded(observation, camera), rng, int(rng.integers(1, 4)))
    kinds = {name: str(rng.choice(["dead", "step", "glow", "columns", "gain"])) for name in sorted(ccds)}
    upper, noise, sky = bool(rng.random() < 0.5), observation.noise, max(observation.sky, 30.0)
    big = between(0.4, 1.0, observation)

    def change(pixels, grid: Grid, rng) -> np.ndarray:
        kind, half = kinds[grid.ccd.name], _amplifier(pixels, upper)
        y, x = np.linspace(-1, 1, pixels.shape[0])[:, None], np.linspace(-1, 1, pixels.shape[1])[None, :]
        pixels = pixels.copy()
        if kind == "dead":
            pixels[half] = rng.normal(0.0, noise / grid.binning, pixels[half].shape)
        elif kind == "step":
            pixels[half] += np.float32(big * (6 * noise + 0.1 * sky)) * np.sign(rng.normal())
        elif kind == "glow":
            corner = rng.choice([-1.0, 1.0], 2) * rng.uniform(0.2, 1.0, 2)
            distance = np.hypot(y - corner[0], (x - corner[1]) * 0.5)
            pixels += (big * 40 * noise * np.exp(-distance / rng.uniform(0.08, 0.25))).astype(np.float32)
        elif kind == "columns":
            level = rng.standard_gamma(0.5, pixels.shape[1]) * big * 7 * noise
            pixels += (level * (rng.random(pixels.shape[1]) < 0.25)).astype(np.float32)
        else:
            pixels[half] = pixels[half] * rng.choice([0.6, 1.5]) + rng.normal(
                0, 4 * noise / grid.binning, pixels[half].shape
            )
            pixels += np.float32(0.02 * sky) * np.sin(30 * y).astype(np.float32)
        return pixels

    return _only(ccds, change)


def noise(observation: Observation, camera: Camera, rng) -> Effects:
    """Electronic noise far above normal, on one CCD, on those of one crate, or on all; often with a pattern."""
    scope = rng.choice(["one", "crate", "all"], p=[0.25, 0.45, 0.3])
    live = recorded(observation, camera)
    if scope == "one":
        ccds = _choose(live, rng, 1)
    elif scope == "crate":
        first = int(rng.integers(max(1, len(live) - 9)))
        ccds = frozenset(live[first : first + int(rng.integers(6, 12))])
    else:
        ccds = frozenset(live)
    kind = str(rng.choice(["white", "banding", "herring"]))
    size = between(2.5, 8.0, observation) * observation.noise
    period, slope = rng.uniform(90, 240), rng.uniform(0.3, 1.2)

    def change(pixels, grid: Grid, rng) -> np.ndarray:
        white = size * (1.0 if kind == "white" else 0.4) / grid.binning
        pixels = pixels + rng.normal(0, white, pixels.shape).astype(np.float32)
        if kind == "banding":
            rows = rng.normal(0, 0.22 * size, pixels.shape[0])
            rows = np.convolve(rows, np.ones(3) / 3**0.5, "same")
            pixels += rows[:, None].astype(np.float32)
        elif kind == "herring":
            y, x = grid.y[:, None].astype(np.float32), grid.x[None, :].astype(np.float32)
            wave = np.sin(2 * np.pi / period * (y + slope * np.abs(x - x.mean())) + rng.uniform(0, 6.3))
            pixels += np.float32(0.35 * size) * wave * (1 + 0.5 * np.sin(y / 700))
        return pixels

    return _only(ccds, change)


def wonky(observation: Observation, camera: Camera, rng) -> Effects:
    """Frames broken in ways that have no name: rows read out of place, a quilted sky, damped bands across the CCDs."""
    kind = str(rng.choice(["rows", "quilt", "bands"]))
    live = recorded(observation, camera)
    chosen = frozenset(name for name in live if rng.random() < between(0.5, 1.0, observation)) or frozenset(live)
    size = between(1.5, 5.0, observation) * observation.noise
    quilt = reflections.waves(rng, scale=900, n=24, stretch=2.5, angle=rng.uniform(0, np.pi))

    def rows(pixels, grid: Grid, rng) -> np.ndarray:
        ny, nx = pixels.shape
        pixels = pixels.copy()
        for part in np.split(np.arange(ny), np.sort(rng.integers(0, ny, 5))):
            shift = int(rng.integers(-nx // 3, nx // 3))
            pixels[part] = np.roll(pixels[part], shift, axis=1) + np.float32(0.15 * size * rng.normal())
        return pixels

    def waved(pixels, grid: Grid, rng) -> np.ndarray:
        coarse = coarse_grid(grid, 64)
        return pixels + refine(0.5 * size * quilt(coarse.u, coarse.v), coarse, grid)

    def bands(pixels, grid: Grid, rng) -> np.ndarray:
        away = (grid.y - rng.uniform(0.1, 0.9) * grid.y[-1])[:, None]
        wave = np.cos(away / rng.uniform(45, 110)) * np.exp(-np.abs(away) / rng.uniform(250, 600))
        return pixels + (1.2 * size * wave + 0.25 * size * (away > 0)).astype(np.float32)

    return _only(chosen, {"rows": rows, "quilt": waved, "bands": bands}[kind])
