"""Tables of the survey's own pipeline: real small ones, and made ones with flags."""

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from triptych.pipeline.errors import BadInput
from triptych.pipeline.labels import survey_ccds
from triptych.pipeline.labels.survey_ccds import BITS


def write(path, rows, columns=("camera", "expnum", "ccdname", "ccd_cuts", "plver", "ebv")):
    Table(rows=rows, names=columns).write(path, overwrite=True)
    return path


def test_bits_have_their_published_places():
    assert BITS["BADEXP_FILE"] == 0x200
    assert BITS["DEPTH_CUT_2"] == 1 << 18
    assert survey_ccds.flags(0x200 | 0x1000) == ("BADEXP_FILE", "SEEING_BAD")
    assert survey_ccds.flags(0) == survey_ccds.flags(survey_ccds.UNKNOWN) == ()


def test_real_tables_of_three_cameras(real_data):
    paths = sorted((real_data / "metadata").glob("*survey-ccds*.fits*"))
    table = survey_ccds.read(paths)
    assert len(table) > 20
    assert set(table.camera) == {"decam", "90prime", "mosaic3"}
    assert table.image_id.is_monotonic_increasing
    row = table[table.expnum == 722778].iloc[0]
    assert (row.camera, row.ccdname, row.image_id, row.plver) == ("decam", "N10", 72277841, "V4.8.2a")
    assert (table.ccd_cuts[table.expnum == 431608] == survey_ccds.UNKNOWN).all()
    assert (table.ccd_cuts[table.expnum == 722778] == 0).all()
    assert table.ebv.isna().all()


def test_the_newest_processing_counts_and_rows_without_a_number_do_not(tmp_path):
    old = write(tmp_path / "old.fits", [("decam", 7, "N10", 1, "V4.8.2a", 0.1), ("decam", 7, "S1", 1, "V4.8.2a", 0.1)])
    new = write(tmp_path / "new.fits.gz", [("decam", 7, " n10 ", 512, "V5.4", 0.02), ("decam", 0, "N1", 0, "V5.4", 0)])
    table = survey_ccds.read([old, new])
    assert table[["expnum", "ccdname", "ccd_cuts", "plver"]].values.tolist() == [[7, "N10", 512, "V5.4"]]
    assert table.ebv.tolist() == [0.02]


def test_a_row_that_cannot_be_used_costs_itself(tmp_path):
    rows = [
        ("decam", "7", "N10", 1.0, "V5.4", 0.1),
        ("decam", "", "N10", 1.0, "V5.4", 0.1),
        ("decam", "7", "FN1", 1.0, "V5.4", 0.1),
        ("decam", "7", "", 1.0, "V5.4", 0.1),
        ("hyper", "7", "N10", 1.0, "V5.4", 0.1),
        ("decam", "99999999999999999999", "N10", 1.0, "V5.4", 0.1),
        ("decam", "8", "N10", np.nan, "V5.4", 0.1),
    ]
    table = survey_ccds.read(write(tmp_path / "a.fits", rows))
    assert table[["expnum", "ccdname", "ccd_cuts"]].values.tolist() == [[7, "N10", 1], [8, "N10", survey_ccds.UNKNOWN]]
    assert survey_ccds.left_out_in_words(table) == (
        "survey-ccds rows left out: 2 without an exposure number, 1 of the focus chip FN1, 1 without a ccdname, "
        "1 of camera 'hyper', which is not known"
    )
    assert survey_ccds.exposure_flags(table).expnum.tolist() == [7]  # unknown is not "not flagged"


def test_what_cannot_be_read_is_said(tmp_path):
    (tmp_path / "text.fits").write_text("no table")
    with pytest.raises(BadInput, match="cannot be read as a survey-ccds table"):
        survey_ccds.read(tmp_path / "text.fits")
    with pytest.raises(BadInput, match="has no column camera"):
        survey_ccds.read(write(tmp_path / "a.fits", [(1, "N1")], columns=("expnum", "ccdname")))
    with pytest.raises(BadInput, match="N99"):
        survey_ccds.read(write(tmp_path / "b.fits", [("decam", 1, "N99", 0, "V5", 0.0)]))


def test_found_by_both_by_us_only_by_it_only(tmp_path):
    cuts = {1: (512, 512, 0), 2: (512, 0, 0), 3: (0, 0, 0), 4: (8, 8, 8), 5: (4096, 4096, 4096)}
    rows = [
        ("decam", expnum, name, cut, "V5", 0.0)
        for expnum, own in cuts.items()
        for name, cut in zip(("N1", "N2", "N3"), own, strict=True)
    ]
    table = survey_ccds.read(write(tmp_path / "t.fits", rows))
    found = pd.DataFrame({"expnum": [1, 2, 3, 4, 5, 6], "sent": [True, True, False, False, False, True]})
    result = survey_ccds.compare(found, table, answers={1: True, 2: True, 3: False, 5: False})
    assert result["n"] == 5
    assert result["not_in_table"] == 1
    assert result["both"] == {"n": 1, "truly_bad": 1, "truly_good": 0}
    assert result["only_ours"] == {"n": 1, "truly_bad": 1, "truly_good": 0}
    assert result["only_theirs"] == {"n": 1, "truly_bad": 0, "truly_good": 1}
    assert result["neither"]["n"] == 2
    assert {name: row["kind"] for name, row in result["flags"].items()} == {
        "EXPTIME_LT_30": "selection",
        "BADEXP_FILE": "defect",
        "SEEING_BAD": "defect",
    }
    flagged = survey_ccds.exposure_flags(table)
    np.testing.assert_array_equal(flagged.flagged, [True, False, False, False, True])
