"""The effects of one defect on one simulated exposure, and the limits above which a CCD counts as affected."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from triptych.pipeline.simulation.conditions import Grid, Observation
from triptych.pipeline.simulation.sources import Blur

VISIBLE_LIGHT = 0.5  # a pixel is affected if it gets more than this times the noise of one detector pixel
VISIBLE_SHARE = 0.02  # a CCD is affected if at least this share of its pixels is
VISIBLE_DIMMING = 0.75  # a CCD is affected by clouds if its stars keep less than this share of their light
CROSSED_SHARE = 0.001  # a CCD is affected by a streak that covers at least this share of its pixels


@dataclass(frozen=True)
class Effects:
    """The effects of one defect on one exposure.

    light(grid) -> ADU added before the noise, (ny, nx) or broadcastable; it varies over `step` detector pixels or more.
    dimming(u, v) -> factor on the light of the sources. blur : what smears the images. zone(u, v) -> index of the blur
    to use. sources : share of the sources that are there. exposed : share of EXPTIME for which the shutter was open.
    detector(pixels, grid, rng) -> pixels, after the noise. affected : CCD names, None = all CCDs, or a function
    affected(grid, light) -> bool. size : of what is done to star images, arcsec: length of a trail, radius of a ring,
    distance of a double, FWHM or sigma of what is added to the seeing. NaN = nothing.
    """

    light: Callable[[Grid], np.ndarray] | None = None
    step: int = 8
    dimming: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    blur: tuple[Blur, ...] = ()
    zone: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    sources: float = 1.0
    exposed: float = 1.0
    detector: Callable[[np.ndarray, Grid, np.random.Generator], np.ndarray] | None = None
    affected: frozenset[str] | Callable[[Grid, np.ndarray], bool] | None = None
    size: float = math.nan


def between(low: float, high: float, observation: Observation) -> float:
    """Interpolate between two values by the observation's strength."""
    return low + (high - low) * observation.strength


def lit(observation: Observation, share: float = VISIBLE_SHARE) -> Callable[[Grid, np.ndarray], bool]:
    """Return a function (grid, light) -> bool: whether the added light is visible on at least `share` of a CCD."""
    return lambda grid, light: bool((np.abs(light) > VISIBLE_LIGHT * observation.noise).mean() >= share)
