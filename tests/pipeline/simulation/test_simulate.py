"""Simulated surveys: the Community Pipeline's format, determinism, resuming, and the truth in all its forms."""

import hashlib

import fitsio
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from triptych.pipeline.camera import DECAM
from triptych.pipeline.errors import BadInput, UnknownName
from triptych.pipeline.reasons import canonical
from triptych.pipeline.shapes.ccd import measure_stars
from triptych.pipeline.shapes.frame import frame_of
from triptych.pipeline.simulation import realistic_blurs, sources
from triptych.pipeline.simulation.conditions import pixel_grid
from triptych.pipeline.simulation.cp_headers import pointing, sky_position
from triptych.pipeline.simulation.defects import DEFECTS, SUSPICIOUS
from triptych.pipeline.simulation.exposure import Exposure
from triptych.pipeline.simulation.simulate import simulate, simulate_exposure
from triptych.pipeline.simulation.survey_plan import plan, shares, single

PRIMARY_KEYS = (
    *("EXPNUM", "FILTER", "BAND", "MJD-OBS", "DATE-OBS", "EXPTIME", "OBJECT", "PROPID", "OBSTYPE", "PROCTYPE"),
    *("PRODTYPE", "PLVER", "PLPROCID", "RA", "DEC", "AIRMASS", "WCSCAL", "SCAMPFLG", "INSTRUME", "TELESCOP"),
)
CCD_KEYS = ("DETPOS", "GAINA", "GAINB", "RDNOISEA", "RDNOISEB", "SATURATA", "SATURATB", "AVSKY", "AVSIG", "FWHM")
REQUEST = {"exposures": 3, "seed": 5, "binning": 16}


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*.*"))}


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    out = tmp_path_factory.mktemp("simulated") / "survey"
    return out, simulate(out, **REQUEST, workers=1)


def test_files_look_like_the_community_pipelines(survey):
    out, truth = survey
    files = sorted(out.glob("*.fits.fz"))
    assert len(files) == 3
    for path in files:
        assert path.name.startswith("c4d_")
        assert "_ooi_" in path.name
        with fits.open(path) as hdus:
            primary = hdus[0].header
            assert set(PRIMARY_KEYS) <= set(primary)
            assert primary["DTNSANAM"] == path.name
            assert primary["FILTER"].startswith(primary["BAND"])
            assert str(DECAM.night(primary["MJD-OBS"])) == primary["DTCALDAT"].replace("-", "")
            names = [hdu.name for hdu in hdus[1:]]
            assert names == list(truth[truth.expnum == primary["EXPNUM"]].ccdname.drop_duplicates())
            assert "N30" not in names
            for hdu in hdus[1:]:
                header = hdu.header
                assert isinstance(hdu, fits.CompImageHDU)
                assert DECAM.number(header["EXTNAME"]) == header["CCDNUM"]
                assert header["CTYPE1"] == "RA---TPV"
                assert set(CCD_KEYS) <= set(header)
            assert hdus["N4"].data.dtype.newbyteorder("=") == np.float32
            assert hdus["N4"].data.shape == (4094 // 16, 2046 // 16)
            blank = np.isnan(hdus["S7"].data)
            assert blank[:, 64:].all()
            assert not blank[:, :63].any()
        with fitsio.FITS(str(path)) as handle:
            assert handle[1].get_comptype() == "RICE_1"


def test_the_ccd_that_was_away_is_absent():
    observations = plan(60, 0, DECAM)
    n_ccds = {len(Exposure(observation, DECAM, 16).ccds()) for observation in observations}
    assert n_ccds == {60, 61}


def test_same_request_same_bytes_whatever_the_workers(survey, tmp_path):
    out, truth = survey
    again = simulate(tmp_path / "again", **REQUEST, workers=2)
    pd.testing.assert_frame_equal(truth, again)
    assert digests(out) == digests(tmp_path / "again")


def test_run_again_writes_only_what_is_missing(survey):
    out, truth = survey
    before = digests(out)
    files = sorted(out.glob("*.fits.fz"))
    times = {path: path.stat().st_mtime_ns for path in files}
    files[1].unlink()
    (out / "truth.csv").unlink()
    (out / ".c4d_150101_000000_ooi_r_v1.fits.fz.4194305.part").write_bytes(b"cut short")
    told = []
    again = simulate(out, **REQUEST, workers=1, progress=lambda done, total, text: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    pd.testing.assert_frame_equal(truth, again)
    assert digests(out) == before
    assert not list(out.glob(".c4d*"))
    assert [path for path in files if path.stat().st_mtime_ns != times[path]] == [files[1]]


def test_another_survey_in_the_folder_is_refused(survey, tmp_path):
    out, _ = survey
    with pytest.raises(BadInput, match=r"another simulated survey.*seed 5, not 6"):
        simulate(out, **{**REQUEST, "seed": 6})
    (tmp_path / "holiday.txt").write_text("not a survey")
    with pytest.raises(BadInput, match="not empty"):
        simulate(tmp_path, **REQUEST)
    assert not list(tmp_path.glob("*.fz"))


@pytest.mark.parametrize(("wrong", "error"), [({"binning": 3}, BadInput), ({"exposures": 0}, BadInput)])
def test_impossible_requests_say_why(tmp_path, wrong, error):
    with pytest.raises(error):
        simulate(tmp_path / "out", **{**REQUEST, **wrong})
    with pytest.raises(UnknownName, match="Did you mean 'decam'"):
        simulate(tmp_path / "out", **{**REQUEST, "camera": "decm"})
    with pytest.raises(UnknownName, match="Did you mean 'Ghost_Scatter'"):
        simulate_exposure(reason="Ghost_Scater")


def test_truth_in_all_its_forms_says_the_same(survey):
    out, truth = survey
    table = pd.read_csv(out / "truth.csv")
    pd.testing.assert_frame_equal(table, truth)
    bad = {tuple(row) for row in truth[truth.reason != "good"].itertuples(index=False)}
    assert bad
    names = truth.groupby("expnum").ccdname.unique()

    from_list = set()
    for line in (out / "bad_expid.txt").read_text().splitlines():
        if not line.startswith("#"):
            key, rest = line.split(maxsplit=1)
            expnum, _, ccdname = key.partition("-")
            for reason in canonical(rest):
                from_list |= {(int(expnum), name, reason) for name in ([ccdname] if ccdname else names[int(expnum)])}
    assert from_list == bad

    from_excludes = set()
    for path in (out / "exclude").iterdir():
        for line in path.read_text().splitlines():
            if line.startswith("#"):
                continue
            if path.name.startswith("problem"):
                _night, expnum, problem = line.split(maxsplit=2)
                from_excludes |= {(int(expnum), name, *canonical(problem)) for name in names[int(expnum)]}
            else:
                _night, expnum, _ccd, name, ccdnum = line.split()
                assert DECAM.number(name) == int(ccdnum)
                stem = path.stem.rsplit("-y", 1)[0]
                reason = {"ghost-scatter": "Ghost_Scatter", "ccd": "Bad_CCD"}.get(stem) or canonical(stem)[0]
                from_excludes.add((int(expnum), name, reason))
    assert from_excludes == bad


@pytest.mark.parametrize("exposures", [1, 5, 17, 18, 30, 58, 60, 72, 500])
def test_the_mix_covers_every_kind(exposures):
    counts = shares(exposures)
    assert sum(counts.values()) == exposures
    assert min(counts.values()) >= 0
    kinds = [*DEFECTS, *SUSPICIOUS]
    if exposures >= 18:
        assert min(counts[kind] for kind in kinds) >= 1
    if exposures >= 58:
        assert min(counts[kind] for kind in kinds) >= 2
        assert 0.4 < sum(counts[kind] for kind in DEFECTS) / exposures < 0.5


def test_every_reason_comes_early_and_late():
    """A model from the first part of a survey can be tested on its last part."""
    observations = plan(64, 0, DECAM)
    assert [o.mjd for o in observations] == sorted(o.mjd for o in observations)
    assert len({o.expnum for o in observations}) == 64
    first, last = observations[:38], observations[38:]
    for reason in DEFECTS:
        assert any(reason in o.reasons for o in first), reason
        assert any(reason in o.reasons for o in last), reason
    assert {o.band for o in observations} == set("grizY")


def test_sources_lie_where_the_wcs_says(survey):
    """A catalogue position gives the same pixel through the header and through the focal plane."""
    out, _ = survey
    observation = plan(REQUEST["exposures"], REQUEST["seed"], DECAM)[0]
    (path,) = [path for path in out.glob("*.fz") if fits.getval(path, "EXPNUM") == observation.expnum]
    for name in ("S29", "N4", "N31"):
        grid = pixel_grid(DECAM, DECAM.by_name[name], 16)
        u, v = grid.u[[3, 200], 0].astype(float), grid.v[0, [9, 100]].astype(float)
        y, x = grid.place(u, v)
        np.testing.assert_allclose(y, [3, 200], atol=1e-3)
        np.testing.assert_allclose(x, [9, 100], atol=1e-3)
        wcs = WCS(fits.getheader(path, name))
        ra, dec = pointing(observation)
        sky = np.array([sky_position(ra, dec, *place) for place in zip(u, v, strict=True)])
        found = wcs.all_world2pix(sky[:, 0], sky[:, 1], 0)
        np.testing.assert_allclose(found, (x, y), atol=0.02)


def test_light_is_conserved_by_binning():
    """The same star gives the same mean level in small and in large pixels, at any place within a pixel."""
    observation = single(3, band="r")
    for binning in (2, 8):
        stamps = sources.draw_stamps(observation, binning)
        sums = stamps[sources.STAR].sum(axis=(-1, -2))
        assert sums.shape == (4, 4)
        np.testing.assert_allclose(sums, 1, atol=0.06)
        pixels = np.zeros((61, 81), np.float32)
        sources.add_sources(
            pixels, np.array([30.3]), np.array([40.8]), np.array([1e4]), np.array([sources.WIDE_STAR]), stamps
        )
        y, x = np.indices(pixels.shape)
        assert pixels.sum() == pytest.approx(1e4, rel=0.06)
        assert (pixels * y).sum() / pixels.sum() == pytest.approx(30.3, abs=0.15)
        assert (pixels * x).sum() / pixels.sum() == pytest.approx(40.8, abs=0.15)


@pytest.mark.parametrize("binning", [4, 8])
def test_sky_and_noise_are_those_of_the_band(binning):
    exposure = simulate_exposure(4, band="z", binning=binning, ccdnames=("N4",))
    pixels, observation = exposure.pixels["N4"], exposure.observation
    sky = np.median(pixels)
    assert sky == pytest.approx(observation.sky, rel=0.03)
    steps = np.diff(pixels, axis=1)
    noise = 1.4826 * np.median(np.abs(steps - np.median(steps))) / np.sqrt(2)
    assert noise == pytest.approx(observation.noise / binning, rel=0.2)


def test_one_exposure_in_memory_is_repeatable():
    first = simulate_exposure(9, reason="Ghost_Scatter", binning=16, ccdnames=("N4", "S7", "S31"))
    second = simulate_exposure(9, reason="Ghost_Scatter", binning=16, ccdnames=("N4", "S7", "S31"))
    assert first.truth == second.truth
    for name, pixels in first.pixels.items():
        assert pixels.dtype == np.float32
        np.testing.assert_array_equal(pixels, second.pixels[name])


def test_masks_lie_beside_the_images(tmp_path):
    simulate(tmp_path / "out", exposures=1, seed=1, binning=16, masks=True, workers=1)
    (mask,), (image,) = (list((tmp_path / "out").glob(f"*_{product}_*")) for product in ("ood", "ooi"))
    assert mask.name == image.name.replace("_ooi_", "_ood_")
    with fits.open(mask) as hdus:
        assert hdus["S7"].data.dtype.kind == "i"
        assert (hdus["S7"].data[:, 64:] == 2).all()
        assert (hdus["S7"].data[:, :63] != 2).all()


@pytest.mark.slow
def test_full_size_works():
    frame = Exposure(single(2, reason="Streak", band="r"), DECAM, 1).draw(DECAM.by_name["N4"])
    assert frame.pixels.shape == (4094, 2046)
    steps = np.diff(frame.pixels, axis=1)
    noise = 1.4826 * np.median(np.abs(steps)) / np.sqrt(2)
    assert noise == pytest.approx(single(2, reason="Streak", band="r").noise, rel=0.15)


# ---- realistic strengths


def test_realistic_strengths_are_in_the_truth(tmp_path):
    out = tmp_path / "out"
    truth = simulate(out, exposures=3, seed=5, binning=16, strengths="realistic")
    table = pd.read_csv(out / "truth.csv")
    pd.testing.assert_frame_equal(table, truth)
    assert list(table) == ["expnum", "ccdname", "reason", "strength_arcsec"]
    assert len((out / "bad_expid.txt").read_text().splitlines()) > 1
    with pytest.raises(BadInput, match="strengths realistic, not strong"):
        simulate(out, exposures=3, seed=5, binning=16)
    with pytest.raises(UnknownName, match="Did you mean 'realistic'"):
        simulate(tmp_path / "other", strengths="realistc")


@pytest.mark.parametrize("reason", ["Telescope_Moving", "PSF", "Out_of_focus"])
def test_realistic_sizes_follow_the_strength(reason):
    sizes = []
    for seed in range(30):
        for strength in (0.25, 0.6, 1.0):
            observation = single(seed, reason=reason, strength=strength, strengths="realistic")
            sizes.append((strength, Exposure(observation, DECAM, 16).effects[reason].size))
    table = pd.DataFrame(sizes, columns=["strength", "size"]).groupby("strength")["size"]
    assert table.median().is_monotonic_increasing
    assert (table.min() > 0.3).all()
    assert table.max().max() < 6


def test_realistic_defects_show_in_star_shapes():
    """Pixels of 0.5 arcsec: a moving telescope makes stars long, and focus makes them wide and flat."""
    frame = frame_of(DECAM, [side // 2 for side in DECAM.ccd_shape])
    rows, how = {}, {"band": "r", "strength": 0.8, "strengths": "realistic", "binning": 2, "ccdnames": ("N4",)}
    for reason in ("Telescope_Moving", "Out_of_focus"):
        rows[reason] = measure_stars(simulate_exposure(9, reason=reason, **how).pixels["N4"], frame)
    assert all(row["n_stars"] > 12 for row in rows.values())
    length = {reason: np.hypot(row["e1"], row["e2"]) for reason, row in rows.items()}
    assert length["Telescope_Moving"] > 0.15 > 0.1 > length["Out_of_focus"]
    assert rows["Out_of_focus"]["fwhm_arcsec"] > 1.2 * rows["Telescope_Moving"]["fwhm_arcsec"]
    assert rows["Out_of_focus"]["concentration"] < 1.9 < rows["Telescope_Moving"]["concentration"]


def test_good_exposures_differ_a_little_over_the_plane_and_from_each_other():
    found = []
    for seed in range(5):
        blurs, zone = realistic_blurs.usual_optics(single(seed), DECAM, np.random.default_rng(seed))
        width, height = DECAM.canvas
        corners = zone(np.array([-width, width, 0.0]) / 2, np.array([-height, height, 0.0]) / 2)
        assert corners.tolist() == [0, 8, 4]
        found.append([blur.reach for blur in blurs])
        assert max(found[-1]) < 1.0
    assert np.unique(np.round(found, 6), axis=0).shape == (5, 9)
    assert all(len(set(reaches)) > 3 for reaches in found)
