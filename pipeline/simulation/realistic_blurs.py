"""Defects of star images as small as they mostly are at a telescope: 0.5 to 3 arcsec, too small for a preview.

Trails, doubles, rings, wide and astigmatic images, guiding jitter, a jump of the hexapod, wind shake during part of the
exposure. In good exposures, too, the images vary a little over the focal plane and from one exposure to the next.
"""

from collections.abc import Callable

import galsim
import numpy as np

from triptych.pipeline.camera import Camera
from triptych.pipeline.simulation.conditions import Observation
from triptych.pipeline.simulation.defect_effect import Effects
from triptych.pipeline.simulation.sources import Blur

POINT = galsim.Gaussian(sigma=0.05)  # arcsec
# smallest and largest size of each, arcsec
TRAIL = (0.5, 3.0)
DOUBLE = (0.6, 2.5)
RING = (0.5, 2.5)
JITTER = (0.35, 0.9)
ASTIGMATISM = (0.35, 0.9)
SWOLLEN = (1.3, 3.0)  # times the seeing
WEAKEST = 0.25  # strength of the weakest observations that are planned
SIDE = 3  # parts of the focal plane along each side that have their own images
USUAL = (0.05, 0.2)  # arcsec, of the aberrations of good exposures


def sized(limits: tuple[float, float], observation: Observation) -> float:
    """A size between limits by the observation's strength: as many small ones for each factor of two as large ones."""
    share = np.clip((observation.strength - WEAKEST) / (1 - WEAKEST), 0, 1)
    return float(limits[0] * (limits[1] / limits[0]) ** share)


def telescope_moving(observation: Observation, rng) -> Effects:
    """A straight trail, one with a hook, or wind shake: a trail during a part of the exposure."""
    length = sized(TRAIL, observation)
    kind = str(rng.choice(["straight", "hook", "wind"]))
    angle = float(rng.uniform(0, np.pi))
    if kind == "hook":
        first, bend = float(rng.uniform(0.5, 0.8)), float(rng.normal(0, 0.8))
        end = first * length * np.array([np.cos(angle), np.sin(angle)])
        rest = (1 - first) * length * np.array([np.cos(angle + bend), np.sin(angle + bend)])
        trail = first * _line(first * length, angle).shift(*(end / 2))
        trail = trail + (1 - first) * _line((1 - first) * length, angle + bend).shift(*(end + rest / 2))
    else:
        trail = _line(length, angle)
    if kind == "wind":
        share = float(rng.uniform(0.4, 0.8))
        trail = share * trail + (1 - share) * POINT
    return Effects(blur=(Blur(trail, length),), size=length)


def psf(observation: Observation, camera: Camera, rng) -> Effects:
    """Doubled, astigmatic or swollen images, guiding jitter, or a jump of the hexapod that also changes the focus."""
    kind = str(rng.choice(["double", "astigmatic", "swollen", "jitter", "jump"]))
    angle = float(rng.uniform(0, np.pi))
    if kind in ("double", "jump"):
        apart = sized(DOUBLE, observation)
        share = float(rng.uniform(0.3, 0.5))
        way = apart / 2 * np.array([np.cos(angle), np.sin(angle)])
        other = galsim.Gaussian(sigma=0.25) if kind == "jump" else POINT
        return Effects(blur=(Blur((1 - share) * POINT.shift(*-way) + share * other.shift(*way), apart),), size=apart)
    if kind == "astigmatic":
        size = sized(ASTIGMATISM, observation)
        blurs, zone = _over_plane(camera, lambda z: size * z**2 + 0.3 * size * np.exp(2j * angle))
        return Effects(blur=blurs, zone=zone, size=size)
    if kind == "swollen":
        factor = sized(SWOLLEN, observation)
        fwhm = observation.fwhm * float(np.sqrt(factor**2 - 1))
        return Effects(blur=(Blur(galsim.Kolmogorov(fwhm=fwhm), 2 * fwhm),), size=fwhm)
    size = sized(JITTER, observation)
    return Effects(blur=(Blur(_elongated(size * np.exp(2j * angle)), 3 * size),), size=size)


def ring_radius(observation: Observation) -> float:
    """Outer radius of the ring of a star out of focus, arcsec."""
    return sized(RING, observation)


def usual_optics(observation: Observation, camera: Camera, rng) -> tuple[tuple[Blur, ...], Callable]:
    """What the optics do to the images of a good exposure, different over the focal plane: blurs and `zone(u, v)`."""
    size = float(rng.uniform(*USUAL))
    turn, tilt = np.exp(1j * rng.uniform(0, 2 * np.pi, 2))
    return _over_plane(camera, lambda z: size * (0.4 * turn + 0.6 * z**2 + 0.4 * tilt * z))


def _line(length: float, angle: float) -> galsim.GSObject:
    return galsim.Box(length, 0.05).rotate(angle * galsim.radians)


def _elongated(shape: complex) -> galsim.GSObject:
    """A Gaussian of sigma |shape| arcsec along half the angle of `shape`, and much less across. Flux 1."""
    sigma = max(abs(shape), 0.03)
    return galsim.Gaussian(sigma=sigma / 2).shear(q=0.25, beta=np.angle(shape) / 2 * galsim.radians)


def _over_plane(camera: Camera, shape: Callable[[complex], complex]) -> tuple[tuple[Blur, ...], Callable]:
    """Blurs of the middles of SIDE x SIDE parts of the focal plane, and which part a place belongs to.

    shape : of the place (-1 to 1 at the edges), as in `_elongated`.
    """
    steps = (np.arange(SIDE) + 0.5) / SIDE * 2 - 1
    shapes = [shape(complex(x, y)) for y in steps for x in steps]
    width, height = camera.canvas

    def zone(u, v):
        column = np.clip(((u / width + 0.5) * SIDE).astype(int), 0, SIDE - 1)
        row = np.clip(((v / height + 0.5) * SIDE).astype(int), 0, SIDE - 1)
        return row * SIDE + column

    return tuple(Blur(_elongated(one), 3 * abs(one) + 0.2) for one in shapes), zone
