"""What one defect does to one simulated exposure, and from when on a CCD counts as affected by it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from triptych.pipeline.simulation.conditions import Grid, Observation
from triptych.pipeline.simulation.sources import Blur

VISIBLE_LIGHT = 0.5  # an affected pixel gets more than this times the noise of one detector pixel
VISIBLE_SHARE = 0.02  # an affected CCD has at least this share of affected pixels
VISIBLE_DIMMING = 0.75  # a CCD whose stars keep less of their light than this is affected by clouds
CROSSED_SHARE = 0.001  # a streak covers at least this share of a CCD's pixels


@dataclass(frozen=True)
class Effects:
    """What one defect does to one exposure.

    light(grid) -> ADU added before noise, (ny, nx) or broadcastable; it varies over `step` detector pixels or more.
    dimming(u, v) -> factor on the light of the sources. blur, zone : what smears the images, and zone(u, v) -> which of
    the blurs applies where. sources : share of the sources that are there. exposed : share of EXPTIME for which the
    shutter was open. detector(pixels, grid, rng) -> pixels, after noise. affected : CCD names, None = all of them, or
    affected(grid, light) -> bool.
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


def between(low: float, high: float, observation: Observation) -> float:
    """The value between two that the observation's strength stands for."""
    return low + (high - low) * observation.strength


def lit(observation: Observation, share: float = VISIBLE_SHARE) -> Callable[[Grid, np.ndarray], bool]:
    """A CCD is affected where the added light would be seen on `share` of it."""
    return lambda grid, light: bool((np.abs(light) > VISIBLE_LIGHT * observation.noise).mean() >= share)
