"""Star shapes of one CCD against what was drawn, and of an exposure against the modes that were put in."""

import math

import galsim
import numpy as np
import pandas as pd
import pytest

from triptych.pipeline.camera import BOK, DECAM, MOSAIC3
from triptych.pipeline.shapes import ccd, exposure, median_star
from triptych.pipeline.shapes.ccd import COLUMNS, FEWEST_STARS, measure_stars
from triptych.pipeline.shapes.frame import Frame, frame_of
from triptych.pipeline.shapes.moments import adaptive_moments

SHAPE = (700, 600)
SCALE = 0.262
SATURATION = 40_000.0
DECAM_FRAME = frame_of(DECAM, SHAPE, None, SATURATION)
SEEING = galsim.Kolmogorov(fwhm=1.0)


def ring(radius: float) -> galsim.GSObject:
    return galsim.TopHat(radius) - 0.42**2 * galsim.TopHat(0.42 * radius)


def pair(apart: float) -> galsim.GSObject:
    point = galsim.Gaussian(sigma=0.02)
    return galsim.Convolve(SEEING, point.shift(-apart / 2, 0) + point.shift(apart / 2, 0))


def sky(star: galsim.GSObject, n: int = 60, seed: int = 0, galaxies: int = 20, noise: float = 6.0) -> np.ndarray:
    """A CCD of `n` stars of one shape in array orientation, galaxies and cosmic rays: SHAPE float32, ADU."""
    rng = np.random.default_rng(seed)
    image = galsim.ImageF(SHAPE[1], SHAPE[0], scale=SCALE)
    sizes = np.exp(rng.normal(0, 0.5, 3))
    templates = [galsim.Convolve(star, galsim.Exponential(half_light_radius=0.8 * size)) for size in sizes]
    for place in range(n + galaxies):
        galaxy = templates[place % 3].shear(g1=rng.normal(0, 0.2), g2=rng.normal(0, 0.2))
        source = (star if place < n else galaxy).withFlux(10 ** rng.uniform(4.0, 4.9))
        where = galsim.PositionD(rng.uniform(30, SHAPE[1] - 30), rng.uniform(30, SHAPE[0] - 30))
        stamp = source.drawImage(center=where, nx=64, ny=64, scale=SCALE)
        both = stamp.bounds & image.bounds
        image[both] += stamp[both]
    pixels = image.array + rng.normal(800, noise, SHAPE)
    for _ in range(40):  # cosmic rays, one to three pixels each
        y, x = rng.integers(40, SHAPE[0] - 40), rng.integers(40, SHAPE[1] - 40)
        pixels[y, x : x + rng.integers(1, 4)] += rng.uniform(1000, 20_000)
    return pixels.astype(np.float32)


def measured(pixels: np.ndarray, frame: Frame = DECAM_FRAME) -> dict[str, float]:
    return measure_stars(pixels, frame)


def test_moments_are_those_of_galsim():
    shapes = [SEEING.shear(e1=0.2, e2=-0.3), galsim.Convolve(SEEING, ring(1.2)), pair(1.5), galsim.Gaussian(sigma=0.6)]
    for shape in shapes:
        image = shape.withFlux(1e5).shift(0.1, -0.05).drawImage(nx=33, ny=33, scale=SCALE)
        known, found = galsim.hsm.FindAdaptiveMom(image), adaptive_moments(image.array[None])
        assert found.good[0]
        assert found.sigma[0] == pytest.approx(known.moments_sigma, rel=1e-3)
        total = found.xx[0] + found.yy[0]
        assert (found.xx[0] - found.yy[0]) / total == pytest.approx(known.observed_e1, abs=1e-3)
        assert 2 * found.xy[0] / total == pytest.approx(known.observed_e2, abs=1e-3)


@pytest.mark.parametrize("fwhm", [0.7, 1.0, 1.6, 2.6, 4.0])
def test_fwhm_of_round_stars_among_galaxies_and_cosmic_rays(fwhm):
    row = measured(sky(galsim.Kolmogorov(fwhm=fwhm)))
    assert row["fwhm_arcsec"] == pytest.approx(math.hypot(fwhm, 0.6 * SCALE) * 1.05, rel=0.05)
    assert math.hypot(row["e1"], row["e2"]) < 0.02
    assert row["n_stars"] > 12
    assert row["double"] < 0.02
    assert row["donut"] < -0.2
    assert row["fwhm_scatter"] < 0.05
    assert row["sky_adu"] == pytest.approx(800, abs=2)


@pytest.mark.parametrize(
    ("camera", "angle", "expected"),
    [
        # DECam: y leads East, x leads South; the angle is from x towards y
        (DECAM, 0, (1, 0)),
        (DECAM, 90, (-1, 0)),
        (DECAM, 45, (0, -1)),
        (MOSAIC3, 0, (1, 0)),
        (MOSAIC3, 45, (0, 1)),
        (BOK, 90, (-1, 0)),
        (BOK, 45, (0, 1)),
    ],
)
def test_ellipticity_is_along_the_trail_on_the_sky(camera, angle, expected):
    trail = galsim.Convolve(SEEING, galsim.Box(1.5, 0.05).rotate(angle * galsim.degrees))
    row = measured(sky(trail, galaxies=5), frame_of(camera, SHAPE))
    e = math.hypot(row["e1"], row["e2"])
    assert 0.1 < e < 0.5
    assert (row["e1"] / e, row["e2"] / e) == pytest.approx(expected, abs=0.1)
    assert row["orientation_entropy"] < 0.5


def test_the_headers_scales_count_before_the_cameras():
    turned = frame_of(DECAM, SHAPE, (-SCALE / 3600, 0.0, 0.0, SCALE / 3600))  # x leads West, y leads North
    assert turned.east == pytest.approx((-SCALE, 0))
    assert frame_of(DECAM, SHAPE, (1.0, 0.0, 0.0, 1.0)) == frame_of(DECAM, SHAPE)  # 1 degree a pixel is absurd
    assert frame_of(DECAM, SHAPE, (math.nan, 0.0, 0.0, 1.0)) == frame_of(DECAM, SHAPE)
    assert frame_of(DECAM, (1023, 511)).scale == pytest.approx(4 * SCALE)  # a binned CCD
    assert frame_of(DECAM, (251, 245)).scale == pytest.approx(SCALE)  # a cut-out


def test_what_tells_rings_doubles_and_trails_apart():
    plain = measured(sky(SEEING))
    donut = measured(sky(galsim.Convolve(SEEING, ring(1.6))))
    double = measured(sky(pair(2.0)))
    trail = measured(sky(galsim.Convolve(SEEING, galsim.Box(2.0, 0.05))))
    assert donut["donut"] > 0 > plain["donut"]
    assert donut["concentration"] < plain["concentration"] - 0.5
    assert double["double"] > 0.1 > max(plain["double"], trail["double"], donut["double"])
    assert double["kurtosis_major"] < trail["kurtosis_major"] < plain["kurtosis_major"]
    assert all(row["fwhm_arcsec"] > 1.2 * plain["fwhm_arcsec"] for row in (donut, double, trail))
    assert math.hypot(trail["e1"], trail["e2"]) > 0.3


@pytest.mark.parametrize("radius", [4.0, 6.0])
def test_large_rings_are_seen_on_larger_pixels(radius):
    row = measured(sky(galsim.Convolve(SEEING, ring(radius)), n=16, galaxies=0, noise=2.0))
    assert row["fwhm_arcsec"] > radius
    assert row["donut"] > 0.2


def test_saturated_stars_do_not_count():
    pixels = sky(SEEING, seed=3)
    flat = np.minimum(pixels, 2500.0)  # as if it saturated there
    assert measured(flat, frame_of(DECAM, SHAPE, None, 2500.0))["fwhm_arcsec"] == pytest.approx(
        measured(pixels)["fwhm_arcsec"], rel=0.1
    )


def test_the_skys_slope_is_that_on_the_sky():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] * (SCALE / 60)  # arcmin; DECam's y leads East, x leads South
    row = measured((sky(SEEING) + 5 * y - 3 * x).astype(np.float32))
    assert row["sky_gradient_east"] == pytest.approx(5, rel=0.1)
    assert row["sky_gradient_north"] == pytest.approx(3, rel=0.1)


def hostile() -> dict[str, np.ndarray]:
    """CCDs on which nothing can be measured."""
    rng = np.random.default_rng(1)
    shape = (1024, 512)
    noise = rng.normal(100, 5, shape).astype(np.float32)
    stripes = noise.copy()
    stripes[::2] = np.nan
    return {
        "all NaN": np.full(shape, np.nan, np.float32),
        "all infinite": np.full(shape, np.inf, np.float32),
        "all saturated": np.full(shape, 65_535, np.float32),
        "constant": np.full(shape, 7, np.float32),
        "zero": np.zeros(shape, np.float32),
        "negative": np.full(shape, -1e5, np.float32) + noise,
        "largest numbers": np.full(shape, 3e38, np.float32) * np.sign(noise - 100),
        "half bright": np.where(np.arange(shape[1]) < 256, noise, 50_000).astype(np.float32),
        "chessboard": ((np.indices(shape) // 4).sum(0) % 2 * 1e4).astype(np.float32) + noise,
        "only noise": noise,
        "rows of NaN": stripes,
        "wild": rng.standard_cauchy(shape).astype(np.float32) * 1000,
        "one row": noise[:1],
        "one pixel": noise[:1, :1],
        "nothing": noise[:0],
        "narrow": noise[:, :40],
    }


@pytest.mark.parametrize("name", hostile())
def test_what_is_no_sky_with_stars_is_unknown(name):
    pixels = hostile()[name]
    row = measured(pixels)
    assert row.keys() == COLUMNS.keys()
    assert math.isnan(row["fwhm_arcsec"])
    assert math.isnan(row["n_stars"])
    assert all(value != 0 or name == "source_density" for name, value in row.items())


@pytest.mark.filterwarnings("error")
def test_too_few_stars_and_too_large_pixels_are_unknown():
    few = measured(sky(SEEING, n=FEWEST_STARS - 2, galaxies=0))
    assert math.isnan(few["fwhm_arcsec"])
    assert few["source_density"] > 0
    assert few["sky_adu"] == pytest.approx(800, abs=2)
    coarse = Frame((0.0, 1.0), (-1.0, 0.0))
    assert all(math.isnan(value) for value in measured(sky(SEEING), coarse).values())


def test_a_crowded_field_costs_no_more_stars():
    rng = np.random.default_rng(0)
    pixels = rng.normal(500, 5, (2048, 2048)).astype(np.float32)
    stamp = SEEING.withFlux(8000).drawImage(nx=17, ny=17, scale=SCALE).array
    for y, x in rng.integers(20, 2000, (9000, 2)):
        pixels[y : y + 17, x : x + 17] += stamp
    row = measured(pixels)
    assert row["n_stars"] <= ccd.MOST_STARS
    assert row["source_density"] > 20


def test_medians_of_odd_stars_have_no_numbers():
    empty = np.zeros((33, 33))
    assert math.isnan(median_star.double(empty, 2.0))
    assert math.isnan(median_star.donut(empty))
    assert math.isnan(median_star.concentration(empty))
    assert math.isnan(median_star.asymmetry(empty))
    assert all(map(math.isnan, median_star.kurtosis(empty, np.eye(2))))
    assert all(map(math.isnan, median_star.kurtosis(empty, np.zeros((2, 2)))))


# ---- an exposure


def plane(fwhm, e) -> pd.DataFrame:
    """Star shapes of DECam's CCDs. fwhm, e : functions of the position, North + i East."""
    z = exposure.positions(DECAM, DECAM.names)
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "ccdname": DECAM.names,
            "n_stars": 30.0,
            "fwhm_arcsec": fwhm(z) + rng.normal(0, 0.01, len(z)),
            "e1": np.real(e(z)) + rng.normal(0, 0.005, len(z)),
            "e2": np.imag(e(z)) + rng.normal(0, 0.005, len(z)),
        }
    )


def test_modes_over_the_focal_plane():
    table = plane(lambda z: 1.0 + 0.1 * z.imag + 0.2 * abs(z) ** 2, lambda z: 0.1 - 0.05j + 0.08 * z**2)
    table.loc[7, ["fwhm_arcsec", "e1"]] = [5.0, 0.9]  # one CCD that is far off
    table.loc[9, ["fwhm_arcsec", "e1", "e2", "n_stars"]] = np.nan
    row = exposure.exposure_shapes(DECAM, table)
    assert row["n_ccds_measured"] == len(DECAM.names) - 1
    assert row["n_stars"] == 30 * row["n_ccds_measured"]
    assert row["fwhm_tilt_east"] == pytest.approx(0.1 / row["fwhm_arcsec"], abs=0.02)
    assert row["fwhm_tilt_north"] == pytest.approx(0, abs=0.02)
    assert row["fwhm_curvature"] == pytest.approx(0.2 / row["fwhm_arcsec"], abs=0.03)
    assert (row["e1"], row["e2"]) == pytest.approx((0.1, -0.05), abs=0.02)
    assert row["e_coherent"] == pytest.approx(math.hypot(0.1, 0.05), abs=0.02)
    assert (row["e_radial"], row["e_spiral"]) == pytest.approx((0.08, 0), abs=0.01)
    assert row["e_residual"] < 0.02
    assert {*row, "fwhm_over_night"} == set(exposure.COLUMNS)


def test_spokes_from_the_centre_are_radial():
    """A trail that points from the centre to North-East has PA 45 degrees, and so e2 above 0."""
    z = np.exp(1j * np.pi / 4)  # North-East
    assert (z**2).imag == pytest.approx(1)
    assert exposure.positions(DECAM, ["S29"]).real[0] > 0.8  # the first row is the northernmost
    assert exposure.positions(DECAM, ["S31"]).imag[0] > 0 > exposure.positions(DECAM, ["S29"]).imag[0]


def test_an_exposure_without_stars_or_with_few_ccds_is_unknown():
    table = plane(lambda z: np.full(len(z), 1.0), lambda z: 0 * z)
    nothing = exposure.exposure_shapes(DECAM, table.assign(fwhm_arcsec=np.nan))
    assert nothing.pop("n_ccds_measured") == 0
    assert all(math.isnan(value) for value in nothing.values())
    few = exposure.exposure_shapes(DECAM, table[:5])
    assert few["fwhm_arcsec"] == pytest.approx(1, abs=0.05)
    assert math.isnan(few["e_radial"])


def test_fwhm_over_the_nights():
    exposures = pd.DataFrame({"expnum": [1, 2, 3, 4, 5], "night": [20, 20, 20, 21, -1]})
    fwhm = pd.Series([1.0, 2.0, 1.0, 3.0, 1.0], index=[1, 2, 3, 4, 5])
    assert exposure.over_night(exposures, fwhm).tolist()[:4] == [1.0, 2.0, 1.0, 1.0]
    assert math.isnan(exposure.over_night(exposures, fwhm)[5])
