"""Shapes of ghosts and scattered light on the focal plane.

Shapes are functions of focal-plane coordinates u, v (detector pixels from the centre, broadcastable). They return light
relative to about 1. They imitate real DECam exposures: images of the pupil with its hole and four vanes, centred on
the line through the bright star and the optical axis; thin arcs; fans of rays from the edge; bursts around a star.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

RIM = 0.02  # width of the edges of a pupil image, relative to its radius


def _step(distance: np.ndarray, width: float) -> np.ndarray:
    """0 for negative and 1 for positive distance, linear over `width`."""
    return np.clip(distance / np.float32(width) + 0.5, 0, 1)


def pupil(u, v, centre, radius, *, hole=0.45, squeeze=1.0, angle=0.0, rim=0.35, vane=0.035) -> np.ndarray:
    """Out-of-focus image of the telescope's pupil: a disc with a hole, four dark vanes and bright rims."""
    du, dv = u - np.float32(centre[0]), v - np.float32(centre[1])
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    along, across = du * cos + dv * sin, (dv * cos - du * sin) / np.float32(squeeze)
    r = np.sqrt(along * along + across * across) / np.float32(radius)
    light = _step(1 - r, RIM) * _step(r - hole, RIM)
    light *= 1 + rim * np.exp(-((1 - r) ** 2) / (2 * 0.03**2)) + rim * np.exp(-((r - hole) ** 2) / (2 * 0.03**2))
    for sign in (1, -1):
        light *= 1 - 0.8 * _step(vane * radius - np.abs(du + sign * dv), 0.02 * radius)
    return light


def clip(u, v, centre, radius) -> np.ndarray:
    """1 inside a circle, 0 outside: the light that the barrel lets through."""
    distance = np.hypot(u - np.float32(centre[0]), v - np.float32(centre[1]))
    return _step(np.float32(radius) - distance, 0.03 * radius)


def arc(u, v, centre, radius, *, width, middle, spread) -> np.ndarray:
    """Part of a thin ring, centred on position angle `middle` and fading over `spread`, both in radians."""
    du, dv = u - np.float32(centre[0]), v - np.float32(centre[1])
    r, phi = np.hypot(du, dv), np.arctan2(dv, du)
    away = _turned(phi, middle)
    return np.exp(-0.5 * ((r - radius) / width) ** 2 - 0.5 * (away / spread) ** 2)


@dataclass(frozen=True)
class Polar:
    """A shape given by a table of light over position angle and distance from a centre. Call it with any u, v.

    table : (n_angles, n_radii) float32. The angles go once round; the radii go from 0 to `reach` detector pixels.
    """

    centre: tuple[float, float]
    reach: float
    table: np.ndarray

    def __call__(self, u, v) -> np.ndarray:
        du, dv = u - np.float32(self.centre[0]), v - np.float32(self.centre[1])
        n_angles, n_radii = self.table.shape
        angle = np.arctan2(dv, du) * np.float32(n_angles / (2 * np.pi)) % n_angles
        radius = np.hypot(du, dv) * np.float32((n_radii - 1) / self.reach)
        return ndimage.map_coordinates(self.table, (angle, radius), order=1, mode="grid-wrap", prefilter=False) * (
            radius < n_radii - 1
        )


def _polar_axes(reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Angles (2048, 1) and radii (1, 384) of the table of a Polar."""
    angles = np.arange(2048, dtype=np.float32)[:, None] * np.float32(2 * np.pi / 2048)
    return angles, np.linspace(0, reach, 384, dtype=np.float32)[None, :]


def _turned(angle: np.ndarray, by: float) -> np.ndarray:
    """angle - by, folded to -pi ... pi."""
    return (angle - np.float32(by) + np.pi) % (2 * np.pi) - np.pi


def rays(origin, *, towards, length, angles, widths, weights, reach) -> Polar:
    """A feathered fan: narrow rays from `origin` in the directions towards + angles, which fade along `length`.

    reach : length of each ray, relative to `length`.
    """
    phi, r = _polar_axes(6 * length)
    away = _turned(phi, towards)
    light = sum(
        weight * np.exp(-0.5 * ((away - angle) / width) ** 2) * np.exp(-r / (far * length))
        for angle, width, weight, far in zip(angles, widths, weights, reach, strict=True)
    )
    ripples = 1 + 0.45 * np.sin(r / (0.05 * length)) * np.exp(-r / (0.4 * length))
    return Polar(tuple(origin), 6 * length, (light * ripples).astype(np.float32))


def burst(centre, *, radius, spikes, widths, lengths) -> Polar:
    """Glow and many radial spikes around a very bright star. spikes : position angles, radians."""
    phi, r = _polar_axes(5 * radius)
    light = 1.0 / (1 + (r / (0.35 * radius)) ** 3)
    for angle, width, length in zip(spikes, widths, lengths, strict=True):
        spike = np.exp(-0.5 * (_turned(phi, angle) / width) ** 2) * np.exp(-r / (length * radius))
        light = light + 0.6 * spike * (r > 0.1 * radius)
    fading = np.clip(5 - r / radius, 0, 1)  # so that there is no edge where the table ends
    return Polar(tuple(centre), 5 * radius, (light * fading).astype(np.float32))


def line(u, v, start, end, width, *, outline=0.0) -> np.ndarray:
    """A straight trail with a Gaussian profile of sigma `width`. outline > 0 makes a defocused trail instead."""
    du, dv = np.float32(end[0] - start[0]), np.float32(end[1] - start[1])
    length = np.float32(np.hypot(du, dv))
    along = ((u - np.float32(start[0])) * du + (v - np.float32(start[1])) * dv) / length
    across = ((u - np.float32(start[0])) * dv - (v - np.float32(start[1])) * du) / length
    profile = np.exp(-0.5 * (across / width) ** 2)
    if outline:
        profile = (np.abs(across) < width) * (0.6 + outline * (across / width) ** 2)
    inside = _step(along + width, 2 * width) * _step(length + width - along, 2 * width)
    return (profile * inside).astype(np.float32)


def waves(rng: np.random.Generator, *, scale: float, n: int = 18, stretch: float = 1.0, angle: float = 0.0):
    """A smooth random field over the focal plane, mean 0, standard deviation about 1.

    scale : typical size of a structure, detector pixels. stretch > 1 elongates structures along `angle`.
    """
    cos, sin = np.cos(angle), np.sin(angle)
    k = rng.normal(size=(n, 2)) * np.array([1 / stretch, 1.0]) / scale
    k = np.stack([k[:, 0] * cos - k[:, 1] * sin, k[:, 0] * sin + k[:, 1] * cos], axis=1) * 2.2
    phase = rng.uniform(0, 2 * np.pi, n)

    def wave(u, v):
        total = sum(np.cos(ku * u + kv * v + p) for (ku, kv), p in zip(k.astype(np.float32), phase, strict=True))
        return (total * np.sqrt(2 / n)).astype(np.float32)

    return wave
