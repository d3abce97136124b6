"""Simulated exposures in the Community Pipeline's format, with planted defects and the truth about them."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from triptych.pipeline.camera import camera as camera_named
from triptych.pipeline.catalog.files import write_json
from triptych.pipeline.errors import BadInput, choose
from triptych.pipeline.parallel import unordered
from triptych.pipeline.reasons import GOOD
from triptych.pipeline.simulation.conditions import STRENGTHS, STRONG, Observation
from triptych.pipeline.simulation.cp_files import clear_unfinished, is_written, write_exposure
from triptych.pipeline.simulation.defects import DEFECTS, SUSPICIOUS
from triptych.pipeline.simulation.exposure import Exposure
from triptych.pipeline.simulation.survey_plan import plan, single
from triptych.pipeline.simulation.truth_lists import write_lists

RECIPE = 1  # increase it when the same request would give other pixels
BINNINGS = (1, 2, 4, 8, 16)
REQUEST = "simulation.json"


def simulate(
    out: str | Path,
    *,
    exposures: int = 60,
    seed: int = 0,
    binning: int = 8,
    camera: str = "decam",
    masks: bool = False,
    strengths: str = STRONG,
    workers: int | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> pd.DataFrame:
    """Write a survey of simulated exposures and return its truth: expnum, ccdname, reason, at least one row per CCD.

    Besides the `ooi` files (and `ood` with masks=True), the folder gets truth.csv, suspicious.csv (good exposures that
    look bad: expnum, kind), and the same labels as bad_expid.txt and exclude/*.txt. The same request gives the same
    bytes with any number of workers. A second call writes only missing files. strengths : `strong`, defects of star
    images as large as they get, or `realistic`, 0.5 to 3 arcsec; then truth.csv has a column `strength_arcsec`, and the
    images of good exposures vary a little, too. BadInput if the folder holds something else.
    """
    out = Path(out)
    choose(camera, ["decam"], "camera that can be simulated")
    if binning not in BINNINGS:
        raise BadInput(f"binning {binning} is not one of {', '.join(map(str, BINNINGS))}")
    choose(strengths, STRENGTHS, "choice of strengths")
    observations = plan(exposures, seed, camera_named(camera), strengths)
    request = {"recipe": RECIPE, "exposures": exposures, "seed": seed, "binning": binning, "camera": camera}
    if strengths != STRONG:
        request["strengths"] = strengths
    _claim(out, request)
    clear_unfinished(out)
    write = partial(_write_one, folder=out, camera=camera, binning=binning, masks=masks)
    rows: dict[int, list[tuple[int, str, str, float]]] = {}
    for observation, found in unordered(write, observations, workers):
        if isinstance(found, Exception):
            raise found
        rows[observation.expnum] = found
        if progress:
            progress(len(rows), len(observations), str(observation.expnum))
    in_order = [row for observation in observations for row in rows[observation.expnum]]
    truth = pd.DataFrame(in_order, columns=["expnum", "ccdname", "reason", "strength_arcsec"])
    if strengths == STRONG:
        truth = truth.drop(columns="strength_arcsec")
    note = f"Simulated survey of {exposures} exposures, seed {seed}"
    write_lists(out, truth, observations, camera_named(camera), note=note)
    return truth


def _claim(out: Path, request: dict) -> None:
    """Reserve the folder for this request. BadInput if it holds something else."""
    path = out / REQUEST
    if path.exists():
        held = json.loads(path.read_text())
        if held != request:
            changed = [
                f"{name} {held.get(name, STRONG)}, not {request.get(name, STRONG)}"
                for name in held | request
                if held.get(name) != request.get(name)
            ]
            raise BadInput(
                f"{out} has another simulated survey ({'; '.join(changed)}); choose another folder or remove it"
            )
        return
    if out.exists() and any(out.iterdir()):
        raise BadInput(f"{out} is not empty and has no simulated survey; choose a new folder")
    out.mkdir(parents=True, exist_ok=True)
    write_json(path, request)


def _write_one(observation: Observation, folder: Path, camera: str, binning: int, masks: bool) -> list[tuple]:
    """Write one exposure if it is missing. Return its rows of the truth."""
    exposure = Exposure(observation, camera_named(camera), binning)
    if is_written(folder, observation, masks=masks):
        found = [(ccd.name, exposure.reasons(ccd)) for ccd in exposure.ccds()]
    else:
        found = []
        frames = _noting(exposure, found)
        write_exposure(folder, observation, camera_named(camera), binning, frames, masks=masks)
    sizes = {name: effects.size for name, effects in exposure.effects.items()}
    return [
        (observation.expnum, name, reason, round(sizes.get(reason, math.nan), 3))
        for name, reasons in found
        for reason in reasons
    ]


def _noting(exposure: Exposure, found: list):
    """Yield the exposure's frames, and add to `found` what affects each."""
    for frame in exposure.frames():
        found.append((frame.ccd.name, frame.reasons))
        yield frame


@dataclass(frozen=True)
class SimulatedExposure:
    """One exposure in memory.

    pixels : CCD name -> (ny, nx) float32, ADU per detector pixel, array orientation, NaN = not recorded.
    truth : CCD name -> reasons that really affect it, ('good',) = none.
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
    strengths: str = STRONG,
    binning: int = 8,
    camera: str = "decam",
    ccdnames: tuple[str, ...] | None = None,
) -> SimulatedExposure:
    """Draw one exposure in memory, for training and for pictures. The same arguments give the same pixels.

    reason : 'good' or a name in DEFECTS. suspicious : '' or a name in SUSPICIOUS. band : one of grizY, '' = random.
    strength : 0 (just visible) to 1 (ruined), None = random. strengths : one of STRENGTHS. ccdnames : only these CCDs,
    None = all.
    """
    choose(reason, [GOOD, *DEFECTS], "reason that can be simulated")
    choose(strengths, STRENGTHS, "choice of strengths")
    if suspicious:
        choose(suspicious, SUSPICIOUS, "kind of suspicious exposure")
    observation = single(seed, reason=reason, suspicious=suspicious, band=band, strength=strength, strengths=strengths)
    exposure = Exposure(observation, camera_named(camera), binning)
    frames = [exposure.draw(ccd) for ccd in exposure.ccds() if ccdnames is None or ccd.name in ccdnames]
    return SimulatedExposure(
        observation,
        {frame.ccd.name: frame.pixels for frame in frames},
        {frame.ccd.name: frame.reasons for frame in frames},
    )
