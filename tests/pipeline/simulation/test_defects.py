"""Planted defects: the requested kinds, on the CCDs that the truth names, with the right strength."""

import numpy as np
import pytest

from triptych.pipeline.camera import DECAM
from triptych.pipeline.reasons import REASONS
from triptych.pipeline.simulation.conditions import coarse_grid, pixel_grid, refine
from triptych.pipeline.simulation.defects import DEFECTS, SUSPICIOUS
from triptych.pipeline.simulation.exposure import Exposure
from triptych.pipeline.simulation.simulate import simulate_exposure
from triptych.pipeline.simulation.survey_plan import shortened, single

SOME = ("N4", "N15", "S29", "S7", "S17", "N26")
WHOLE = ("Saturated", "PSF", "Nonoptimal_exp", "NObjects", "Telescope_Moving", "Out_of_focus", "Fringing")


def simulated(kind: str, seed: int = 1, **options):
    what = {"reason": kind} if kind in DEFECTS else {"suspicious": kind}
    return simulate_exposure(seed, **what, **{"band": "z", "binning": 16, "ccdnames": SOME, **options})


def scatter(pixels: np.ndarray) -> float:
    """Robust scatter of the differences between neighbouring pixels: the noise, independent of the sky."""
    steps = np.diff(pixels[np.isfinite(pixels).all(axis=1)], axis=1)
    return float(1.4826 * np.median(np.abs(steps - np.median(steps))) / np.sqrt(2))


def test_every_defect_is_a_reason():
    assert set(DEFECTS) <= set(REASONS)
    assert len(DEFECTS) == 13
    assert not set(SUSPICIOUS) & set(DEFECTS)


@pytest.mark.parametrize("kind", [*DEFECTS, *SUSPICIOUS])
def test_each_kind_can_be_drawn_and_changes_pixels(kind):
    exposure = simulated(kind)
    good = simulate_exposure(1, band="z", binning=16, ccdnames=SOME)
    assert set(exposure.pixels) == set(SOME)
    allowed = {(kind,), ("good",)} if kind in DEFECTS else {("good",)}
    assert set(exposure.truth.values()) <= allowed
    for name, pixels in exposure.pixels.items():
        assert pixels.dtype == np.float32
        assert np.isfinite(pixels[:, :60]).all()
        assert pixels[:, :60].max() < 60000
        if exposure.truth[name] != ("good",):
            assert not np.array_equal(pixels, good.pixels[name], equal_nan=True)


@pytest.mark.parametrize("kind", WHOLE)
def test_defects_of_the_whole_exposure_affect_every_ccd(kind):
    exposure = Exposure(single(3, reason=kind, band="z"), DECAM, 16)
    assert {exposure.reasons(ccd) for ccd in exposure.ccds()} == {(kind,)}


@pytest.mark.parametrize("kind", ["Bad_CCD", "Streak", "Ghost_Scatter"])
def test_defects_of_some_ccds_leave_others_alone(kind):
    for seed in range(6):
        exposure = Exposure(single(seed, reason=kind, band="r"), DECAM, 16)
        bad = [ccd.name for ccd in exposure.ccds() if exposure.reasons(ccd) == (kind,)]
        assert 1 <= len(bad) < 60
        if kind == "Bad_CCD":
            assert len(bad) <= 3


def test_ghosts_are_labelled_where_they_are_seen():
    """A labelled CCD gets visible light. An unlabelled CCD is, within the noise, as it would be without the ghost."""
    for seed in range(4):
        observation = single(seed, reason="Ghost_Scatter", band="r")
        exposure = Exposure(observation, DECAM, 16)
        (effects,) = exposure.effects.values()
        for ccd in exposure.ccds():
            grid = coarse_grid(pixel_grid(DECAM, ccd, 16), 16)
            share = (np.abs(effects.light(grid)) > 0.5 * observation.noise).mean()
            if exposure.reasons(ccd) == ("Ghost_Scatter",):
                assert share > 0.01
            else:
                assert share < 0.03


def test_reasons_do_not_depend_on_binning():
    for kind in ("Ghost_Scatter", "Streak", "Clouds_transparency"):
        fine, coarse = (Exposure(single(2, reason=kind), DECAM, binning) for binning in (4, 8))
        assert [fine.reasons(ccd) for ccd in fine.ccds()[::4]] == [coarse.reasons(ccd) for ccd in coarse.ccds()[::4]]


def test_ghosts_cross_ccds():
    """Light at the edge of one CCD continues at the edge of the next."""
    exposure = Exposure(single(1, reason="Ghost_Scatter", strength=0.8), DECAM, 16)
    (effects,) = exposure.effects.values()
    grids = [pixel_grid(DECAM, ccd, 16) for ccd in exposure.ccds()]
    assert sum(bool((effects.light(grid) > 0).any()) for grid in grids) > 6


def test_clouds_dim_and_cirrus_hardly_does():
    for seed in range(3):
        heavy, thin = (
            Exposure(single(seed, strength=0.9, **what), DECAM, 16)
            for what in ({"reason": "Clouds_transparency"}, {"suspicious": "thin_cirrus"})
        )
        for exposure, least, most in ((heavy, 0.0, 0.45), (thin, 0.75, 1.0)):
            (effects,) = exposure.effects.values()
            kept = np.mean(
                [effects.dimming(*(np.array([x]) for x in pixel_grid(DECAM, c, 16).centre)) for c in DECAM.ccds]
            )
            assert least < kept < most


def test_noise_is_higher_where_the_truth_says():
    for seed in range(5):
        exposure = simulated("Noise", seed, ccdnames=None)
        bad = [name for name, reasons in exposure.truth.items() if reasons == ("Noise",)]
        expected = exposure.observation.noise / 16
        assert bad
        assert np.median([scatter(exposure.pixels[name].T) for name in bad]) > 1.3 * expected


def test_saturated_exposures_are_saturated():
    pixels = simulated("Saturated", strength=0.9).pixels["N4"]
    assert np.median(pixels) > 40000


def test_a_short_exposure_says_so_and_is_shallow():
    observation = single(1, reason="Nonoptimal_exp", band="r", strength=0.7)
    assert observation.exptime < 15
    assert observation.sky < 0.2 * single(1, band="r").sky
    assert shortened(single(1, band="r", strength=0.5)) < 12


def test_a_thin_trail_is_good_and_a_train_is_not():
    trail = simulated("satellite_trail", ccdnames=None)
    assert set(trail.truth.values()) == {("good",)}
    streak = simulated("Streak", ccdnames=None)
    assert ("Streak",) in streak.truth.values()


def test_two_defects_at_once():
    observation = single(1, reason="Telescope_Moving", band="r")
    both = Exposure(type(observation)(**{**vars(observation), "reasons": ("Telescope_Moving", "Bad_CCD")}), DECAM, 16)
    found = {both.reasons(ccd) for ccd in both.ccds()}
    assert found == {("Telescope_Moving",), ("Telescope_Moving", "Bad_CCD")}


def test_coarse_light_is_interpolated_exactly_where_it_is_linear():
    grid = pixel_grid(DECAM, DECAM.by_name["N4"], 8)
    coarse = coarse_grid(grid, 64)
    plane = 2 * coarse.u - 0.5 * coarse.v
    np.testing.assert_allclose(refine(plane, coarse, grid), 2 * grid.u - 0.5 * grid.v, atol=0.05)
