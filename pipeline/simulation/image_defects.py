"""Defects of the images of stars, and exposures that recorded too little: trails, rings, doubles, empty frames.

Each function is `(observation, camera, rng) -> Effects` and decides once for the whole focal plane. The blurs are as
large as they get at a telescope, so that they can be seen in a preview with four arcseconds per pixel; those of
observations with realistic strengths are in `realistic_blurs`.
"""

import galsim
import numpy as np

from triptych.pipeline.camera import Camera
from triptych.pipeline.simulation import realistic_blurs
from triptych.pipeline.simulation.conditions import REALISTIC, Grid, Observation
from triptych.pipeline.simulation.defect_effect import Effects, between
from triptych.pipeline.simulation.sources import Blur


def telescope_moving(observation: Observation, camera: Camera, rng) -> Effects:
    """The telescope drifted or jumped: every star makes the same long trail, often with a hook or a bright end."""
    if observation.strengths == REALISTIC:
        return realistic_blurs.telescope_moving(observation, rng)
    length = between(35, 110, observation)
    angle = rng.uniform(0, np.pi)
    pieces, at = [], np.zeros(2)
    for share in rng.dirichlet([2.0, 1.0]) if rng.random() < 0.6 else (1.0,):
        step = length * share * np.array([np.cos(angle), np.sin(angle)])
        box = galsim.Box(max(length * share, 0.5), 0.3).rotate(angle * galsim.radians)
        pieces.append(share * box.shift(*(at + step / 2)))
        at, angle = at + step, angle + rng.normal(0, 0.8)
    pieces.append(rng.uniform(0.05, 0.5) * galsim.Gaussian(sigma=0.3).shift(*at))
    trail = galsim.Sum(pieces)
    return Effects(blur=(Blur(trail.shift(*(-at / 2)) / trail.flux, length * 0.75),), size=length)


def psf(observation: Observation, camera: Camera, rng) -> Effects:
    """Stars doubled, elongated or enlarged over the whole frame."""
    if observation.strengths == REALISTIC:
        return realistic_blurs.psf(observation, camera, rng)
    size = between(4.5, 12.0, observation)
    angle = rng.uniform(0, np.pi) * galsim.radians
    kind = rng.choice(["double", "elongated", "swollen"])
    if kind == "double":
        share = rng.uniform(0.3, 0.5)
        point = galsim.Gaussian(sigma=0.3)
        shape = ((1 - share) * point + share * point.shift(1.3 * size, 0)).shift(-0.65 * size, 0).rotate(angle)
    elif kind == "elongated":
        shape = galsim.Box(1.4 * size, 0.35 * size).rotate(angle)
    else:
        shape = galsim.Moffat(beta=2.5, fwhm=0.7 * size)
    return Effects(blur=(Blur(shape, 1.6 * size),), size=size)


def out_of_focus(observation: Observation, camera: Camera, rng) -> Effects:
    """Every star is a ring, the image of the pupil. A tilted focal plane makes the rings larger on one side."""
    small = observation.strengths == REALISTIC
    radius = realistic_blurs.ring_radius(observation) if small else between(6.0, 17.0, observation)
    tilt = rng.uniform(0.0, 0.35)
    angle = rng.uniform(0, 2 * np.pi)
    n = 3
    factors = 1 + tilt * np.linspace(-1, 1, n)

    def zone(u, v):
        across = (u * np.cos(angle) + v * np.sin(angle)) / (camera.canvas[0] / 2)
        return np.clip(((across + 1) / 2 * n).astype(int), 0, n - 1)

    rings = tuple(Blur(_ring(radius * factor), radius * factor + 1) for factor in factors)
    return Effects(blur=rings, zone=zone, size=radius)


def _ring(radius: float) -> galsim.GSObject:
    """Light of a ring with DECam's central obscuration. radius : outer, arcsec. Flux 1."""
    hole = 0.42
    ring = galsim.TopHat(radius) - hole**2 * galsim.TopHat(hole * radius)
    return ring / (1 - hole**2)


def nonoptimal_exposure(observation: Observation, camera: Camera, rng) -> Effects:
    """An exposure far too short for the conditions.

    `shortened` shortens EXPTIME itself, so there are no effects here.
    """
    return Effects()


def shortened(observation: Observation) -> float:
    """EXPTIME of a Nonoptimal_exp observation, seconds."""
    return round(observation.exptime * (0.12 - 0.10 * observation.strength), 1)


def n_objects(observation: Observation, camera: Camera, rng) -> Effects:
    """Nothing recorded (the shutter stayed closed), or a mottled sky in which software detects thousands of objects."""
    if rng.random() < 0.6:
        return Effects(sources=0.0, exposed=rng.uniform(0.0, 0.004))
    amplitude = between(0.6, 2.2, observation) * observation.noise
    seed = int(rng.integers(2**31))

    def detector(pixels: np.ndarray, grid: Grid, rng) -> np.ndarray:
        own = np.random.default_rng([seed, grid.ccd.number])
        cell = max(1, round(48 / grid.binning))
        ny, nx = (size // cell + 2 for size in pixels.shape)
        blobs = np.clip(own.standard_normal((ny, nx)), 0.4, None) - 0.6
        return pixels + amplitude * _spread(blobs.astype(np.float32), cell)[: pixels.shape[0], : pixels.shape[1]]

    return Effects(detector=detector)


def _spread(values: np.ndarray, factor: int) -> np.ndarray:
    """Enlarge by an integer factor, with linear interpolation."""
    for axis in (0, 1):
        place = np.arange((values.shape[axis] - 1) * factor) / factor
        low = place.astype(int)
        weight = (place - low).astype(np.float32).reshape((-1, 1) if axis == 0 else (1, -1))
        values = values.take(low, axis) * (1 - weight) + values.take(low + 1, axis) * weight
    return values


def crowded_field(observation: Observation, camera: Camera, rng) -> Effects:
    """Nothing is added, because the field itself is in the Milky Way."""
    return Effects()
