"""Simulated exposures in the Community Pipeline's format, with planted defects and the truth about them."""

from dataclasses import dataclass

import numpy as np

from pipeline.camera import camera as camera_named
from pipeline.conditions import Observation
from pipeline.defects import DEFECTS, SUSPICIOUS
from pipeline.errors import choose
from pipeline.exposure import Exposure
from pipeline.reasons import GOOD
from pipeline.survey_plan import single


@dataclass(frozen=True)
class SimulatedExposure:
    """One exposure in memory.

    pixels : CCD name -> (ny, nx) float32, ADU per detector pixel, array orientation, NaN = not recorded.
    truth : CCD name -> reasons that really affect it, ('good',) if nothing does.
    """

    observation: Observation
    pixels: dict[str, np.ndarray]
    truth: dict[str, tuple[str, ...]]


def simulate_exposure(
    seed: int = 0,
    *,
    reason: str = GOOD,
    suspicious: str = "",
    band: str = "",
    strength: float | None = None,
    binning: int = 8,
    camera: str = "decam",
    ccdnames: tuple[str, ...] | None = None,
) -> SimulatedExposure:
    """Draw one exposure in memory, for training and for pictures. The same arguments give the same pixels.

    reason : 'good' or a name of DEFECTS. suspicious : '' or a name of SUSPICIOUS. band : one of grizY, '' = by chance.
    strength : 0 (just visible) to 1 (ruined), None = by chance. ccdnames : only these CCDs, None = all.
    """
    choose(reason, [GOOD, *DEFECTS], "reason that can be simulated")
    if suspicious:
        choose(suspicious, SUSPICIOUS, "kind of suspicious exposure")
    observation = single(seed, reason=reason, suspicious=suspicious, band=band, strength=strength)
    exposure = Exposure(observation, camera_named(camera), binning)
    frames = [exposure.draw(ccd) for ccd in exposure.ccds() if ccdnames is None or ccd.name in ccdnames]
    return SimulatedExposure(
        observation,
        {frame.ccd.name: frame.pixels for frame in frames},
        {frame.ccd.name: frame.reasons for frame in frames},
    )
