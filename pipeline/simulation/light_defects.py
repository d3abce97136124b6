"""Defects of unwanted light: twilight, cloud, ghosts, fringes, trails, a bright star.

Each function is `(observation, camera, rng) -> Effects` and decides once for the whole focal plane.
"""

import numpy as np

from triptych.pipeline.camera import Camera
from triptych.pipeline.simulation import reflections
from triptych.pipeline.simulation.conditions import PIXEL_SCALE, SATURATION, Grid, Observation
from triptych.pipeline.simulation.defect_effect import CROSSED_SHARE, VISIBLE_DIMMING, Effects, between, lit


def saturated(observation: Observation, camera: Camera, rng) -> Effects:
    """Twilight or dome light: the whole focal plane is at or near saturation, with a gradient."""
    level = between(0.62, 1.25, observation) * SATURATION
    slope = rng.uniform(-0.06, 0.06, 2) / (camera.canvas[0] / 2)
    glow = reflections.waves(rng, scale=9000)

    def light(grid: Grid) -> np.ndarray:
        return level * (1 + slope[0] * grid.u + slope[1] * grid.v + 0.03 * glow(grid.u, grid.v))

    return Effects(light=light, step=64, affected=None)


def clouds(observation: Observation, camera: Camera, rng) -> Effects:
    """Cloud: stars are dimmed and patchy, and the sky is brighter and uneven where the cloud is thick."""
    return _cloud(observation, rng, depth=between(0.5, 2.6, observation), glow=rng.uniform(0.08, 0.22))


def thin_cirrus(observation: Observation, camera: Camera, rng) -> Effects:
    """A thin veil that absorbs a few per cent of the light: suspicious, but good."""
    return _cloud(observation, rng, depth=between(0.04, 0.10, observation), glow=rng.uniform(0.10, 0.20))


def _cloud(observation: Observation, rng, *, depth: float, glow: float) -> Effects:
    """depth : typical optical depth. glow : light of the densest cloud, relative to the sky."""
    angle, drift = rng.uniform(0, np.pi), rng.uniform(1.5, 3.5)
    large = reflections.waves(rng, scale=rng.uniform(7000, 12000), stretch=drift, angle=angle)
    small = reflections.waves(rng, scale=2500, stretch=drift, angle=angle)

    def kept(u, v):
        return np.exp(-depth * np.exp(0.45 * large(u, v) + 0.10 * small(u, v)))

    def affected(grid: Grid, light: np.ndarray) -> bool:
        return bool(1 - light.mean() / (glow * observation.sky) < VISIBLE_DIMMING)

    return Effects(
        light=lambda grid: glow * observation.sky * (1 - kept(grid.u, grid.v)),
        step=128,
        dimming=kept,
        affected=affected,
    )


def ghost_scatter(observation: Observation, camera: Camera, rng) -> Effects:
    """Reflections and scattered light of a bright star, which cross CCDs: pupil images, arcs, rays, bursts."""
    radius = 0.42 * camera.canvas[0]
    angle = rng.uniform(0, 2 * np.pi)
    direction = np.array([np.cos(angle), np.sin(angle)])
    bright = observation.noise * between(0.7, 4.0, observation)
    shape = rng.choice(["pupil", "edge", "rays", "burst"], p=[0.35, 0.2, 0.25, 0.2])
    parts = {"pupil": _pupils, "edge": _edge_ghosts, "rays": _ray_fans, "burst": _bursts}[shape](rng, direction, radius)

    def light(grid: Grid) -> np.ndarray:
        total = np.zeros(grid.shape, np.float32)
        for weight, reach, centre, draw in parts:
            if np.hypot(*(np.subtract(centre, grid.centre))) < reach + 2700:
                total += np.float32(weight * bright) * draw(grid.u, grid.v)
        return total

    return Effects(light=light, step=8, affected=lit(observation))


def _pupils(rng, direction, radius) -> list[tuple]:
    """Large pupil images along the line through the optical axis, and a small one near the star."""
    star = direction * radius * rng.uniform(0.55, 1.1)
    parts = []
    for size in rng.uniform(0.22, 0.72, rng.integers(2, 4)):
        centre = star * rng.uniform(-0.35, 0.55)
        parts.append(_pupil_part(rng, centre, size * radius, 0.75 / (0.4 + size)))
    parts.append(_pupil_part(rng, star * rng.uniform(0.7, 0.95), radius * rng.uniform(0.05, 0.12), 3.0))
    return parts


def _pupil_part(rng, centre, size, weight, squeeze=1.0, angle=0.0) -> tuple:
    hole = rng.uniform(0.38, 0.52)
    return (
        weight,
        size * 1.05,
        centre,
        lambda u, v: reflections.pupil(u, v, centre, size, hole=hole, squeeze=squeeze, angle=angle),
    )


def _edge_ghosts(rng, direction, radius) -> list[tuple]:
    """Small squeezed pupil images near the edge, and an arc through the field."""
    along = float(np.arctan2(direction[1], direction[0]))
    parts = []
    for place in rng.uniform(0.72, 1.02, rng.integers(2, 4)):
        squeeze, size = rng.uniform(0.35, 0.8), radius * rng.uniform(0.07, 0.17)
        parts.append(_pupil_part(rng, direction * radius * place, size, 2.5, squeeze, along + np.pi / 2))
    centre, wide = -direction * radius * rng.uniform(0.1, 0.7), radius * rng.uniform(0.8, 1.3)
    thin, spread = radius * rng.uniform(0.004, 0.010), rng.uniform(0.25, 0.7)
    parts.append(
        (
            0.6,
            wide * 1.1,
            centre,
            lambda u, v: reflections.arc(u, v, centre, wide, width=thin, middle=along, spread=spread),
        )
    )
    return parts


def _ray_fans(rng, direction, radius) -> list[tuple]:
    """One or two fans of rays from beyond the edge, rippled near their origin."""
    parts = []
    towards = float(np.arctan2(-direction[1], -direction[0])) + rng.uniform(-0.35, 0.35)
    for turn in rng.uniform(-0.16, 0.16, rng.integers(1, 3)):
        cos, sin = np.cos(turn), np.sin(turn)
        origin = np.array([direction[0] * cos - direction[1] * sin, direction[0] * sin + direction[1] * cos])
        origin = origin * radius * rng.uniform(1.15, 1.35)
        n = int(rng.integers(14, 30))
        fan = {
            "towards": towards,
            "length": radius * rng.uniform(0.15, 0.36),
            "angles": rng.normal(0, 0.16, n),
            "widths": rng.uniform(0.004, 0.018, n),
            "weights": rng.uniform(0.6, 3.0, n),
            "reach": rng.uniform(0.4, 1.4, n),
        }
        shape = reflections.rays(origin, **fan)
        parts.append((2.5, shape.reach, origin, shape))
    return parts


def _bursts(rng, direction, radius) -> list[tuple]:
    """A star so bright that it lights its surroundings, and its reflections."""
    star = direction * radius * rng.uniform(0.15, 0.9)
    n = int(rng.integers(18, 34))
    shape = {
        "radius": radius * rng.uniform(0.14, 0.24),
        "spikes": rng.uniform(0, 2 * np.pi, n),
        "widths": rng.uniform(0.01, 0.035, n),
        "lengths": rng.uniform(0.2, 0.7, n),
    }
    glare = reflections.burst(star, **shape)
    parts = [(14.0, glare.reach, star, glare)]
    for place in rng.uniform(-0.6, 0.3, 2):
        parts.append(_pupil_part(rng, star * place, radius * rng.uniform(0.12, 0.55), 0.9))
    return parts


def fringing(observation: Observation, camera: Camera, rng) -> Effects:
    """Interference fringes of night-sky lines in the silicon. Each CCD has its own pattern."""
    amplitude = between(0.004, 0.016, observation) * observation.sky

    def light(grid: Grid) -> np.ndarray:
        own = np.random.default_rng([grid.ccd.number, 77])  # thickness of the silicon: it belongs to the CCD
        y, x = grid.y[:, None] / 4094 - 0.5, grid.x[None, :] / 2046 - 0.5
        a = own.normal(0, 1, 8)
        thickness = 3.5 * (a[0] * x + 1.6 * a[1] * y) + 9 * (a[2] * x * x + a[3] * y * y + a[4] * x * y)
        thickness = thickness + 0.9 * np.sin(5 * x + a[5]) * np.sin(8 * y + a[6]) + 6 * np.hypot(x - 0.3 * a[7], y)
        phase = (2 * np.pi * thickness).astype(np.float32)
        return amplitude * (np.cos(phase) + 0.35 * np.cos(1.7 * phase + a[5]))

    return Effects(light=light, step=16, affected=lit(observation, 0.2))


def streak(observation: Observation, camera: Camera, rng) -> Effects:
    """A wide, bright trail (aircraft, meteor) or a train of trails, which spoils the CCDs that it crosses."""
    kind = rng.choice(["aircraft", "meteor", "train"])
    angle, offset = rng.uniform(0, np.pi), rng.uniform(-0.3, 0.3) * camera.canvas[0]
    bright = observation.noise * between(6, 40, observation)
    trails = []
    if kind == "train":
        for shift in np.cumsum(rng.uniform(450, 1500, rng.integers(4, 8))):
            trails.append((*_across(camera, angle + rng.normal(0, 0.02), offset + shift - 2500), 10.0, 0.0, 1.2))
    elif kind == "aircraft":
        for shift, weight in ((-320, 1.0), (0, 0.5), (320, 1.0)):
            trails.append((*_across(camera, angle, offset + shift), rng.uniform(35, 70), 0.0, weight))
    else:
        start, end = _across(camera, angle, offset)
        first, last = np.sort(rng.uniform(0.25, 0.75, 2)) + np.array([-0.08, 0.08])
        trails.append((start + (end - start) * first, start + (end - start) * last, rng.uniform(45, 90), 1.2, 1.5))
    return _trails(observation, trails, bright, step=8)


def satellite_trail(observation: Observation, camera: Camera, rng) -> Effects:
    """One thin trail across the focal plane, as wide as the stars. Any pipeline masks it, so the exposure is good."""
    angle, offset = rng.uniform(0, np.pi), rng.uniform(-0.35, 0.35) * camera.canvas[0]
    sigma = observation.fwhm / PIXEL_SCALE / 2.355
    trail = (*_across(camera, angle, offset), max(sigma, 1.7), 0.0, 1.0)
    return _trails(observation, [trail], observation.noise * between(4, 16, observation), step=1)


def _across(camera: Camera, angle: float, offset: float) -> tuple[np.ndarray, np.ndarray]:
    """Start and end of a line across the whole focal plane, `offset` detector pixels from its centre."""
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    return across * offset - along * camera.canvas[0], across * offset + along * camera.canvas[0]


def _trails(observation: Observation, trails, bright: float, *, step: int) -> Effects:
    """trails : start, end, sigma, outline and weight of each. Lengths are in detector pixels."""

    def light(grid: Grid) -> np.ndarray:
        total = np.zeros(grid.shape, np.float32)
        for start, end, width, outline, weight in trails:
            seen = float(np.hypot(width, 0.6 * grid.binning))  # binning widens the trail's profile
            dim = weight * bright * (1.0 if outline else width / seen)
            total += np.float32(dim) * reflections.line(grid.u, grid.v, start, end, seen, outline=outline)
        return total

    return Effects(light=light, step=step, affected=lit(observation, CROSSED_SHARE))


def bright_star(observation: Observation, camera: Camera, rng) -> Effects:
    """A bright star with spikes, halo and bleed trail on one or two CCDs. The other CCDs are not affected."""
    live = [ccd for ccd in camera.ccds if not camera.missing(ccd.name, observation.mjd)]
    place = live[int(rng.integers(len(live)))]
    width, height = camera.canvas
    u = place.x0 + rng.uniform(0.2, 0.8) * place.width - width / 2
    v = place.y0 + rng.uniform(0.2, 0.8) * place.height - height / 2
    bright = observation.noise * between(40, 120, observation)
    angles = np.deg2rad(45 + 90 * np.arange(4))

    def light(grid: Grid) -> np.ndarray:
        if np.hypot(grid.centre[0] - u, grid.centre[1] - v) > 5200:
            return np.zeros(grid.shape, np.float32)
        du, dv = grid.u - np.float32(u), grid.v - np.float32(v)
        r = np.hypot(du, dv) + 6
        total = 2.0e6 / r**2.6 + 0.15 / (1 + (r / 300) ** 3) + 0.10 * reflections.clip(grid.u, grid.v, (u, v), 290)
        for angle in angles:
            a = du * np.cos(angle) + dv * np.sin(angle)
            b = du * np.sin(angle) - dv * np.cos(angle)
            wide = np.hypot(6.0, 0.6 * grid.binning)
            total += 9.0 * (6.0 / wide) * np.exp(-0.5 * (b / wide) ** 2 - np.abs(a) / 420.0) * (a > 0)
        bleed = (np.abs(dv) < max(14, 0.6 * grid.binning)) & (np.abs(du) < 1700 * (0.5 + observation.strength))
        return (bright * total + SATURATION * bleed).astype(np.float32)

    return Effects(light=light, step=1, affected=frozenset())
