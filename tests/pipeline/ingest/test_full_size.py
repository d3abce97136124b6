"""The ingest of a full-size exposure with its masks needs little memory."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from benchmarks.speed.memory import triptych
from triptych.pipeline.camera import DECAM
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.simulation.conditions import SATURATION
from triptych.pipeline.simulation.cp_files import write_exposure
from triptych.pipeline.simulation.cp_headers import ccd_cards
from triptych.pipeline.simulation.exposure import CcdFrame, Exposure
from triptych.pipeline.simulation.survey_plan import single

pytestmark = pytest.mark.slow

MOST = 4 * 2**30
OBSERVATION = single(2)


def noise_and_stars(ccd) -> CcdFrame:
    """A sky of full size with a thousand saturated pixels and some without a value."""
    rng = np.random.default_rng(0)
    pixels = rng.normal(OBSERVATION.sky, OBSERVATION.noise, DECAM.ccd_shape).astype(np.float32)
    pixels[rng.integers(0, len(pixels), 1000), rng.integers(0, pixels.shape[1], 1000)] = SATURATION
    pixels[:16] = np.nan
    return CcdFrame(ccd, pixels, ("good",))


def write_full_size(folder: Path) -> None:
    """One exposure and its masks. Compression takes nearly all the time, so all CCDs share the bytes of one."""
    folder.mkdir()
    ccds = Exposure(OBSERVATION, DECAM, 1).ccds()
    first = noise_and_stars(ccds[0])
    write_exposure(folder, OBSERVATION, DECAM, 1, [first], masks=True)
    for path in folder.glob("*.fz"):
        with fits.open(path, disable_image_compression=True) as hdus:
            header, start = hdus[1].header, hdus[1].fileinfo()["datLoc"]
        compressed = path.read_bytes()[start:]
        with path.open("ab") as file:
            for ccd in ccds[1:]:
                for card in ccd_cards(OBSERVATION, DECAM, 1, replace(first, ccd=ccd)):
                    header[card["name"]] = card["value"]
                header["EXTNAME"] = ccd.name
                file.write(header.tostring().encode() + compressed)


def test_a_full_size_exposure_is_read_and_embedded_within_four_gigabytes(tmp_path):
    write_full_size(tmp_path / "sky")
    run = tmp_path / "run"
    for words in (["ingest", run, tmp_path / "sky"], ["embed", run]):
        peak = triptych(*words)
        assert 0 < peak.shared_once <= peak.at_most < MOST
    ccds = Catalog.open(run).ccds()
    assert (ccds[["naxis2", "naxis1"]] == (4094, 2046)).all(axis=None)
    assert (ccds.mask_source != "").all()
    assert Catalog.open(run).stage("embedding").info["rows"] == len(ccds) == 61
