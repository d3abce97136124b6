"""Two thin parallel satellite trails do not make a bad exposure; a ghost on as many CCDs does."""

import pytest

from benchmarks.accuracy import loop, two_trails
from tests import skies
from triptych.pipeline.camera import camera
from triptych.pipeline.classifier import candidates
from triptych.pipeline.simulation.exposure import Exposure
from triptych.pipeline.simulation.survey_plan import single
from triptych.pipeline.store.store import open_store

DECAM = camera("decam")
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("forty")]


def test_two_trails_cross_more_ccds_than_one_and_a_ghost_of_that_size_is_found():
    one, two = (two_trails.drawn(kind, 11, DECAM)[1] for kind in ("one_trail", "two_trails"))
    assert two >= one > 3
    ghost, n = two_trails.drawn("ghost", 12, DECAM, n_ccds=two, binning=64)
    assert abs(n - two) <= 4
    assert isinstance(ghost, Exposure)
    assert ghost.observation.reasons == ("Ghost_Scatter",)
    assert two_trails.drawn("plain", 11, DECAM)[1] == 0


def test_trails_are_thin_and_of_the_width_of_the_stars():
    exposure = Exposure(single(5), DECAM, 8)
    effects = two_trails.parallel_trails(exposure.observation, DECAM, exposure.observation.generator(6))
    grid = two_trails.pixel_grid(DECAM, DECAM.ccds[30], 8)
    lit = effects.light(grid) > 0.5 * exposure.observation.noise
    assert lit.mean() < 0.08


def test_two_trails_are_no_candidate_and_a_ghost_is(tmp_path):
    """A survey of forty exposures and the simulated teacher are enough to learn this."""
    catalog = loop.without_labels(skies.embedded(*skies.FORTY), tmp_path / "survey")
    truth = skies.truth(skies.sky(*skies.FORTY))
    with open_store(catalog) as store:
        store.import_labels(truth.assign(camera="decam", raw=truth.reason), source="truth.csv", kind="truth")
    drawn = {"seed": 400_000, "binning": skies.BINNING, "kinds": ("two_trails", "ghost")}
    kinds = two_trails.observed(tmp_path / "asked", 4, **drawn)
    other = two_trails.embedded_run(tmp_path / "asked" / "run", tmp_path / "asked" / "files")
    prediction = two_trails.asked(catalog, other, "mixed")
    found = two_trails.line(two_trails.figures(prediction, kinds, candidates.sampled_images(other)))
    assert found.above_half["two_trails"] <= 1
    assert found.above_half["ghost"] == 4
    assert found.probability["two_trails"] < 0.4 < 0.7 < found.probability["ghost"]
