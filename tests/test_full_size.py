"""A full-size exposure with its masks fits into little memory."""

import pytest

from benchmarks.memory import triptych
from pipeline.catalog import Catalog
from pipeline.simulate import simulate

pytestmark = pytest.mark.slow

MOST = 4 * 2**30


def test_a_full_size_exposure_is_read_and_embedded_within_four_gigabytes(tmp_path):
    simulate(tmp_path / "sky", exposures=1, seed=3, binning=1, masks=True)
    run = tmp_path / "run"
    for words in (["ingest", run, tmp_path / "sky"], ["embed", run]):
        peak = triptych(*words)
        assert 0 < peak.shared_once <= peak.at_most < MOST
    ccds = Catalog.open(run).ccds()
    assert (ccds[["naxis2", "naxis1"]] == (4094, 2046)).all(axis=None)
    assert (ccds.mask_source != "").all()
    assert Catalog.open(run).stage("embedding").info["rows"] == len(ccds) == 61
