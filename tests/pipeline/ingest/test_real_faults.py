"""Files at which an earlier version went wrong, most of them built from real ones; they lie beside the real data."""

from pathlib import Path

import numpy as np
import pytest

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.ingest.ingest import ingest
from triptych.pipeline.pixels.full_resolution import full_ccd

# folder -> (exposures: number of CCDs, (ccdname, problem) of what is in quarantine)
FAULTS = {
    "*corrupt-gz*/a09-gz-corrupt": ({941421: 5}, [("", "damaged")]),
    "*several-expnums/b10-expnum-per-hdu": ({941420: 1, 941421: 1, 941422: 1}, []),
    "*rest-of-file*/a08-one-bad-xtension": ({941420: 4}, [("", "damaged")]),
    "*weight-or-mask*/b09-ivar-before-image": ({941420: 1}, []),
    "*weight-or-mask*/b15-mask-renamed": ({941420: 1}, []),
    "*png16*/e02-png16": ({500001: 62}, []),
    "*blank-of-scaled*/a04-int16-bscale-blank": ({941420: 1}, []),
    "*mjd-rounding*/g01-mjd-rounding-edge": ({941420: 3}, []),
    "*foreign-camera*/g07-foreign-no-instrume-with-expnum": ({}, [("", "unknown_camera")]),
    "*lsst-calexp*/b07-lsst-calexp": ({941420: 1}, []),
    "*mzls*/b21-mzls-no-expnum": ({160125082555: 1}, []),
    "*misleading*/a09-gz-trailing": ({941420: 5}, [("", "extra_bytes")]),
    "*misleading*/a10-noend": ({}, [("", "damaged")]),
    "*misleading*/b16-missing-naxis2-one-hdu": ({941420: 4}, [("", "damaged")]),
    "*out-of-range/a13-mjd-zero": ({941420: 1}, []),
    "*out-of-range/b03-naxis3-1": ({941420: 1}, []),
    "*out-of-range/b18-object-dflat": ({}, [("", "calibration")]),
    "*checksum*/b14-checksum-broken": ({}, [("N12", "damaged")]),
}


@pytest.fixture(scope="module")
def folder(real_data) -> Path:
    found = real_data.parent / "cases"
    if not found.is_dir():
        pytest.skip(f"{found} is not there")
    return found


@pytest.fixture
def read(folder, tmp_path):
    def read(pattern: str) -> Catalog:
        (source,) = folder.glob(pattern)
        run = Catalog.create(tmp_path / "run")
        ingest(run, source, workers=1)
        return run

    return read


@pytest.mark.parametrize("pattern", FAULTS)
def test_each_costs_itself_and_is_told(read, pattern):
    exposures, problems = FAULTS[pattern]
    run = read(pattern)
    found, quarantine = run.exposures(), run.quarantine()
    assert dict(zip(found.expnum, found.n_ccds, strict=True)) == exposures
    assert list(zip(quarantine.ccdname, quarantine.problem, strict=True)) == problems
    known = pattern.startswith("*foreign")
    assert (quarantine.expnum == (-1 if known else 941420)).all()
    for image_id in run.ccds().image_id[:4]:
        assert np.isfinite(full_ccd(run, image_id)).any()


def test_what_they_hold(read):
    assert read("*weight-or-mask*/b15-mask-renamed").ccds().sky_median_adu[0] == pytest.approx(1000, abs=1)


def test_blank_pixels(read):
    run = read("*blank-of-scaled*/a04-int16-bscale-blank")
    assert np.isnan(full_ccd(run, 94142043)).sum() == 5120
    assert run.ccds().blank_fraction[0] == 5120 / 128 / 256


def test_grey_levels(read):
    assert read("*png16*/e02-png16").ccds().sky_median_adu.to_numpy() == pytest.approx(np.full(62, 120.0), abs=2)


def test_the_planes_of_a_calexp(read):
    row = read("*lsst-calexp*/b07-lsst-calexp").ccds().iloc[0]
    assert (row.ccdname, row.image_hdu, row.mask_hdu) == ("N12", 1, 2)


def test_the_night_where_the_time_cannot_be(read):
    assert read("*out-of-range/a13-mjd-zero").exposures().night.tolist() == [20200305]
