"""Ingest of real files: a raw exposure, Community Pipeline cut-outs of three cameras, focal planes with ghosts."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.image_ids import image_id_of
from triptych.pipeline.ingest.ingest import ingest
from triptych.pipeline.pixels.full_resolution import full_ccd, full_mask
from triptych.pipeline.pixels.images import display


@pytest.fixture(scope="module")
def run(real_data, tmp_path_factory) -> Catalog:
    catalog = Catalog.create(tmp_path_factory.mktemp("real") / "run")
    sources = [real_data / "fits", real_data / "fits" / "cp_cutouts", real_data / "focal_planes" / "ghosts"]
    report = ingest(catalog, sources)
    assert (report.n_new, report.n_ccds, report.n_quarantined) == (64, 1913, 2)
    return catalog


def test_the_raw_exposure_has_62_ccds_and_no_focus_chips(run):
    ccds = run.ccds()
    ccds = ccds[ccds.expnum == 941420]
    assert sorted(ccds.ccdnum) == list(range(1, 63))
    assert not ccds.ccdname.str.startswith("F").any()
    exposure = run.exposures().set_index("expnum").loc[941420]
    assert (exposure.n_ccds, exposure.camera, exposure.band, exposure.night) == (62, "decam", "g", 20200305)
    assert exposure.object == "Starlink 1102"


def test_ccds_are_read_from_the_hdu_of_their_name(run, real_data):
    ccds = run.ccds()
    with fits.open(real_data / "fits" / "cutout_c4d_200306_000415_ori.fits.fz") as hdus:
        for row in ccds[ccds.expnum == 941420].itertuples():
            header = hdus[row.image_hdu].header
            assert (header["EXTNAME"], header["CCDNUM"]) == (row.ccdname, row.ccdnum)
        assert np.array_equal(full_ccd(run, 94142043), hdus["N12"].data.astype(np.float32))


def test_every_cutout_is_an_exposure_of_its_own_camera(run, real_data):
    exposures, ccds = run.exposures(), run.ccds()
    cutouts = sorted((real_data / "fits" / "cp_cutouts").glob("*_ooi_*.fits"))
    assert len(cutouts) == 33
    held = dict(zip(ccds.source, ccds.expnum, strict=True))
    cameras = dict(zip(exposures.expnum, exposures.camera, strict=True))
    for path in cutouts:
        expected = {"c4d": "decam", "k4m": "mosaic3", "ksb": "90prime"}[path.name[:3]]
        assert cameras[held[str(path.resolve())]] == expected
        header = fits.getheader(path)
        if "EXPNUM" in header:
            assert held[str(path.resolve())] == header["EXPNUM"]
    assert exposures.camera.value_counts().to_dict() == {"decam": 53, "90prime": 8, "mosaic3": 3}
    assert {78730103, 81900110} <= set(exposures.expnum[exposures.camera == "90prime"])  # as in the survey's tables
    pair = ccds[ccds.expnum == 396388]
    assert list(pair.ccdname) == ["S11", "S4"]  # two one-CCD files of one exposure
    assert pair.source.nunique() == 2


def test_masks_are_noted_beside_the_images(run):
    ccds = run.ccds()
    decam = ccds[ccds.source.str.contains("c4d_.*_ooi_")]
    assert len(decam) == 22
    assert decam.mask_source.str.contains("_ood_").all()
    assert not run.exposures().source.str.contains("_oo[dw]_").any()
    image_id = int(decam.image_id.iloc[0])
    assert full_mask(run, image_id).shape == full_ccd(run, image_id).shape


def test_image_mask_and_weight_in_one_file(run):
    row = run.ccds().set_index("image_id").loc[14977440]
    assert (row.ccdname, row.image_hdu, row.mask_hdu, row.naxis1, row.naxis2) == ("N9", 1, 2, 960, 2004)
    assert row.mask_source == row.source
    assert full_ccd(run, 14977440).shape == (2004, 960)


def test_shapes_of_real_stars_and_of_cut_outs_without_any(run):
    """The header of 149774 says FWHM 7.0 pixels and ellipticity 0.26: it is trailed along East."""
    table = run.star_shapes()
    assert table.image_id.tolist() == run.ccds().image_id.tolist()
    real = table[table.expnum == 149774].iloc[0]
    assert real.n_stars > 12
    assert 1.4 < real.fwhm_arcsec < 1.9
    assert (real.e1, real.e2) == pytest.approx((-0.44, 0), abs=0.03)
    assert real.orientation_entropy < 0.7
    others = table[table.expnum != 149774]
    assert others[["n_stars", "fwhm_arcsec", "e1", "donut", "double", "depth_mag"]].isna().all(axis=None)


def test_what_is_in_quarantine(run):
    quarantine = run.quarantine()
    found = {Path(row.path).name: (row.problem, row.detail) for row in quarantine.itertuples()}
    assert found["DEC-OBS18a.mini.fits"][0] == "no_expnum"
    assert found["tu1134529.fits.fz"] == ("unknown_camera", "INSTRUME is 'mosaic_1'")
    assert len(found) == len(quarantine) == 2


def test_thirty_ghosts_of_60_or_61_ccds(run, real_data):
    exposures, ccds = run.exposures(), run.ccds()
    ghosts = exposures[exposures.source.str.endswith(".jpg")]
    assert len(ghosts) == 30
    rows = ccds[ccds.expnum.isin(ghosts.expnum)]
    assert set(rows.ccdnum) == set(range(1, 63)) - {61}
    assert rows[rows.ccdname == "S7"].blank_fraction.between(0.4, 0.55).all()
    without = ghosts[ghosts.n_ccds == 60].expnum
    assert len(without) == 13
    assert without.between(260302, 582392).all()  # S30 was off from the end of 2013 to the end of 2016
    assert not (rows.expnum.isin(without) & (rows.ccdname == "S30")).any()
    assert (ghosts[~ghosts.expnum.isin(without)].n_ccds == 61).all()
    assert (rows.blank_fraction < 1).all()
    assert (rows.groupby("expnum").sampled.sum() == 20).all()
    picture = np.asarray(Image.open(ghosts.source.iloc[0]).convert("L"), dtype=np.float32)
    shown = display(full_ccd(run, image_id_of(int(ghosts.expnum.iloc[0]), 28)))
    assert np.array_equal(shown, picture[170:198, 170:229])


def test_a_picture_without_number_or_usable_tiles(run, real_data):
    report = ingest(run, real_data / "focal_planes")
    assert (report.n_new, report.n_skipped) == (0, 64)
    row = run.quarantine().set_index("path").loc[str((real_data / "focal_planes" / "decam_trails.jpg").resolve())]
    assert row.problem == "no_expnum"
    assert "no column ccdnum" in row.detail


def test_pixels_agree_with_the_headers_sky(run):
    ccds = run.ccds().set_index("source")
    agreeing = []
    for source in ccds.index[ccds.index.str.contains("_ooi_")]:
        sky = fits.getheader(source, 1).get("AVSKY")
        agreeing.append(sky is not None and abs(ccds.sky_median_adu[source] / sky - 1) < 0.1)
    assert np.mean(agreeing) > 0.9
